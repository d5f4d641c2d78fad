"""Random legal programs of the hardware slice: whatever it can do, in whatever order the semaphores allow."""

from __future__ import annotations

import numpy as np

from seedchip.compiler.builder import ACCUMULATOR, MEMORY, PARAMETER, SCRATCHPAD, Access, Builder
from seedchip.isa import Instruction, Load, Matmul, OperandKind, Store, Vector
from seedchip.isa.vector import SOURCE_A, SOURCE_CONSTANT, SOURCE_PARAMETER
from seedchip.numerics.microop import MICRO_OPS
from seedchip.spec import ChipSpec

MEMORY_BYTES = 1 << 16
CODE_BYTES = 1 << 15
"""The program lies in the first half of these bytes, micro-programs in the second; data lies above."""
OPERATIONS = tuple(MICRO_OPS)
SPECIALS = np.array([
    0, 0x80000000, 1, 0x80000001, 0x007FFFFF, 0x00800000, 0x3F800000, 0xBF000000, 0x7F7FFFFF, 0x7F800000, 0xFF800000,
    0x7FC00000, 0xFFFFFFFF, 0x4B000001, 0x3F000001, 0xC2FF8000], np.uint32)


def random_memory(rng: np.random.Generator) -> np.ndarray:
    """uint8: small integers as bytes, but every fourth stretch of 256 bytes is binary32 patterns of every kind."""
    memory = rng.integers(0, 256, MEMORY_BYTES, dtype=np.uint8)
    words = memory.view(np.uint32).reshape(-1, 64)
    words[::4] = rng.normal(0, 100, words[::4].shape).astype(np.float32).view(np.uint32)
    words[::12] = rng.choice(SPECIALS, words[::12].shape)
    return memory


