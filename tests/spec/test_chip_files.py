"""Chip descriptions: the shipped ones, a user's own, and one sentence for each rule that a file can break."""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from seedchip.spec import ChipSpec, SpecError, load, presets

MICRO = Path(presets()["micro"]).read_text("utf-8")
KIB = 1024

NVDLA = {
    # The published table: MACs, convolution buffer in KiB, memory bytes a cycle (GB/s at 1 GHz).
    # Source: NVDLA primer, "NVDLA small and large configurations", nvdla.org/primer.html (2018).
    "nvdla-2048": (2048, 512, 20), "nvdla-1024": (1024, 256, 15), "nvdla-512": (512, 256, 10),
    "nvdla-256": (256, 256, 5), "nvdla-128": (128, 256, 2), "nvdla-64": (64, 128, 1),
}


def test_every_shipped_chip_loads_under_its_files_name():
    assert set(presets()) == {"pico", "nano", "micro", *NVDLA}
    for name, path in presets().items():
        chip = load(name)
        assert (chip.name, Path(path).stem) == (name, name)
        assert chip.doc.endswith(".")
    assert [load(n).macs_per_cycle for n in presets()] == sorted(load(n).macs_per_cycle for n in presets())


@pytest.mark.parametrize(("name", "published"), NVDLA.items(), ids=NVDLA)
def test_nvdla_chips_have_the_published_sizes(name, published):
    chip = load(name)
    assert (chip.macs_per_cycle, chip.scratchpad.bytes // KIB, chip.memory.bytes_per_cycle) == published
    assert chip.clock.hz == 10**9


def test_nano_and_micro_have_the_stated_sizes():
    nano, micro = load("nano"), load("micro")
    assert (nano.matrix.rows, nano.matrix.columns) == (8, 8)
    assert (micro.matrix.rows, micro.matrix.columns) == (16, 16)
    assert (micro.scratchpad.bytes, micro.accumulator.bytes, micro.memory.bytes_per_cycle) == (256 * KIB, 64 * KIB, 16)


def test_a_chip_of_the_users_own_is_named_after_its_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MICRO.replace('name = "micro"\n', ""))
    mine = load(path)
    assert mine.name == "mine"
    assert mine.hash == load("micro").hash
    assert load(mine) is mine
    assert load(str(path)) == mine


def test_names_and_texts_do_not_change_the_hash_and_every_number_does():
    micro = load("micro")
    assert replace(micro, name="x", doc="y").hash == micro.hash
    changes = {("clock", "hz"): 2 * 10**9, ("vector", "pipeline_cycles"): 25, ("sequencer", "queue_depth"): 32}
    hashes = {replace(micro, **{s: replace(getattr(micro, s), **{k: v})}).hash for (s, k), v in changes.items()}
    assert len(hashes | {micro.hash}) == 4


def test_derived_sizes_follow():
    micro = load("micro")
    assert (micro.line_bytes, micro.channel_granule, micro.accumulator_rows) == (64, 16, 1024)


# Wrong files ----------------------------------------------------------------------------------------------------------

