"""Long conformance runs: the whole suite and thousands of random programs on every chip of `chips.SOAKED`.

    python -m seedchip.conformance.soak [--programs N] [--seed N] [--chip NAME]

prints a line a chip; the first difference ends the run with its sentence and the case's name.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedchip.conformance.chips import SOAKED
from seedchip.conformance.random_programs import random_case
from seedchip.conformance.suite import suite
from seedchip.rtl.simulation.lockstep import LockstepError
from seedchip.rtl.simulation.run import HardwareFault

if TYPE_CHECKING:
    from seedchip.conformance.case import Case
    from seedchip.spec import ChipSpec

PROGRAMS = 2000
"""Random programs of each chip."""


@dataclass(frozen=True)
class Total:
    """What has been run without a difference."""

    cases: int
    instructions: int
    cycles: int


def run_cases(spec: ChipSpec, cases: Iterable[Case], say: Callable[[str], None] = lambda text: None) -> Total:
    """Run every case on simulator and hardware. Raises `LockstepError` and `HardwareFault` with the case's name."""
    number = instructions = cycles = 0
    for case in cases:
        try:
            run = case.run(spec)
        except (LockstepError, HardwareFault) as error:
            raise type(error)(f"{spec.name}, {case.name}: {error}") from None
        number, instructions, cycles = number + 1, instructions + len(case.program), cycles + run.cycles
        if number % 100 == 0:
            say(f"{spec.name}: {number} programs, {cycles:,} cycles")
    return Total(number, instructions, cycles)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="seedchip.conformance.soak")
    parser.add_argument("--programs", type=int, default=PROGRAMS, help="random programs of each chip")
    parser.add_argument("--seed", type=int, default=0, help="of the first random program")
    parser.add_argument("--chip", choices=list(SOAKED), action="append", help="only this one")
    options = parser.parse_args()
    for name in options.chip or SOAKED:
        spec, start = SOAKED[name], time.perf_counter()
        seeds = range(options.seed, options.seed + options.programs)
        try:
            found = run_cases(spec, suite(spec)), run_cases(spec, (random_case(spec, seed) for seed in seeds), _say)
        except (LockstepError, HardwareFault) as error:
            sys.exit(str(error))
        for kind, total in zip(("conformance cases", "random programs"), found, strict=True):
            print(f"{name}: {total.cases:,} {kind}, {total.instructions:,} instructions, {total.cycles:,} cycles: "
                  "no bit and no cycle differs")
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
