"""Instructions that break a rule of the machine, and the sentence that each gets."""

from __future__ import annotations

import pytest

from seedchip.isa import Halt, Instruction, Load, Matmul, Store, Vector
from seedchip.numerics.microop import MICRO_OPS
from seedchip.simulator import Fault, Machine
from seedchip.spec import load

SPEC = load("nano")
ADD = MICRO_OPS["add"].opcode

CASES = [
    (Load(local_address=65530, run_bytes=8, write_banks=0x8000),
     "instruction 0 (load): local_address must stay in the scratchpad's 65536 bytes, not touch [65530, 65538)"),
    (Load(local_address=4090, run_bytes=8, write_banks=1),
     "instruction 0 (load): write_banks must name bank 1, which local_address touches, not be 0x1"),
    (Load(space=1, local_address=8190, run_bytes=4),
     "instruction 0 (load): local_address must stay in the parameter memory's 8192 bytes, not touch [8190, 8194)"),
    (Load(memory_address=1020, run_bytes=8, write_banks=1),
     "instruction 0 (load): memory_address must stay in the program's memory of 1024 bytes, not touch [1020, 1028)"),
    (Load(gather=1, table_rows=2, run_bytes=12, write_banks=1, read_banks=1),
     "instruction 0 (load): run_bytes of a gather must be a multiple of the memory granule of 8 bytes, not 12"),
    (Load(gather=1, table_rows=2, run_bytes=8, index_address=2, write_banks=1, read_banks=1),
     "instruction 0 (load): index_address must be a multiple of 4 bytes in every row, not 2 with strides ()"),
    (Store(count0=3, local_stride0=-8, local_address=8, run_bytes=8, read_banks=1),
     "instruction 0 (store): local_address must stay in the scratchpad's 65536 bytes, not touch [-8, 16)"),
    (Matmul(size_x=0, read_banks=1, accumulator_banks=1),
     "instruction 0 (matmul): size_x must be 1 or more, not 0"),
    (Matmul(size_x=8, limit_x=8, activation_stride_x=4096, read_banks=0x7F, accumulator_banks=1),
     "instruction 0 (matmul): read_banks must name bank 7, which activation_address touches, not be 0x7f"),
    (Matmul(weight_address=65535, valid_n=8, read_banks=0xFFFF, accumulator_banks=1),
     "instruction 0 (matmul): weight_address must stay in the scratchpad's 65536 bytes, not touch [65535, 65543)"),
    (Matmul(accumulator_address=256, size_x=1, read_banks=1, accumulator_banks=1),
     "instruction 0 (matmul): accumulator_banks must name bank 1, which accumulator_address touches, not be 0x1"),
    (Matmul(accumulator_address=511, size_x=2, read_banks=1, accumulator_banks=3),
     "instruction 0 (matmul): accumulator_address must stay in the accumulators' 512 rows, not touch [511, 513)"),
    (Vector(a_address=4, columns=8, read_banks=1, write_banks=1),
     "instruction 0 (vector): a_address must be a multiple of 8 bytes in every row, not 4 with strides ()"),
    (Vector(size_x=2, out_stride_x=4, columns=8, read_banks=1, write_banks=1),
     "instruction 0 (vector): out_address must be a multiple of 8 bytes in every row, not 0 with strides (4,)"),
    (Vector(window=1, reduce=1, read_banks=1, write_banks=1),
     "instruction 0 (vector): a window must not reduce; reduce its result with a second instruction"),
    (Vector(b_kind=3, read_banks=1, write_banks=1),
     "instruction 0 (vector): b_kind must not be an accumulator; only operand A can be one"),
    (Vector(a_type=3, read_banks=1, write_banks=1),
     "instruction 0 (vector): a_type must be 0 (INT8), 1 (INT32) or 2 (binary32), not 3"),
    (Vector(a_kind=0, read_banks=1, write_banks=1),
     "instruction 0 (vector): an instruction without micro-operations must have operand A"),
    (Vector(num_operations=1, program_address=256, read_banks=1, write_banks=1),
     "instruction 0 (vector): the micro-program at program_address must stay in the parameter memory's 8192 bytes, "
     "not touch [8192, 8196)"),
    (Vector(num_parameters=2, columns=16, parameter_address=253, read_banks=1, write_banks=1),
     "instruction 0 (vector): the parameters at parameter_address must stay in the parameter memory's 8192 bytes, not "
     "touch [8096, 8224)"),
]


@pytest.mark.parametrize(("instruction", "sentence"), CASES, ids=[s.split("): ")[1][:40] for _, s in CASES])
def test_a_broken_rule_stops_the_run_with_its_place(instruction: Instruction, sentence: str):
    with pytest.raises(Fault) as fault:
        Machine([instruction, Halt()], SPEC, 1024).run()
    assert str(fault.value) == sentence


WORDS = [
    (63, "micro-operation 63 must be one of "),
    (ADD | 3 << 11 | 16 << 18, "register 3 must be written before it is read"),
    (ADD | 17 << 11 | 16 << 18, "source 17 must be an operand or parameter of the instruction"),
    (ADD | 64 << 11 | 16 << 18, "constant 0 must be one of 0"),
    (ADD | 31 << 6 | 16 << 11 | 16 << 18, "destination register must be below 16, not 31"),
    (ADD | 2 << 6 | 16 << 11 | 16 << 18, "the last micro-operation must write register 0, not 2"),
    (ADD | 16 << 11 | 16 << 18 | 20 << 25, "sources that add does not have must be 0, not (20,)"),
]


@pytest.mark.parametrize(("word", "reason"), WORDS, ids=[r for _, r in WORDS])
def test_a_wrong_micro_program_is_named_with_its_line(word: int, reason: str):
    machine = Machine([Vector(num_operations=1, program_address=2, columns=8, read_banks=1, write_banks=1)], SPEC, 64)
    machine.state.parameter[64:68] = list(word.to_bytes(4, "little"))
    with pytest.raises(Fault) as fault:
        machine.run()
    assert str(fault.value).startswith(f"instruction 0 (vector): the micro-program at line 2 is wrong: {reason}")


def test_bytes_between_runs_need_no_bank():
    transfer = Load(run_bytes=8, count0=2, local_stride0=8192, memory_stride0=8, write_banks=0b101)
    machine = Machine([transfer, Halt()], SPEC, 64)
    machine.state.memory[:16] = range(16)
    machine.run()
    assert machine.state.scratchpad[8192:8200].tolist() == list(range(8, 16))
