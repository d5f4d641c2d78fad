"""Every row of the benchmarks, in the order in which they are shown. To add one: its function, and a line here."""

from __future__ import annotations

from seedchip.bench.record import Row
from seedchip.bench.rows.accuracy import ACCURACY
from seedchip.bench.rows.binary32 import BINARY32
from seedchip.bench.rows.conformance import NODE_TESTS
from seedchip.bench.rows.counted import COUNTED
from seedchip.bench.rows.determinism import DETERMINISM
from seedchip.bench.rows.fpga import FPGA
from seedchip.bench.rows.nvdla import NVDLA
from seedchip.bench.rows.rtl import RTL
from seedchip.bench.rows.speed import COMPILE, SIMULATOR
from seedchip.bench.rows.synthesis import SYNTHESIS

ROWS: dict[str, Row] = {row.name: row for row in
                        (NODE_TESTS, NVDLA, *COUNTED, ACCURACY, SIMULATOR, COMPILE, DETERMINISM, *RTL,
                         BINARY32, SYNTHESIS, FPGA)}
GROUPS = {"rtl": tuple(row.name for row in RTL)}
"""Names for several rows at once."""
