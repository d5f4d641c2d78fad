"""The flow around the tools: constraints, what is refused, what nextpnr's report says, what is done only once."""

import importlib.metadata
import json

import pytest
from typer.testing import CliRunner

from seedchip.cli.main import app
from seedchip.fpga import flow
from seedchip.fpga.boards import ULX3S_85F
from seedchip.fpga.synthesis import PASSES, STEPS, FlowError
from seedchip.fpga.trellis import Segment, read_placement
from seedchip.fpga.verilog import image_hex
from seedchip.spec import load

REPORT = {
    "fmax": {"$glbnet$clock$TRELLIS_IO_IN": {"achieved": 40.5, "constraint": 25.0}},
    "utilization": {"TRELLIS_COMB": {"available": 83640, "used": 60000}, "DP16KD": {"available": 208, "used": 164}},
    "critical_paths": [
        {"from": "<async>", "to": "<async>", "path": []},
        {"from": "posedge $glbnet$clock$TRELLIS_IO_IN", "to": "posedge $glbnet$clock$TRELLIS_IO_IN", "path": [
            {"type": "clk-to-q", "delay": 0.5, "to": {"cell": "a", "port": "Q"}},
            {"type": "routing", "delay": 1.5, "to": {"cell": "b", "port": "D"}}]}]}


def test_every_port_of_the_board_has_a_pin():
    text = ULX3S_85F.constraints()
    for port in ("clock", "reset", "receive", "transmit", "awake", *(f"leds[{i}]" for i in range(8))):
        assert text.count(f'LOCATE COMP "{port}" SITE ') == text.count(f'IOBUF PORT "{port}" IO_TYPE=LVCMOS33 ') == 1
    assert 'FREQUENCY PORT "clock" 25 MHZ;' in text and 'LOCATE COMP "receive" SITE "M1";' in text


def test_the_report_of_place_and_route_is_read(tmp_path):
    path = tmp_path / "routed.json"
    path.write_text(json.dumps(REPORT))
    found = read_placement(path)
    assert (found.fmax_hz, found.constraint_hz, found.met) == (40.5e6, 25e6, True)
    assert found.used == {"TRELLIS_COMB": 60000, "DP16KD": 164} and found.available["DP16KD"] == 208
    assert found.longest_path == (Segment("clk-to-q", 0.5, "a.Q"), Segment("routing", 1.5, "b.D"))
    path.write_text(json.dumps(REPORT | {"fmax": {"other": {}}}))
    with pytest.raises(FlowError, match=r"must tell of a clock from port clock, not of other$"):
        read_placement(path)


def test_an_image_is_written_a_granule_a_row_most_significant_byte_first():
    lines = image_hex(bytes(range(1, 12)), load("pico")).splitlines()
    assert lines[:3] == ["0807060504030201", "00000000000b0a09", "0" * 16]
    assert len(lines) == 131_072 // 8


def test_a_stage_that_is_done_is_not_done_again_and_one_that_failed_is(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls, logs = [], tmp_path / "logs"
    logs.mkdir()

    def work(at):
        calls.append((at / "in").read_text())
        if len(calls) == 1:
            (at / "tool.log").write_text("what went wrong")
            raise FlowError("broken off")
        (at / "tool.log").write_text("said")
        (at / "out").write_text("made")

    with pytest.raises(FlowError):
        flow._stage(("synthesis", "key"), {"in": "text"}, work, logs)
    assert [p.name for p in flow.flow_cache().iterdir()] == []
    assert (logs / "tool.log").read_text() == "what went wrong"
    kept, first = flow._stage(("synthesis", "key"), {"in": "text"}, work, logs)
    again, second = flow._stage(("synthesis", "key"), {"in": "text"}, work, logs)
    assert calls == ["text", "text"] and kept == again and (kept / "out").read_text() == "made"
    assert (logs / "tool.log").read_text() == "said"
    assert (first.cached, second.cached, first.seconds) == (False, True, second.seconds)


def test_the_pattern_is_the_same_every_time_and_as_long_as_the_memory():
    assert flow.pattern(load("pico")) == flow.pattern(load("pico"))
    assert len(flow.pattern(load("pico"))) == load("pico").memory.bytes


def test_every_pass_of_synthesis_has_its_words():
    assert len(PASSES) == len(STEPS)


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["pico", "--board", "ulx3s-85"], "board must be one of ulx3s-85f, not 'ulx3s-85'; did you mean 'ulx3s-85f'?"),
    (["pica"], "chip must be a preset or a .toml file, not 'pica'; did you mean 'pico'?")])
def test_what_is_not_known_is_refused_in_one_sentence(arguments, sentence, tmp_path):
    result = CliRunner().invoke(app, ["fpga", *arguments, "-o", str(tmp_path / "out")])
    assert result.exit_code == 1 and f"seedchip: {sentence}" in result.stderr
    assert not (tmp_path / "out").exists()


def test_without_the_tools_the_flow_says_how_to_get_them(monkeypatch, tmp_path):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(flow.importlib.metadata, "version", missing)
    with pytest.raises(FlowError, match=r"^the flow needs pyosys, which is not installed: "
                                        r"pip install 'seedchip\[fpga\]'$"):
        flow.make_bitstream(load("pico"), ULX3S_85F, b"", tmp_path, print)
