"""The two AXI4 interfaces of the chip, signal by signal under their names in the AMBA AXI specification (IHI 0022)."""

from __future__ import annotations

from enum import IntEnum

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.rtl.host.registers import ADDRESS_BITS as REGISTER_ADDRESS_BITS
from seedchip.rtl.signatures import MEMORY_ADDRESS_BITS

LITE_DATA_BITS = 32
BURST_INCREMENTING = 0b01
CACHE_BUFFERABLE = 0b0011
"""Normal, non-cacheable, bufferable memory."""


class Response(IntEnum):
    """What BRESP and RRESP say."""

    OKAY = 0
    SLVERR = 2
    DECERR = 3


class AxiLite(wiring.Signature):
    """AXI4-Lite with 32 bits of data, seen from the manager."""

    def __init__(self) -> None:
        super().__init__({
            "awaddr": Out(REGISTER_ADDRESS_BITS), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
            "wdata": Out(LITE_DATA_BITS), "wstrb": Out(LITE_DATA_BITS // 8), "wvalid": Out(1), "wready": In(1),
            "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            "araddr": Out(REGISTER_ADDRESS_BITS), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
            "rdata": In(LITE_DATA_BITS), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
        })


class Axi4(wiring.Signature):
    """AXI4 with a data bus of ``data_bytes`` bytes and one bit of ID, seen from the manager."""

    def __init__(self, data_bytes: int) -> None:
        self.data_bytes = data_bytes
        members: dict[str, wiring.Member] = {}
        for channel in ("aw", "ar"):
            members |= {
                f"{channel}id": Out(1), f"{channel}addr": Out(MEMORY_ADDRESS_BITS), f"{channel}len": Out(8),
                f"{channel}size": Out(3), f"{channel}burst": Out(2), f"{channel}lock": Out(1),
                f"{channel}cache": Out(4), f"{channel}prot": Out(3), f"{channel}qos": Out(4),
                f"{channel}valid": Out(1), f"{channel}ready": In(1),
            }
        super().__init__(members | {
            "wdata": Out(8 * data_bytes), "wstrb": Out(data_bytes), "wlast": Out(1), "wvalid": Out(1), "wready": In(1),
            "bid": In(1), "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            "rid": In(1), "rdata": In(8 * data_bytes), "rresp": In(2), "rlast": In(1), "rvalid": In(1),
            "rready": Out(1),
        })
