"""The scene of a conformance program: known data everywhere, and instructions under test one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip.compiler.builder import ACCUMULATOR, MEMORY, PARAMETER, SCRATCHPAD, Access, Builder
from seedchip.conformance.case import Case
from seedchip.conformance.data import CODE_BYTES, INDEX_BYTES, MEMORY_BYTES, random_memory
from seedchip.conformance.random_microcode import word
from seedchip.isa import ElementType, Instruction, Load, Matmul, Store, Vector
from seedchip.isa.vector import SOURCE_PARAMETER
from seedchip.numerics.microop import MICRO_OPS

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

FILLED_BYTES = 1 << 11
"""So many bytes at the beginning, the middle and the end of the scratchpad hold random data, the others 0."""
MICROCODE = CODE_BYTES // 2
"""Where micro-programs lie in memory."""
CODE, CODE_LINE, INDICES = "code", "code_line", "indices"
"""Keys of a setting that are no fields: a micro-program (uint8), its line in the parameter memory, and whether the
scratchpad holds indices for a gather."""


class Scene:
    """Emits instructions under test. Each is ordered behind all before it, and may touch any byte on the chip."""

    def __init__(self, spec: ChipSpec, *, indices: bool = False) -> None:
        self.spec, self.builder = spec, Builder(spec)
        self.data = random_memory(np.random.default_rng(spec.matrix.rows))
        self._code_used = 0
        size = spec.scratchpad.bytes
        run = min(INDEX_BYTES if indices else FILLED_BYTES, size // 4)
        source = MEMORY_BYTES - INDEX_BYTES if indices else CODE_BYTES
        self._emit(Load, run_bytes=run, count0=3, memory_address=source, memory_stride0=0 if indices else run,
                   local_stride0=(size - run) // 2)
        self._emit(Load, run_bytes=spec.parameter.bytes // 2, memory_address=CODE_BYTES, space=1,
                   local_address=spec.parameter.bytes // 2)

    def test(self, cls: type[Instruction], fields: Mapping[str, Any]) -> None:
        """The instruction with these fields (and the keys beside them); its micro-program is loaded first."""
        own = {name: value for name, value in fields.items() if name not in (CODE, CODE_LINE, INDICES)}
        code = fields.get(CODE)
        if code is not None:
            line = fields.get(CODE_LINE, 0)
            self._load_code(code, line)
            own["program_address"] = line
        self._emit(cls, **own)

    def probe_parameters(self, address: int) -> None:
        """Copy the line of the parameter memory with byte ``address`` to the scratchpad, where it can be seen."""
        spec = self.spec
        line, lines = address // spec.line_bytes, spec.parameter.bytes // spec.line_bytes
        code = np.array([word(MICRO_OPS["mov"].opcode, 0, (SOURCE_PARAMETER,))], np.uint32).view(np.uint8)
        self.test(Vector, {CODE: code, CODE_LINE: lines // 2 if line < lines // 4 else 0, "a_kind": 0,
                           "num_operations": 1, "num_parameters": 1, "parameter_address": line,
                           "columns": spec.vector.lanes, "out_type": int(ElementType.FLOAT32),
                           "out_address": spec.scratchpad.bytes // 2})

    def case(self, name: str, code_address: int = 0) -> Case:
        return Case(name, self.builder.finish(), self.data, code_address)

    def _load_code(self, code: np.ndarray, line: int) -> None:
        source = MICROCODE + self._code_used
        self.data[source:source + len(code)] = code
        self._code_used += len(code)
        self._emit(Load, memory_address=source, local_address=line * self.spec.line_bytes, run_bytes=len(code), space=1)

    def _emit(self, cls: type[Instruction], **fields: Any) -> None:
        spec = self.spec
        scratchpad = Access(SCRATCHPAD, 0, spec.scratchpad.bytes)
        sums = Access(ACCUMULATOR, 0, spec.accumulator_rows)
        parameters = Access(PARAMETER, 0, spec.parameter.bytes)
        memory = Access(MEMORY, 0, MEMORY_BYTES)
        reads, writes = {Load: ([memory, scratchpad], [scratchpad, parameters]), Store: ([scratchpad], [memory]),
                         Matmul: ([scratchpad], [sums]), Vector: ([scratchpad, sums, parameters], [scratchpad])}[cls]
        self.builder.emit(cls, reads, writes, **fields)
