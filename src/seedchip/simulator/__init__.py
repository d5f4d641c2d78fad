"""The exact simulator: values (`machine`), time (`timing`), and the device that puts them together."""

from seedchip.simulator.device import SimulatedDevice
from seedchip.simulator.errors import Fault, FeedError
from seedchip.simulator.machine import Machine
from seedchip.simulator.timing import DeadlockError, Timeline, simulate

__all__ = ["DeadlockError", "Fault", "FeedError", "Machine", "SimulatedDevice", "Timeline", "simulate"]
