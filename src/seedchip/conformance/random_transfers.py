"""Random loads, fills, gathers and stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedchip.compiler.builder import MEMORY, PARAMETER, SCRATCHPAD, Access
from seedchip.conformance.data import CODE_BYTES, INDEX_BYTES, INDEX_REACH, MEMORY_BYTES
from seedchip.isa import Load, Store

if TYPE_CHECKING:
    from seedchip.conformance.stage import Stage

MAX_REACH = 8192
"""Bytes of memory that a random transfer touches at most."""
MAX_STRIDE = 200
MAX_ROWS = 20
"""Runs of a random gather."""


class Transfers:
    """Emits random transfers on a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def load(self) -> None:
        fields, local, memory = self._runs(self.stage.region())
        self.stage.builder.emit(Load, [memory], [local], **fields)

    def fill(self) -> None:
        fields, local, _ = self._runs(self.stage.region())
        self.stage.builder.emit(Load, [], [local], fill=1, fill_value=self.stage.below(256), **fields)

    def store(self) -> None:
        fields, local, memory = self._runs(self.stage.region())
        self.stage.builder.emit(Store, [local], [memory], **fields)

    def parameters(self) -> None:
        """Random bytes for the upper half of the parameter memory: one run, or several as a gather brings them."""
        stage = self.stage
        half = stage.spec.parameter.bytes // 2
        address = stage.between(CODE_BYTES, MEMORY_BYTES - half)
        run = half // stage.between(1, 4)
        stage.builder.emit(Load, [Access(MEMORY, address, half)], [Access(PARAMETER, half, half)], space=1,
                           run_bytes=run, count0=half // run, memory_stride0=run, local_stride0=run,
                           memory_address=address, local_address=half)

    def gather(self) -> None:
        """Rows of a table in memory by indices that are loaded first; some of them lie outside."""
        stage, granule = self.stage, self.stage.spec.memory.granule_bytes
        rows = stage.between(1, min(MAX_ROWS, stage.bank_bytes // 8))
        index = stage.below(stage.weights // stage.bank_bytes) * stage.bank_bytes
        index += 4 * stage.below((stage.bank_bytes - 4 * rows) // 4 + 1)
        source = MEMORY_BYTES - INDEX_BYTES + 4 * stage.below(INDEX_BYTES // 4 - rows)
        indices = Access(SCRATCHPAD, index, 4 * rows)
        stage.builder.emit(Load, [Access(MEMORY, source, 4 * rows)], [indices], memory_address=source,
                           local_address=index, run_bytes=4 * rows)
        first, end = self._apart(indices)
        outer = stage.between(1, 2)
        run = granule * stage.between(1, max(min((end - first) // (2 * rows * granule), 8), 1))
        strides = {"memory_stride0": granule * stage.between(0, 12), "memory_stride1": granule * stage.between(0, 9)}
        table_rows = stage.between(1, INDEX_REACH)
        reach = strides["memory_stride0"] * (table_rows - 1) + strides["memory_stride1"] * (outer - 1) + run
        address = stage.between(CODE_BYTES // granule, (MEMORY_BYTES - reach) // granule) * granule
        step = stage.between(run, (end - first) // (outer * rows))
        local = stage.between(first, end - outer * rows * step)
        stage.builder.emit(
            Load, [Access(MEMORY, address, reach), indices], [Access(SCRATCHPAD, local, outer * rows * step)], gather=1,
            index_address=index, table_rows=table_rows, memory_address=address, local_address=local, run_bytes=run,
            count0=rows, count1=outer, local_stride0=step, local_stride1=rows * step, **strides)

    def _apart(self, indices: Access) -> tuple[int, int]:
        """A region without the bank of ``indices``."""
        stage = self.stage
        while True:
            first, end = stage.region()
            if end <= indices.start // stage.bank_bytes * stage.bank_bytes or indices.start + indices.size <= first:
                return first, end

    def _runs(self, region: tuple[int, int]) -> tuple[dict[str, int], Access, Access]:
        """Fields, the stretch on the chip and the stretch of memory of up to three loops of runs inside ``region``."""
        stage = self.stage
        run = stage.between(1, min(3 * stage.spec.line_bytes, region[1] - region[0]))
        fields, reach = {"run_bytes": run}, {"local": [0, run], "memory": [0, run]}
        for loop in range(stage.below(4)):
            count = stage.between(1, 4)
            fields[f"count{loop}"] = count
            for space, limit in (("local", region[1] - region[0]), ("memory", MAX_REACH)):
                low, high = reach[space]
                step = (limit - (high - low)) // max(count - 1, 1)
                stride = stage.between(-min(step, MAX_STRIDE), min(step, MAX_STRIDE))
                fields[f"{space}_stride{loop}"] = stride
                reach[space] = [low + min(0, stride * (count - 1)), high + max(0, stride * (count - 1))]
        local = stage.between(region[0] - reach["local"][0], region[1] - reach["local"][1])
        memory = stage.between(CODE_BYTES - reach["memory"][0], MEMORY_BYTES - reach["memory"][1])
        fields |= {"local_address": local, "memory_address": memory}
        return (fields, Access(SCRATCHPAD, local + reach["local"][0], reach["local"][1] - reach["local"][0]),
                Access(MEMORY, memory + reach["memory"][0], reach["memory"][1] - reach["memory"][0]))
