"""The JSON report keeps every figure, follows its schema, and a damaged file is one sentence."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_reports import causes, small_report

from seedchip.report import ReportError, from_json, read_report, schema, to_dict, to_json
from seedchip.report.manual import render_manual
from seedchip.report.report import SOURCES

ROOT = Path(__file__).parents[2]


def test_a_report_follows_the_schema_and_comes_back():
    report = small_report()
    jsonschema.validate(json.loads(to_json(report)), schema(), cls=jsonschema.Draft202012Validator)
    assert from_json(to_json(report)) == report
    bare = small_report(accuracy=None, host_ops=(), layers=())
    assert from_json(to_json(bare)) == bare


def test_the_schema_itself_is_sound_and_its_copy_in_the_manual_is_fresh():
    jsonschema.Draft202012Validator.check_schema(schema())
    shipped = (ROOT / "src/seedchip/report/report.schema.json").read_text()
    assert (ROOT / "docs/03_reference/report.schema.json").read_text() == shipped
    assert (ROOT / "docs/03_reference/report.md").read_text() == render_manual()


def test_computed_figures_follow_from_counted_ones():
    content = to_dict(small_report())
    assert content["seconds"] == 0.001
    assert content["mac_utilisation"] == 16_000 / (1000 * 64) == 0.25
    assert content["bandwidth_utilisation"] == 4000 / (1000 * 8) == 0.5


def test_every_figure_says_where_it_comes_from():
    figures = set(schema()["properties"]) - {"format", "version", "model", "chip", "chip_hash", "sources"}
    assert set(SOURCES) == figures


def test_causes_that_do_not_add_up_are_refused():
    counters = {**small_report().counters, "load": causes(active=999)}
    with pytest.raises(ReportError, match=r"^the causes of engine 'load' must add up to 1000 cycles, not 999$"):
        small_report(counters=counters)


def test_a_damaged_file_is_one_sentence(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("{")
    with pytest.raises(ReportError, match=f"^{re.escape(str(path))}: the report must be JSON, but "):
        read_report(path)
    content = to_dict(small_report())
    path.write_text(json.dumps({**content, "cycles": "many"}))
    with pytest.raises(ReportError, match=r": cycles breaks the schema: 'many' is not of type 'integer'$"):
        read_report(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ReportError, match=r": the report must be UTF-8 text$"):
        read_report(path)


@settings(max_examples=60, deadline=2000, derandomize=True)
@given(st.data())
def test_random_values_in_a_report_never_cause_another_error(data):
    content = json.loads(to_json(small_report()))
    key = data.draw(st.sampled_from(sorted(content)))
    content[key] = data.draw(st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)))
    try:
        from_json(json.dumps(content))
    except ReportError as error:
        assert "\n" not in str(error)