EDITS = {
    "unknown key": ("columns = 16", "colums = 16", "matrix.colums is not a key of [matrix]; did you mean 'columns'?"),
    "unknown section": ("[vector]", "[vectr]", "vectr is not a section of a chip; did you mean 'vector'?"),
    "far-off section": ("[vector]", "[zzz]", "zzz is not a section of a chip"),
    "missing key": ("lanes = 16\n", "", "vector.lanes is missing (elements a cycle)"),
    "missing section": ("[parameter]\nbytes = 16_384\n", "", "parameter must be a section, [parameter]"),
    "a text": ("lanes = 16", 'lanes = "16"', "vector.lanes must be an integer, not '16'"),
    "a fraction": ("lanes = 16", "lanes = 16.0", "vector.lanes must be an integer, not 16.0"),
    "a truth": ("lanes = 16", "lanes = true", "vector.lanes must be an integer, not True"),
    "name": ('name = "micro"', "name = 3", "name must be a string, not 3"),
    "too small": ("lanes = 16", "lanes = 2", "vector.lanes must be in [4, 64], not 2"),
    "too large": ("banks = 2\n", "banks = 16\n", "accumulator.banks must be in [2, 8], not 16"),
    "negative": ("hz = 1_000_000_000", "hz = -1", "clock.hz must be in [1000, 10000000000], not -1"),
    "power of two": ("banks = 16", "banks = 12", "scratchpad.banks must be a power of two, not 12"),
}
RELATIONS = {
    "columns and lanes": ("lanes = 16", "lanes = 32",
                          "matrix.columns must be a multiple of vector.lanes, not 16 and 32"),
    "rows and line": ("rows = 16", "rows = 128",
                      "matrix.rows and matrix.columns must fit in a scratchpad line of 4 x vector.lanes = 64 bytes"),
    "scratchpad lines": ("bytes = 262_144", "bytes = 262_145",
                         "scratchpad.bytes must be a multiple of scratchpad.banks lines of 64 bytes, not 262145"),
    "bank of two lines": ("bytes = 262_144", "bytes = 1024",
                          "a scratchpad bank must hold two lines of 64 bytes or more, not 64 bytes"),
    "accumulator rows": ("bytes = 65_536", "bytes = 65_600",
                         "accumulator.bytes must be a multiple of accumulator.banks rows of 64 bytes, not 65600"),
    "accumulator bank": ("bytes = 65_536", "bytes = 1024", "an accumulator bank must hold 16 rows or more"),
    "parameter lines": ("bytes = 16_384", "bytes = 16_448",
                        "parameter.bytes must be a multiple of two lines of 64 bytes, not 16448"),
    "memory granules": ("bytes = 4_294_967_296", "bytes = 4_294_967_297",
                        "memory.bytes must be a multiple of memory.granule_bytes"),
    "fetch granules": ("granule_bytes = 16", "granule_bytes = 2048",
                       "sequencer.fetch_bytes must be a multiple of memory.granule_bytes"),
}


@pytest.mark.parametrize(("old", "new", "sentence"), [*EDITS.values(), *RELATIONS.values()], ids=[*EDITS, *RELATIONS])
def test_a_wrong_file_gets_a_sentence_with_file_key_and_rule(tmp_path, old, new, sentence):
    assert old in MICRO
    path = tmp_path / "wrong.toml"
    path.write_text(MICRO.replace(old, new, 1))
    with pytest.raises(SpecError) as error:
        load(path)
    assert str(error.value) == f"{path}: {sentence}"


FILES = {
    "no TOML": (b"this is no chip",
                "must be a TOML file: Expected '=' after a key in a key/value pair (at line 1, column 6)"),
    "no text": (b"\xff\xfe",
                "must be a TOML file: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    "empty": (b"", "clock must be a section, [clock]"),
    "too long": (b"#" * (1 << 20 | 1), "a chip description must be at most 1048576 bytes long"),
    "number for a section": (b"clock = 3", "clock must be a section, [clock]"),
}


@pytest.mark.parametrize(("content", "sentence"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_chip_gets_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "wrong.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as error:
        load(path)
    assert str(error.value) == f"{path}: {sentence}"


def test_a_deeply_nested_file_is_refused(tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text("x = " + "[" * 100_000)
    with pytest.raises(SpecError, match=r"^.*deep\.toml: must be a TOML file: "):
        load(path)


def test_a_missing_file_and_an_unknown_name_are_told_apart(tmp_path):
    with pytest.raises(SpecError) as error:
        load(tmp_path / "none.toml")
    assert str(error.value) == f"{tmp_path}/none.toml: cannot be read: No such file or directory"
    with pytest.raises(SpecError) as error:
        load("mirco")
    assert str(error.value) == ("chip must be a preset or a .toml file, not 'mirco'; did you mean 'micro'?; presets: "
                                + ", ".join(presets()))


def test_every_field_of_a_chip_says_what_it_is_and_in_which_range():
    for section in fields(ChipSpec):
        part = getattr(load("micro"), section.name)
        for f in fields(part) if hasattr(part, "__dataclass_fields__") else ():
            assert len(f.metadata["doc"]) > 8, f"{section.name}.{f.name}"
            assert 1 <= f.metadata["low"] < f.metadata["high"]


# Cost of the import ---------------------------------------------------------------------------------------------------


def processor_seconds(code: str) -> float:
    """Of a fresh interpreter from its start to its end; other processes of the machine do not count."""
    end = "import time; print(time.process_time())"
    found = subprocess.run([sys.executable, "-I", "-c", f"{code}; {end}"], capture_output=True, text=True, check=True)
    return float(found.stdout)


def test_importing_the_chip_description_takes_less_than_50_ms():
    extra = [processor_seconds("import seedchip.spec") - processor_seconds("pass") for _ in range(7)]
    assert statistics.median(extra) < 0.050
