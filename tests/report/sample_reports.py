"""Reports made by hand, whose every number is chosen."""

from seedchip.report.report import (
    Accuracy,
    Activity,
    HostOp,
    LayerAccuracy,
    LayerCost,
    OutputAccuracy,
    Report,
)
from seedchip.simulator.counters import CAUSES


def causes(**cycles: int) -> dict[str, int]:
    return {cause: cycles.get(cause, 0) for cause in CAUSES}


def small_report(**changes) -> Report:
    """1,000 cycles at 1 MHz on a chip with 64 MAC/cycle and 8 B/cycle; two layers."""
    values = {
        "model": "tiny <net>", "chip": "bench", "chip_hash": "0" * 64, "cycles": 1000, "clock_hz": 1_000_000,
        "macs": 16_000, "peak_macs_per_cycle": 64, "peak_bytes_per_cycle": 8, "memory_bytes": 5000,
        "memory_bytes_read": 3000, "memory_bytes_written": 1000,
        "counters": {"matrix": causes(active=250, weights=50, semaphore=600, idle=100),
                     "vector": causes(active=100, semaphore=400, drain=100, idle=400),
                     "load": causes(active=375, memory=125, dispatch=200, idle=300),
                     "store": causes(active=125, memory=75, bank=50, idle=750)},
        "layers": (LayerCost("conv \"1\"", "Conv", 700, 0, 720, 15_000, 1000, 500),
                   LayerCost("fc/<script>alert(1)</script>", "MatMul", 300, 650, 1000, 1_000, 2000, 500)),
        "timeline": Activity(250, {"matrix": (250, 50, 0, 0), "vector": (0, 0, 200, 0), "load": (250, 125, 0, 0),
                                   "store": (0, 0, 100, 25)}),
        "host_ops": (HostOp("topk_1", "TopK"),),
        "accuracy": Accuracy("ONNX Runtime 1.0", (OutputAccuracy("y", (1, 10), 0.9995, 0.03, 31.5, 1.0),),
                             (LayerAccuracy("conv", 38.25), LayerAccuracy("fc", None)))}
    return Report(**{**values, **changes})
