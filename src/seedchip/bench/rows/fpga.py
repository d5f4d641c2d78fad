"""A chip placed and routed for an FPGA board, and trained networks on that board in simulation: bits in, bits out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedchip import zoo
from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.bench.trial import Trial, compile_trial, quantise_entry, reference, run_beside
from seedchip.spec import load

if TYPE_CHECKING:
    from seedchip.fpga.flow import Bitstream
    from seedchip.zoo.entry import Outputs

CHIP, BOARD = "pico", "ulx3s-85f"
RUNS = {"digits-8x8": 450, "digits-cnn": 50}
"""Networks that lie whole in the memory of the FPGA, and how many samples of their test sets run."""
CLOCKS_PER_BIT = 8
"""Of the serial line in simulation; on the board 217."""
CALIBRATION = 64


def _measure(progress: Progress) -> Measurement:
    from seedchip.fpga.boards import find_board
    from seedchip.fpga.flow import make_bitstream, utilisation
    from seedchip.fpga.host import memory_image

    spec, trials = load(CHIP), {}
    for name in RUNS:
        progress(f"{name}: compiling")
        trials[name] = compile_trial(quantise_entry(zoo.entry(name), "int8", CALIBRATION), spec)
    with tempfile.TemporaryDirectory() as folder:
        image = memory_image(trials["digits-8x8"].program, spec)
        made = make_bitstream(spec, find_board(BOARD), image, Path(folder), progress)
        size = made.path.stat().st_size
    networks = {name: _run(name, trial, progress) for name, trial in trials.items()}
    placement, used = made.placement, utilisation(made.placement)
    differences = sum(n["differing_outputs"] + n["differing_cycles"] for n in networks.values())
    figure = (f"{', '.join(f'{name} {u:,} of {a:,}' for name, u, a in used)}; {placement.fmax_hz / 1e6:.1f} MHz; "
              f"{differences} differences in {sum(n['runs'] for n in networks.values())} runs")
    values: dict[str, Any] = {
        "fmax_hz": placement.fmax_hz, "used": placement.used, "available": placement.available, "networks": networks,
        "bitstream_bytes": size, "seconds": {stage.name: stage.seconds for stage in made.stages}}
    return Measurement(figure, placement.met and not differences,
                       f"`{CHIP}` with {spec.memory.bytes // 1024} KiB of memory in block RAM on {BOARD} (LFE5U-85F, "
                       "speed grade 6), no external memory; Yosys and nextpnr, seed 1; no board was at hand: its "
                       "Verilog runs in Verilator behind a simulated serial line", values,
                       [_cells(made), _path(made), _networks(networks)])


def _run(name: str, trial: Trial, progress: Progress) -> dict[str, Any]:
    """The network's samples over the serial line of the simulated board, beside the simulator."""
    from seedchip.fpga.host import BoardDevice, memory_image
    from seedchip.fpga.simulation import SimulatedLine

    entry, wrong_cycles = zoo.entry(name), 0
    samples = entry.samples()[:RUNS[name]]
    expected: list[Outputs] = []
    found: list[Outputs] = []
    with SimulatedLine(trial.spec, CLOCKS_PER_BIT, memory_image(trial.program, trial.spec)) as line:
        board = BoardDevice(trial.program, trial.spec, line, loaded=True)
        for i, feeds in enumerate(samples):
            if i % 25 == 0:
                progress(f"{name}: {i} of {len(samples)} over the serial line")
            found.append(board.run(feeds))
            expected.append(trial.run(feeds))
            wrong_cycles += board.cycles != trial.device.timeline.cycles
    _, binary32 = run_beside(lambda feeds: {}, reference(entry), samples)
    differing = sum(f[key].tobytes() != e[key].tobytes() for f, e in zip(found, expected, strict=True) for key in e)
    return {"runs": len(samples), "differing_outputs": differing, "differing_cycles": wrong_cycles,
            "cycles": trial.device.timeline.cycles, "memory_bytes": trial.program.memory_bytes,
            **entry.score(found, binary32)}


def _cells(made: Bitstream) -> Detail:
    from seedchip.fpga.flow import utilisation

    rows = [[name, f"{used:,}", f"{available:,}", f"{used / available:.1%}"]
            for name, used, available in utilisation(made.placement)]
    stages = ", ".join(f"{stage.name} {stage.seconds:.0f} s" for stage in made.stages)
    return Detail(f"`{made.chip}` on {made.board}", ["cells", "used", "of", "share"], rows, [f"Wall clock: {stages}."])


def _path(made: Bitstream) -> Detail:
    path = made.placement.longest_path
    by_kind: dict[str, float] = {}
    for segment in path:
        by_kind[segment.kind] = by_kind.get(segment.kind, 0.0) + segment.nanoseconds
    rows = [[kind, f"{nanoseconds:.1f}"] for kind, nanoseconds in by_kind.items()]
    ends = [f"From `{path[0].to}` to `{path[-1].to}`, {sum(s.kind == 'logic' for s in path)} cells."] if path else []
    return Detail("The longest path", ["kind", "ns"], rows, ends)


def _networks(networks: dict[str, dict[str, Any]]) -> Detail:
    rows = [[f"`{name}`", f"{n['runs']:,}", f"{n['differing_outputs']}", f"{n['differing_cycles']}", f"{n['cycles']:,}",
             f"{n['memory_bytes'] / 1024:.1f} KiB", f"{n['accuracy']:.1%}", f"{n['reference_accuracy']:.1%}"]
            for name, n in networks.items()]
    return Detail("Networks in the FPGA's memory, over the serial line of the simulated board",
                  ["network", "runs", "outputs that differ", "cycles that differ", "cycles", "memory", "accuracy",
                   "binary32's"], rows,
                  ["Every output bit and the cycle count of every run are compared with the simulator's."])


FPGA = Row("fpga", "a chip placed and routed for an ECP5-85k, with networks in its memory", "the board's clock, and 0 "
           "differing bits and cycles between the board and the simulator",
           "8 x 8 array alone: 64 of 156 multipliers, 65 MHz", _measure)
