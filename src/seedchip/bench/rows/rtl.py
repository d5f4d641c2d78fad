"""The hardware beside the simulator: generated programs and real networks, every cycle and every bit; and how fast both
simulations are."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip import zoo
from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.bench.rows.counted import CALIBRATION_FEEDS, quantised
from seedchip.bench.trial import Trial, compile_trial
from seedchip.spec import load

if TYPE_CHECKING:
    from seedchip.rtl.simulation.device import HardwareDevice
    from seedchip.zoo.entry import Feeds

NUM_PROGRAMS = 2000
"""Random programs of each chip."""
NETWORKS = (("digits-cnn", "nano"), ("fashion-resnet", "nano"), ("ocr-cls", "nano"), ("efficientnet-lite0", "nano"),
            ("ocr-rec", "nano"), ("minilm", "nano"), ("digits-cnn", "micro"), ("fashion-resnet", "micro"),
            ("ocr-cls", "micro"), ("efficientnet-lite0", "micro"), ("ocr-rec", "micro"), ("minilm", "micro"))
TIMED = (("fashion-resnet", "nano"), ("fashion-resnet", "micro"), ("ocr-cls", "micro"), ("minilm", "micro"))
MIN_CYCLES_PER_SECOND = 200_000
MIN_VALUES_RATIO, MIN_TIMING_RATIO = 20, 200
COMPARED = ("every dispatch, start and completion, all counters, and at the end all of memory, scratchpad and "
            "accumulators")
REPETITIONS = 3


# Generated programs


def _programs(progress: Progress) -> Measurement:
    from seedchip.conformance.chips import SOAKED
    from seedchip.conformance.random_programs import random_case
    from seedchip.conformance.soak import run_cases
    from seedchip.conformance.suite import covered, suite
    from seedchip.rtl.simulation.lockstep import LockstepError
    from seedchip.rtl.simulation.run import HardwareFault

    rows, values, error = [], dict[str, Any](), ""
    for name, spec in SOAKED.items():
        progress(f"{name}: conformance suite")
        try:
            cases = run_cases(spec, suite(spec), progress)
            programs = run_cases(spec, (random_case(spec, seed) for seed in range(NUM_PROGRAMS)), progress)
        except (LockstepError, HardwareFault) as difference:
            error = str(difference)
            break
        edges = sum(seen for seen, _ in covered(spec, suite(spec)).values())
        rows.append([name, f"{cases.cases:,}", f"{edges:,}", f"{cases.cycles:,}", f"{programs.cases:,}",
                     f"{programs.instructions:,}", f"{programs.cycles:,}", "0", "0"])
        values[name] = {"cases": asdict(cases), "programs": asdict(programs), "edges": edges}
    detail = Detail("The hardware beside the simulator: generated programs", [
        "chip", "conformance cases", "edges of fields", "their cycles", "random programs", "their instructions",
        "their cycles", "cycles that differ", "bits that differ"], rows,
        [f"Compared: {COMPARED}. `tiny`: a 4 x 8 array with 4 lanes, every pipeline at its shortest; `slow`: the same "
         "with a memory that answers after 131 cycles."])
    number, total = (sum(v["programs"][key] + v["cases"][key] for v in values.values()) for key in ("cases", "cycles"))
    figure = error or f"0 cycles and 0 bits differ in {number:,} programs, {total:,} cycles"
    return Measurement(figure, not error, f"chips {', '.join(SOAKED)}; seeds 0 to {NUM_PROGRAMS - 1}", values, [detail])


# Networks


@dataclass(frozen=True)
class NetworkRun:
    """One run of a network on both bodies."""

    name: str
    chip: str
    instructions: int
    cycles: int
    output_bits: int
    memory_bytes: int


def run_network(name: str, chip: str, say: Progress = lambda text: None) -> NetworkRun:
    """A whole network of the zoo on the hardware in lockstep with the simulator, with one real input.

    Raises `seedchip.rtl.simulation.lockstep.LockstepError` where they differ, outputs included.
    """
    from seedchip.rtl.simulation.lockstep import LockstepError

    trial, device, feeds = _prepare(name, chip, say)
    outputs, expected = device.run(feeds), trial.device.run(feeds)
    for output, value in expected.items():
        if not np.array_equal(outputs[output].view(np.uint8), value.view(np.uint8)):
            raise LockstepError(f"output {output!r} of {name} on {chip} differs between simulator and hardware")
    assert device.last is not None
    return NetworkRun(name, chip, len(trial.program.instructions), device.last.cycles,
                      8 * sum(v.nbytes for v in expected.values()), trial.program.memory_bytes)


def _prepare(name: str, chip: str, say: Progress) -> tuple[Trial, HardwareDevice, Feeds]:
    from seedchip.rtl.simulation.device import HardwareDevice

    say(f"{name} on {chip}: compiler")
    trial = compile_trial(quantised(name), load(chip))
    types = {place.name: place.dtype for place in trial.program.inputs}
    sample = zoo.entry(name).samples()[0]
    feeds = {n: sample[n].astype(types[n], copy=False) for n in types}
    return trial, HardwareDevice(trial.program, load(chip), lambda text: say(f"{name} on {chip}: {text}")), feeds


def _networks(progress: Progress) -> Measurement:
    from seedchip.rtl.simulation.lockstep import LockstepError
    from seedchip.rtl.simulation.run import HardwareFault

    runs, errors = list[NetworkRun](), list[str]()
    for name, chip in NETWORKS:
        try:
            runs.append(run_network(name, chip, _seldom(progress)))
        except (LockstepError, HardwareFault) as difference:
            errors.append(f"{name} on {chip}: {difference}")
    rows = [[r.name, r.chip, "whole network", f"{r.instructions:,}", f"{r.cycles:,}", "0", f"{r.output_bits:,}", "0"]
            for r in runs]
    detail = Detail("Trained networks on the hardware", [
        "network", "chip", "scope", "instructions", "cycles", "cycles that differ", "output bits", "bits that differ"],
        rows, [f"Every layer runs on the hardware, with one real input. Compared: {COMPARED}.", *errors])
    total = sum(r.cycles for r in runs)
    figure = f"0 cycles and 0 bits differ in {len(runs)} runs of trained networks, {total:,} cycles"
    if errors:
        figure += f"; {len(errors)} differ"
    return Measurement(figure, not errors, f"INT8, scales from {CALIBRATION_FEEDS} calibration inputs, batch as in the "
                       "model", {"runs": [asdict(r) for r in runs], "errors": errors}, [detail])


def _seldom(progress: Progress, seconds: float = 10.0) -> Progress:
    """Passes on a word at most every so many seconds."""
    last = -seconds

    def say(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            progress(text)

    return say


# Speed


@dataclass(frozen=True)
class Speed:
    """Processor seconds of one program: the compiled hardware alone, the simulator with values, and its timing."""

    name: str
    chip: str
    cycles: int
    hardware: float
    values: float
    timing: float


@lru_cache(maxsize=1)
def _speeds(progress: Progress) -> tuple[Speed, ...]:
    return tuple(_time(name, chip, progress) for name, chip in TIMED)


def _time(name: str, chip: str, progress: Progress) -> Speed:
    from seedchip.rtl.simulation.run import run_hardware
    from seedchip.simulator.timing import simulate

    trial, device, feeds = _prepare(name, chip, progress)
    spec, program = trial.spec, trial.program
    progress(f"{name} on {chip}: simulator")
    trial.device.run(feeds)  # lays out constants once
    cycles = trial.device.timeline.cycles
    values = _least_seconds(lambda: trial.device.run(feeds)) + (
        timing := _least_seconds(lambda: simulate(program.instructions, spec)))
    progress(f"{name} on {chip}: hardware, {cycles:,} cycles")
    memory = device.memory(feeds)
    words = sum(i.num_words for i in program.instructions)
    repetitions = REPETITIONS if cycles < 1_000_000 else 1
    hardware = _least_seconds(
        lambda: run_hardware(spec, memory.copy(), program.code_address, words, cycles + 1000), repetitions)
    return Speed(name, chip, cycles, hardware, values, timing)


def _least_seconds(work: Callable[[], object], repetitions: int = REPETITIONS) -> float:
    """Processor seconds of one call, the least of some."""
    found = []
    for _ in range(repetitions):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


CONDITIONS = ("processor seconds of one process, least of three runs (one where a run takes over a million cycles), on "
              "a shared machine; the whole network with values, after the first run")


def _speed(progress: Progress) -> Measurement:
    speeds = _speeds(progress)
    rates = {f"{s.name} on {s.chip}": s.cycles / s.hardware for s in speeds}
    figure = "; ".join(f"{name} {rate:,.0f} cycles/s" for name, rate in rates.items())
    met = all(rate >= MIN_CYCLES_PER_SECOND for name, rate in rates.items() if name.endswith("micro"))
    return Measurement(figure, met, CONDITIONS, {"cycles_per_second": rates})


def _ratio(progress: Progress) -> Measurement:
    speeds = _speeds(progress)
    rows = [[s.name, s.chip, f"{s.cycles:,}", f"{s.hardware:.2f}", f"{s.values:.3f}", f"{s.timing:.4f}",
             f"{s.hardware / s.values:.0f}", f"{s.hardware / s.timing:.0f}"] for s in speeds]
    detail = Detail("Simulator and RTL simulation, the same program in one run", [
        "network", "chip", "cycles", "RTL s", "values and cycles s", "timing only s", "times faster with values",
        "timing only"], rows)
    values, timing = (min(s.hardware / t for s, t in zip(speeds, times, strict=True))
                      for times in ([s.values for s in speeds], [s.timing for s in speeds]))
    return Measurement(f"at least {values:.0f} times faster with values, {timing:.0f} times timing only",
                       values >= MIN_VALUES_RATIO and timing >= MIN_TIMING_RATIO, CONDITIONS,
                       {"speeds": [asdict(s) for s in speeds]}, [detail])


RTL = (
    Row("rtl-programs", "RTL minus simulator: conformance suite and random programs",
        f"0 cycles and 0 bits different, >= {NUM_PROGRAMS:,} random programs",
        "0.23 % and 11.5 % mean error in cycles are the best that others state", _programs),
    Row("rtl-networks", "RTL minus simulator: trained networks, end to end",
        "0 cycles and 0 bits different; a CNN and a transformer encoder whole on `micro`, smaller models on `nano`",
        "the one open LLM-on-RTL project compares only its last layer", _networks),
    Row("rtl-speed", "RTL simulation speed", f"`micro` >= {MIN_CYCLES_PER_SECOND:,} cycles/s, or the best that the "
        "tools give", "10-120 kHz reported for comparable arrays on bigger machines", _speed),
    Row("rtl-ratio", "simulator beside RTL simulation, the same program in one run",
        f">= {MIN_VALUES_RATIO} times faster with values, >= {MIN_TIMING_RATIO} times timing only", "", _ratio),
)
