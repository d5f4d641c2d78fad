"""The binary32 units of the hardware beside NumPy, ten million operands each."""

from __future__ import annotations

from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.numerics.microop import MICRO_OPS

ITEMS = 10_000_000


def _measure(progress: Progress) -> Measurement:
    from seedchip.rtl.simulation.unit_check import UNIT_CHECKS, run_check  # needs the extra "rtl"

    outcomes = {}
    for name, check in UNIT_CHECKS.items():
        progress(f"binary32: {name}")
        outcomes[name] = run_check(check, ITEMS * (len(MICRO_OPS) if name == "lane" else 1))
    differences = sum(o.differences for o in outcomes.values())
    items = sum(o.items for o in outcomes.values())
    rows = [[name, f"{o.items:,}", f"{o.differences:,}", f"{o.seconds:.0f}", o.first or "none"]
            for name, o in outcomes.items()]
    detail = Detail("Binary32 units of the hardware beside NumPy",
                    ["unit", "operands", "differences", "seconds", "the first difference"], rows,
                    [f"The lane does all {len(MICRO_OPS)} micro-operations in random order, {ITEMS:,} operands each.",
                     "An item goes in every cycle. Operands: all pairs of special patterns; ties of sums, products, "
                     "products below the smallest normal number, multiply-adds and conversions; neighbours, numbers "
                     "around the largest, random patterns."])
    return Measurement(f"{differences:,} differences in {items:,} operands", not differences,
                       "compiled with Verilator; seed 0", {name: vars(o) for name, o in outcomes.items()}, [detail])


BINARY32 = Row("binary32", "binary32 units and lane of the RTL against NumPy, directed corners and random operands",
               "0 differences in at least 10 million operands each", "NumPy, bit for bit", _measure)