class RandomSlice:
    """Emits random instructions. Weights often have the last quarter of the scratchpad for themselves."""

    def __init__(self, spec: ChipSpec, seed: int) -> None:
        self.spec, self.rng = spec, np.random.default_rng(seed)
        self.builder = Builder(spec)
        banks = spec.scratchpad.banks
        self.bank_bytes = spec.scratchpad.bytes // banks
        self.weights = (banks - banks // 4) * self.bank_bytes
        self.code_memory, self.code_used = np.zeros(CODE_BYTES // 2, np.uint8), 0

    def program(self, length: int) -> list[Instruction]:
        emitters = [self.load, self.load, self.fill, self.load_parameters, self.store, self.matmul, self.matmul,
                    self.vector, self.vector]
        self.load_parameters()
        for _ in range(length):
            emitters[self.below(len(emitters))]()
        return self.builder.finish()

    def below(self, high: int) -> int:
        return int(self.rng.integers(0, high))

    def memory(self) -> np.ndarray:
        """uint8: memory at the beginning, with the micro-programs of the instructions emitted so far."""
        memory = random_memory(self.rng)
        memory[CODE_BYTES // 2:CODE_BYTES] = self.code_memory
        return memory

    def between(self, low: int, high: int) -> int:
        """In [low, high]."""
        return int(self.rng.integers(low, high + 1))

    def transfer(self, region: tuple[int, int]) -> tuple[dict[str, int], Access, Access]:
        """Fields, the stretch on the chip and the stretch of memory of up to three loops of runs inside ``region``."""
        run = self.between(1, min(3 * self.spec.line_bytes, region[1] - region[0]))
        fields, reach = {"run_bytes": run}, {"local": [0, run], "memory": [0, run]}
        for loop in range(self.below(4)):
            count = self.between(1, 4)
            fields[f"count{loop}"] = count
            for space, limit in (("local", region[1] - region[0]), ("memory", 8192)):
                low, high = reach[space]
                step = (limit - (high - low)) // max(count - 1, 1)
                stride = self.between(-min(step, 200), min(step, 200))
                fields[f"{space}_stride{loop}"] = stride
                reach[space] = [low + min(0, stride * (count - 1)), high + max(0, stride * (count - 1))]
        local = self.between(region[0] - reach["local"][0], region[1] - reach["local"][1])
        memory = self.between(CODE_BYTES - reach["memory"][0], MEMORY_BYTES - reach["memory"][1])
        fields |= {"local_address": local, "memory_address": memory}
        return (fields, Access(SCRATCHPAD, local + reach["local"][0], reach["local"][1] - reach["local"][0]),
                Access(MEMORY, memory + reach["memory"][0], reach["memory"][1] - reach["memory"][0]))

    def region(self) -> tuple[int, int]:
        """A random bank or two: of the weights, or of the rest."""
        low, high = (0, self.weights) if self.below(3) else (self.weights, self.spec.scratchpad.bytes)
        first = self.between(low // self.bank_bytes, high // self.bank_bytes - 1) * self.bank_bytes
        return first, min(first + self.between(1, 2) * self.bank_bytes, high)

    def load(self) -> None:
        fields, local, memory = self.transfer(self.region())
        self.builder.emit(Load, [memory], [local], **fields)

    def fill(self) -> None:
        fields, local, _ = self.transfer(self.region())
        self.builder.emit(Load, [], [local], fill=1, fill_value=self.below(256), **fields)

    def store(self) -> None:
        fields, local, memory = self.transfer(self.region())
        self.builder.emit(Store, [local], [memory], **fields)

    def load_parameters(self) -> None:
        run = self.spec.parameter.bytes // 2
        address = self.between(CODE_BYTES, MEMORY_BYTES - run)
        self.builder.emit(Load, [Access(MEMORY, address, run)], [Access(PARAMETER, run, run)], space=1, run_bytes=run,
                          memory_address=address, local_address=run)

    def matmul(self) -> None:
        """Any tile loops, pads and strides whose operands fit."""
        spec, rng = self.spec, self.rng
        rows, columns = spec.matrix.rows, spec.matrix.columns
        size_y, size_x = self.between(1, 4), self.between(1, 6)
        tiles = {"tiles_k": self.between(1, 2), "tiles_n": self.between(1, 2), "kernel_y": self.between(1, 2),
                 "kernel_x": self.between(1, 2)}
        limit_y, limit_x = self.between(1, 5), self.between(1, 6)
        stride_x = self.between(0, 2 * rows)
        stride_y, stride_n = self.between(0, 6 * rows), self.between(0, rows)
        reach = (limit_y - 1) * stride_y + (limit_x - 1) * stride_x + stride_n + tiles["tiles_k"] * rows
        activation = self.between(0, self.weights - reach)
        weight_bytes = spec.scratchpad.bytes - self.weights
        weights = self.weights if self.below(3) else self.between(0, self.weights)
        longest = max(rows, columns)
        strides = {f"weight_stride_{loop}": self.between(0, weight_bytes // 16) for loop in ("n", "ky", "kx", "k")}
        strides["weight_stride_row"] = self.between(0, weight_bytes // (4 * longest))
        weight = self.between(weights, weights + weight_bytes // 4)
        accumulator_rows, bank_rows = size_y * size_x * tiles["tiles_n"], self.builder.accumulator_bank_rows
        row = self.below(spec.accumulator.banks) * bank_rows + self.between(0, bank_rows - accumulator_rows)
        self.builder.emit(
            Matmul, [Access(SCRATCHPAD, activation, reach), Access(SCRATCHPAD, weights, weight_bytes)],
            [Access(ACCUMULATOR, row, accumulator_rows)], **tiles, **strides, size_y=size_y, size_x=size_x,
            activation_address=activation, activation_stride_y=stride_y, activation_stride_x=stride_x,
            activation_stride_n=stride_n, step_y=self.between(1, 2), step_x=self.between(1, 3),
            dilation_y=self.between(1, 2), dilation_x=self.between(1, 2), origin_y=self.between(-2, 1),
            origin_x=self.between(-2, 1), limit_y=limit_y, limit_x=limit_x, pad_value=self.between(-128, 127),
            valid_k=self.between(1, tiles["tiles_k"] * rows), valid_n=self.between(1, tiles["tiles_n"] * columns),
            weight_address=weight, transpose=self.below(2), accumulator_address=row,
            accumulator_stride=size_y * size_x, accumulate=int(rng.random() < 0.3))

    def vector(self) -> None:
        """A micro-program of up to six operations over accumulators, scratchpad vectors or scalars."""
        spec = self.spec
        lanes, line = spec.vector.lanes, spec.line_bytes
        size_y, size_x, columns = self.between(1, 3), self.between(1, 5), self.between(1, 3 * lanes)
        groups = -(-columns // lanes)
        kind = (OperandKind.ACCUMULATOR, OperandKind.VECTOR, OperandKind.SCALAR)[self.below(3)]
        fields = {"size_y": size_y, "size_x": size_x, "columns": columns, "a_kind": int(kind), "a_type": self.below(3),
                  "out_type": self.below(3)}
        reads = [self.operand(fields, groups)]
        for name in "bc"[:self.below(3)]:
            fields |= {f"{name}_kind": self.between(1, 2), f"{name}_type": self.below(3)}
            reads.append(self.scratchpad_operand(fields, groups, name))
        item = 1 if fields["out_type"] == 0 else 4
        unit = lanes * item
        stride_x = groups * unit + unit * self.below(2)
        stride_y = size_x * stride_x
        while True:  # results beside the operands: reads run ahead of writes
            start = self.between(0, (self.weights - size_y * stride_y) // unit) * unit
            apart = (start + size_y * stride_y <= r.start or r.start + r.size <= start for r in reads)
            if all(r.space == ACCUMULATOR or free for r, free in zip(reads, apart, strict=True)):
                break
        fields |= {"out_address": start, "out_stride_x": stride_x, "out_stride_y": stride_y}
        if self.below(4):
            fields |= {"clamp_low": self.pattern(-50.0), "clamp_high": self.pattern(50.5)}
        num_parameters, half = self.below(6), spec.parameter.bytes // (2 * line)
        parameter = half + self.between(0, half - groups * num_parameters - 1)
        fields |= {"num_parameters": num_parameters, "parameter_address": parameter}
        reads.append(Access(PARAMETER, parameter * line, max(groups * num_parameters, 1) * line))
        if num_operations := self.below(7):
            self.micro_program(fields, num_operations, num_parameters)
            size = 4 * (num_operations + fields["num_constants"])
            reads.append(Access(PARAMETER, fields["program_address"] * line, size))
        self.builder.emit(Vector, reads, [Access(SCRATCHPAD, start, size_y * stride_y)], **fields)

    @staticmethod
    def pattern(x: float) -> int:
        return int(np.float32(x).view(np.uint32))

    def operand(self, fields: dict[str, int], groups: int) -> Access:
        """Place operand A of ``fields``; the stretch that it reads."""
        spec, size_y, size_x = self.spec, fields["size_y"], fields["size_x"]
        if fields["a_kind"] == OperandKind.ACCUMULATOR:
            tiles = -(-fields["columns"] // spec.matrix.columns)
            reach = size_y * size_x * tiles
            row = self.between(0, spec.accumulator_rows - reach)
            fields |= {"a_address": row, "a_stride_y": size_x, "a_stride_x": 1, "a_stride_group": size_y * size_x}
            return Access(ACCUMULATOR, row, reach)
        return self.scratchpad_operand(fields, groups, "a")

    def scratchpad_operand(self, fields: dict[str, int], groups: int, name: str) -> Access:
        """Place operand ``name`` of ``fields``, a vector or a scalar; the stretch that it reads."""
        lanes, size_y, size_x = self.spec.vector.lanes, fields["size_y"], fields["size_x"]
        item = 1 if fields[f"{name}_type"] == 0 else 4
        unit = item * (1 if fields[f"{name}_kind"] == OperandKind.SCALAR else lanes)
        stride_x, stride_y = unit * self.below(4), unit * self.below(8)
        reach = (size_y - 1) * stride_y + (size_x - 1) * stride_x + groups * lanes * item
        address = self.between(0, (self.weights - reach) // unit) * unit
        fields |= {f"{name}_address": address, f"{name}_stride_y": stride_y, f"{name}_stride_x": stride_x}
        return Access(SCRATCHPAD, address, reach)

    def micro_program(self, fields: dict[str, int], num_operations: int, num_parameters: int) -> None:
        """Invent a micro-program and its constants, and load them."""
        constants = self.rng.choice(SPECIALS, self.between(1, 5))
        sources = [*(SOURCE_A + i for i, name in enumerate("abc") if fields.get(f"{name}_kind")),
                   *(SOURCE_PARAMETER + p for p in range(num_parameters)),
                   *(SOURCE_CONSTANT + c for c in range(len(constants)))]
        written: list[int] = []
        words = []
        for i in range(num_operations):
            op = MICRO_OPS[OPERATIONS[self.below(len(OPERATIONS))]]
            register = 0 if i == num_operations - 1 else self.below(16)
            a, b, c = ([int(self.rng.choice(written or sources)) if self.below(2) else int(self.rng.choice(sources))
                        for _ in range(op.arity)] + [0, 0, 0])[:3]
            words.append(op.opcode | register << 6 | a << 11 | b << 18 | c << 25)
            written.append(register)
        self.place_code(fields, np.array([*words, *constants], np.uint32).view(np.uint8))
        fields |= {"num_operations": num_operations, "num_constants": len(constants)}

    def place_code(self, fields: dict[str, int], code: np.ndarray) -> None:
        """Load ``code`` from its place in `code_memory` to a random line of the parameter memory's lower half."""
        line = self.spec.line_bytes
        lines = -(-len(code) // line)
        address = self.between(0, self.spec.parameter.bytes // (2 * line) - lines) * line
        source = CODE_BYTES // 2 + self.code_used
        self.code_memory[self.code_used:self.code_used + len(code)] = code
        self.code_used += len(code)
        target = Access(PARAMETER, address, lines * line)
        self.builder.emit(Load, [Access(MEMORY, source, len(code))], [target], space=1, run_bytes=len(code),
                          memory_address=source, local_address=address)
        fields["program_address"] = address // line
