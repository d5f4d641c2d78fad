"""One device, two bodies: a program runs on the exact simulator, or on the compiled hardware beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, get_args

if TYPE_CHECKING:
    import numpy as np

    from seedchip.program import Program
    from seedchip.simulator.timing import Timeline
    from seedchip.spec import ChipSpec

Body = Literal["sim", "rtl"]
"""``sim``: the exact simulator. ``rtl``: the hardware's registers, clock edge by clock edge, in lockstep with it."""
Say = Callable[[str], None]
"""Is told what a long run does."""


class DeviceError(RuntimeError):
    """This body cannot be had here; the sentence says what is missing."""


class Device(Protocol):
    """A chip with one program in its memory."""

    @property
    def program(self) -> Program: ...

    @property
    def timeline(self) -> Timeline:
        """When everything happens: the same for all feeds and on both bodies."""

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name. Raises `FeedError`, and the body's own errors."""


def check_body(body: str, spec: ChipSpec) -> None:
    """Raise `DeviceError` or `SpecError` when no device of that body can be made for ``spec`` on this machine."""
    if body not in get_args(Body):
        raise DeviceError(f"device must be one of {', '.join(get_args(Body))}, not {body!r}")
    if body == "rtl":
        try:
            from seedchip.rtl.limits import check_slice
            from seedchip.rtl.simulation.compilation import check_tools
            from seedchip.rtl.simulation.device import HardwareDevice  # noqa: F401 (whether all that it needs is there)
        except ModuleNotFoundError as error:
            raise DeviceError(f"the hardware needs the module {error.name}, which is not installed: "
                              "pip install 'seedchip[rtl]'") from None
        check_slice(spec)
        check_tools()


def open_device(program: Program, spec: ChipSpec, body: Body = "sim", say: Say | None = None) -> Device:
    """The program on that body. Raises `seedchip.program.ProgramError` when it was compiled for another chip, and
    what `check_body` raises."""
    if body == "sim":
        from seedchip.simulator.device import SimulatedDevice

        return SimulatedDevice(program, spec)
    check_body(body, spec)
    from seedchip.rtl.simulation.device import HardwareDevice

    return HardwareDevice(program, spec, say)
