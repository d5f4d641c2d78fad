"""Cells, areas, memories and paths of small designs against figures worked out by hand."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from cells import AREAS, CLOCK_TO_OUTPUT, DELAYS, SETUP, small_library

from seedchip.rtl import hierarchy
from seedchip.rtl.matrix.array import MatrixArray
from seedchip.spec import load
from seedchip.synthesis import synthesize as synthesis
from seedchip.synthesis.blocks import BLOCKS, block_of
from seedchip.synthesis.fanout import FANOUT, insert_buffers
from seedchip.synthesis.library import LibraryError, read_library
from seedchip.synthesis.macros import Macro, macro_named
from seedchip.synthesis.mapping import SynthesisError, without_sram_model
from seedchip.synthesis.netlist import Cell, Module, Netlist
from seedchip.synthesis.result import MemoryKind, from_json

CHAIN = """
module part(input clk, input a, input b, input c, output q);
  reg x, y, z, q;
  always @(posedge clk) begin x <= a; y <= b; z <= c; q <= x & y & z; end
endmodule
module core(input clk, input a, input b, input c, output [1:0] q);
  part \\matrix (.clk(clk), .a(a), .b(b), .c(c), .q(q[0]));
  part \\load (.clk(clk), .a(a), .b(c), .c(c), .q(q[1]));
endmodule
module chip(input clk, input a, input b, input c, output [1:0] q);
  core core(.clk(clk), .a(a), .b(b), .c(c), .q(q));
endmodule
"""
"""Two equal parts: three registers, two AND gates one behind the other, one register; before a port of the module the
mapper puts a buffer, which drives the load that it assumes there."""
SRAM_MODEL = hierarchy.SRAM_MODEL.read_text("utf-8")
PERIOD = CLOCK_TO_OUTPUT + 2 * DELAYS["AND"] + DELAYS["BUFFER"] + SETUP


def silent(text: str) -> None:
    assert text


def run(verilog, library, folder, *, timed=True, top="chip"):
    return synthesis.synthesize_verilog(verilog, top, library, (folder, timed), silent)


def replace_chip(monkeypatch):
    """The chain stands for the whole chip."""
    monkeypatch.setattr(synthesis, "chip_verilog", lambda spec: without_sram_model(CHAIN + SRAM_MODEL))


@pytest.fixture
def library(tmp_path):
    return read_library(small_library(tmp_path))


def test_cells_flip_flops_area_and_the_longest_path_are_those_worked_out_by_hand(library, tmp_path):
    blocks, memories = run(CHAIN, library, tmp_path)
    part = (7, 4, 4 * AREAS["FLOP"] + 2 * AREAS["AND"] + AREAS["BUFFER"])
    assert [(b.name, b.cells, b.registers, b.area_um2) for b in blocks] == [("matrix control", *part), ("DMA", *part)]
    path = blocks[0].path
    assert path.period_ns == pytest.approx(PERIOD) and path.gates == 3
    assert path.end == "core.matrix.q" and path.start in {f"core.matrix.{r}" for r in "xyz"}
    assert path.parts == (("core.matrix", pytest.approx(PERIOD - SETUP)),)
    assert memories == ()


def test_without_a_timing_tool_paths_are_counted_in_gates(library, tmp_path):
    blocks, _ = run(CHAIN, library, tmp_path, timed=False)
    assert [(b.path.gates, b.path.period_ns, b.path.end) for b in blocks] == [
        (3, None, "core.matrix.q"), (3, None, "core.load.q")]


def test_without_a_library_gates_are_counted_and_no_area_is_stated(tmp_path):
    blocks, _ = run(CHAIN, None, tmp_path)
    assert [(b.cells, b.registers, b.area_um2, b.path.gates) for b in blocks] == [(6, 4, None, 2)] * 2


def test_memories_stay_whole_and_small_arrays_become_flip_flops(library, tmp_path):
    verilog = without_sram_model("""
module chip(input clk, input [9:0] a, input [9:0] r, input [31:0] d, input [3:0] e, input w, output [31:0] q,
            output reg [31:0] p, output [1:0] s);
  sram #(.WIDTH(32), .DEPTH(1024), .GRAIN(8)) macro (.clk(clk), .read_enable(1'b1), .read_address(r), .read_data(q),
    .write_enable(e), .write_address(a), .write_data(d));
  reg [31:0] file [0:63];
  reg [1:0] few [0:1];
  always @(posedge clk) begin p <= file[r[5:0]]; if (w) begin file[a[5:0]] <= d; few[a[0]] <= d[1:0]; end end
  assign s = few[r[0]];
endmodule
""" + SRAM_MODEL)
    blocks, memories = run(verilog, library, tmp_path)
    assert memories == (MemoryKind("top", "array", 64, 32, 1, 1, 1, True, 1),
                        MemoryKind("top", "sram", 1024, 32, 1, 1, 4, True, 1))
    assert [b.registers for b in blocks] == [4]
    assert sum(m.bits for m in memories) == 64 * 32 + 1024 * 32


def test_no_output_drives_more_than_the_limit_across_modules(library):
    """One register behind a port of the top drives 40 leaves of three inverters each: 120 gates."""
    leaf = Module("leaf", {"a": 2}, {}, {f"g{i}": Cell("NOT", {"A": 2, "Y": 3 + i}) for i in range(3)}, {}, 6)
    cells = {f"leaf{i}": Cell("leaf", {"a": 3}) for i in range(40)}
    top = Module("chip", {"clk": 2}, {"q": 3}, {"r": Cell("FLOP", {"C": 2, "D": 3, "Q": 3}), **cells}, {}, 4)
    netlist = Netlist("chip", {"chip": top, "leaf": leaf}, frozenset({"FLOP"}))
    added = insert_buffers(netlist, library.buffer, {c.name: frozenset(c.outputs) for c in library.cells.values()})
    loads = Counter(bit for name, cell in top.cells.items() for pin, bit in cell.pins.items()
                    for _ in range(3 if cell.kind == "leaf" else pin not in ("Q", "Y")))
    loads.update(top.outputs.values())
    buffers = [cell for cell in top.cells.values() if cell.kind == "BUFFER_STRONG"]
    assert FANOUT == 12 and added == len(buffers) == 11 and len(leaf.cells) == 3
    assert {b.pins["A"] for b in buffers} == {3}
    assert all(number <= FANOUT for number in loads.values()) and loads[2] == 1
    assert sum(loads[b.pins["Y"]] for b in buffers) == 40 * 3 + 2


def test_an_array_of_elements_grows_by_elements(tmp_path):
    counts = []
    for size in (2, 4):
        folder = tmp_path / str(size)
        folder.mkdir()
        verilog = without_sram_model(hierarchy.convert(MatrixArray(size, size), "chip"))
        blocks, _ = run(verilog, None, folder)
        counts.append((blocks[0].registers, blocks[0].cells))
    element_registers = 8 + 8 + 8 + 1 + 32  # shadow and active weight, activation, switch, sum
    assert counts[1][0] - counts[0][0] >= (16 - 4) * element_registers
    assert counts[1][1] > 3 * counts[0][1]


def test_a_result_is_kept_under_its_inputs_and_read_again(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    replace_chip(monkeypatch)
    options = synthesis.SynthesisOptions(small_library(tmp_path))
    first = synthesis.synthesize(load("nano"), options)
    monkeypatch.setattr(synthesis, "map_verilog", None)
    assert synthesis.synthesize(load("nano"), options) == first
    assert from_json(json.loads(json.dumps(first.to_json()))) == first
    assert first.total.registers == 8 and "small" in first.conditions["library"]


def test_every_block_has_the_instances_of_its_name():
    paths = {"core.matrix.array.element_3_2": "array", "core.matrix.tiles": "matrix control",
             "core.vector.execute.lane_5.part.multiply": "vector lanes", "core.vector.execute": "vector control",
             "core.vector.reader.convert": "vector reader", "core.load.walker": "DMA", "core.load_queue": "sequencer",
             "core.load_counter": "counters", "core.scratchpad.sram_0_1": "scratchpad glue", "memory": "AXI",
             "registers": "host registers", "core": "top", "": "top"}
    assert {path: block_of(tuple(path.split(".")) if path else ()) for path in paths} == paths
    assert len({name for name, _ in BLOCKS}) == len(BLOCKS)


def test_a_macro_is_known_by_the_name_of_its_cell():
    macro = Macro("sram", 64, 256, 1, 1, 32, True)
    assert macro_named(macro.name) == macro and macro_named("AND2_X1") is None


@pytest.mark.parametrize(("text", "sentence"), [
    ("hello", "is no Liberty file: it has no group library(...)"),
    ("library (l) { cell (A) { area : 1; } }", "holds no flip-flop: synthesis needs a library with combinational and "
                                                "sequential cells"),
    ("library (l) { cell (F) { area : 1; ff (Q) { } } }", "holds no buffer: synthesis needs a cell with one input and "
                                                          "its function"),
])
def test_a_file_that_is_no_library_is_refused(tmp_path, text, sentence):
    path = tmp_path / "x.lib"
    path.write_text(text, "utf-8")
    with pytest.raises(LibraryError, match=f"^{path} ") as error:
        read_library(path)
    assert str(error.value) == f"{path} {sentence}"


def test_what_yosys_says_is_shown_when_it_fails(tmp_path):
    with pytest.raises(SynthesisError, match=r"Yosys ended with code .*nothing.*"):
        run("module chip(); nothing here(); endmodule", None, tmp_path)


def test_the_command_refuses_an_unknown_block_and_shows_a_known_one(monkeypatch, tmp_path):
    from typer.testing import CliRunner

    from seedchip.cli.main import app

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    replace_chip(monkeypatch)
    refused = CliRunner().invoke(app, ["synth", "nano", "--block", "wheels"])
    assert refused.exit_code == 2 and "a block must be one of" in refused.output
    shown = CliRunner().invoke(app, ["synth", "nano", "--block", "DMA", "--liberty", str(small_library(tmp_path))])
    assert shown.exit_code == 0 and "longest path: 0.90 ns (1111 MHz)" in shown.stdout, shown.output
    as_json = CliRunner().invoke(app, ["synth", "nano", "--generic", "--json"])
    assert json.loads(as_json.stdout)["total"]["registers"] == 8
