"""What breaks a rule of the machine stops both bodies: a fault in the simulator, a bit of the register in hardware."""

import dataclasses

import numpy as np
import pytest
from chips import TINY

from seedchip.isa import WORD_BYTES, Engine, Halt, Instruction, Load, Matmul, Store, Vector, encode_program
from seedchip.rtl.sequencer.faults import Fault
from seedchip.rtl.simulation.run import HardwareFault, run_hardware
from seedchip.simulator import Fault as SimulatorFault
from seedchip.simulator import Machine
from seedchip.simulator.timing import DeadlockError, simulate

PAD, LIMIT, ALL = TINY.scratchpad.bytes, 4096, 0xFF
"""Bytes of the scratchpad, of the memory that the programs here are given, and the mask of all banks."""

load = {"run_bytes": 8, "write_banks": ALL}
store = {"run_bytes": 8, "read_banks": ALL}
matmul = {"read_banks": ALL, "accumulator_banks": 3, "weight_address": 4096, "weight_stride_row": 8}
vector = {"read_banks": ALL, "write_banks": ALL, "accumulator_banks": 3, "columns": 4, "out_address": 4096}
gather = {**load, "read_banks": ALL, "gather": 1, "table_rows": 4, "memory_stride0": 8, "index_address": 4096}

FIELDS = [
    *(Load(**{**load, name: 0}) for name in ("run_bytes", "count0", "count1", "count2")),
    *(Store(**{**store, name: 0}) for name in ("run_bytes", "count0", "count1", "count2")),
    Load(**{**gather, "table_rows": 0}), Load(**{**gather, "index_address": 4098}),
    Load(**{**gather, "run_bytes": 6}), Load(**{**gather, "memory_stride0": 2}), Load(**gather, memory_address=1),
    *(Matmul(**{**matmul, name: 0}) for name in (
        "size_y", "size_x", "kernel_y", "kernel_x", "tiles_k", "tiles_n", "step_y", "step_x", "dilation_y",
        "dilation_x", "valid_k", "valid_n")),
    *(Vector(**{**vector, name: 0}) for name in ("size_y", "size_x", "columns")),
    Vector(**vector, b_kind=3), Vector(**vector, a_type=3), Vector(**{**vector, "a_kind": 0}),
    Vector(**vector, num_parameters=9),
]
ADDRESSES = [
    (Load(**load, local_address=PAD - 4), Fault.SCRATCHPAD),
    (Load(**load, local_address=8, count0=3, local_stride0=-8), Fault.SCRATCHPAD),
    (Load(**load, fill=1, local_address=PAD - 1), Fault.SCRATCHPAD),
    (Load(**load, local_address=(1 << 24) - 1), Fault.SCRATCHPAD),
    (Load(**load, space=1, local_address=TINY.parameter.bytes - 7), Fault.PARAMETER),
    (Load(**load, space=1, fill=1, count2=2, local_stride2=TINY.parameter.bytes), Fault.PARAMETER),
    (Load(**{**gather, "index_address": PAD}), Fault.SCRATCHPAD),
    (Load(**gather, count0=2, local_address=PAD - 8, local_stride0=8), Fault.SCRATCHPAD),
    (Store(**store, memory_address=1024, local_address=PAD - 7), Fault.SCRATCHPAD),
    (Matmul(**matmul, activation_address=PAD), Fault.SCRATCHPAD),
    (Matmul(**matmul, activation_stride_x=1 << 22, size_x=5, limit_x=5), Fault.SCRATCHPAD),
    (Matmul(**matmul, activation_address=64, activation_stride_n=-(1 << 23), tiles_n=3, valid_n=24), Fault.SCRATCHPAD),
    (Matmul(**{**matmul, "weight_address": PAD - 1}, valid_n=8), Fault.SCRATCHPAD),
    (Matmul(**matmul, weight_stride_k=1 << 22, tiles_k=5, valid_k=20), Fault.SCRATCHPAD),
    (Matmul(**matmul, accumulator_address=TINY.accumulator_rows), Fault.ACCUMULATOR),
    (Matmul(**matmul, tiles_n=2, valid_n=16, accumulator_stride=(1 << 20) - 1, accumulator_address=1),
     Fault.ACCUMULATOR),
    (Vector(**vector, a_address=PAD), Fault.SCRATCHPAD),
    (Vector(**vector, size_x=3, a_stride_x=1 << 22), Fault.SCRATCHPAD),
    (Vector(**{**vector, "out_address": PAD - 4}, size_x=2, out_stride_x=4), Fault.SCRATCHPAD),
    (Vector(**vector, b_kind=2, b_address=PAD), Fault.SCRATCHPAD),
    (Vector(**vector, a_kind=3, a_address=TINY.accumulator_rows), Fault.ACCUMULATOR),
    (Vector(**vector, a_kind=3, a_address=1 << 20), Fault.ACCUMULATOR),
    (Vector(**vector, num_parameters=3, parameter_address=126), Fault.PARAMETER),
    (Vector(**vector, num_parameters=2, parameter_address=127), Fault.PARAMETER),
    (Vector(**vector, num_operations=1, program_address=128), Fault.PARAMETER),
    (Vector(**vector, num_operations=3, num_constants=2, program_address=127), Fault.PARAMETER),
]
MEMORY = [
    Load(**load, memory_address=LIMIT - 7), Load(**load, memory_address=(1 << 40) - 4),
    Load(**load, memory_address=16, count0=4, memory_stride0=-8),
    Load(**load, memory_address=2048, count1=2, memory_stride1=-(1 << 31)),
    Load(**{**load, "run_bytes": 2049}, memory_address=2048),
    Load(**gather, memory_address=LIMIT), Load(**{**gather, "memory_stride0": LIMIT}, local_stride0=8, count0=2),
    Load(**{**gather, "memory_stride0": -(1 << 31)}, local_stride0=8, count0=2),
    Load(**{**gather, "memory_stride0": (1 << 31) - 4, "table_rows": (1 << 32) - 1}, local_stride0=8, count0=2),
    Store(**store, memory_address=LIMIT - 4), Store(**store, memory_address=1 << 20),
    Store(**store, memory_address=2048, count2=3, memory_stride2=2048),
]
"""Index 0 of the gathers is 0, index 1 is -1."""
LOCKS = [
    Load(run_bytes=8, write_banks=2), Load(fill=1, run_bytes=8, local_address=1020, write_banks=1),
    Load(**{**gather, "read_banks": 1}), Store(run_bytes=8, read_banks=2), Store(run_bytes=8),
    Matmul(**{**matmul, "read_banks": 0b11110}), Matmul(**{**matmul, "read_banks": 0b01111}),
    Matmul(**{**matmul, "accumulator_banks": 1}, accumulator_address=64),
    Vector(**{**vector, "read_banks": 2}), Vector(**{**vector, "write_banks": 1}),
    Vector(**{**vector, "accumulator_banks": 2}, a_kind=3),
]
BANKS = [Load(**{**load, "write_banks": 1 << 31 | ALL}), Store(**{**store, "read_banks": 1 << 8 | ALL}),
         Matmul(**{**matmul, "accumulator_banks": 7}), Vector(**{**vector, "write_banks": 1 << 8 | ALL})]
CASES = [*((i, Fault.FIELD) for i in FIELDS), *ADDRESSES, *((i, Fault.MEMORY) for i in MEMORY),
         *((i, Fault.LOCK) for i in LOCKS), *((i, Fault.BANK) for i in BANKS)]


def begin(code: bytes) -> np.ndarray:
    """uint8: `LIMIT` bytes of memory with the code, two indices, and the same byte everywhere else."""
    memory = np.full(LIMIT, 0x5A, np.uint8)
    memory[:len(code)] = np.frombuffer(code, np.uint8)
    memory[1024:1032] = np.array([0, -1], np.int32).view(np.uint8)
    return memory


def stop_hardware(code: bytes) -> tuple[HardwareFault, np.ndarray]:
    """The fault with which the hardware stops, and memory afterwards."""
    memory = begin(code)
    with pytest.raises(HardwareFault) as error:
        run_hardware(TINY, memory, 0, len(code) // WORD_BYTES, 5000)
    return error.value, memory


@pytest.mark.parametrize(("instruction", "fault"), CASES, ids=[f"{f.name}-{n}" for n, (_, f) in enumerate(CASES)])
def test_a_broken_rule_stops_both_bodies(instruction: Instruction, fault: Fault):
    indices = Load(memory_address=1024, run_bytes=8, local_address=4096, write_banks=1 << 4,
                   signal=1 << (instruction.engine or 0))
    program = [indices, dataclasses.replace(instruction, wait_load=1), Halt()]
    machine = Machine(program, TINY, LIMIT)
    code = encode_program(program)
    machine.state.memory[:] = begin(code)
    with pytest.raises(SimulatorFault, match=rf"^instruction 1 \({instruction.mnemonic()}\): "):
        machine.run()
    error, memory = stop_hardware(code)
    assert error.causes == (fault,)
    assert (error.engine, error.instruction) == (instruction.engine, 2 if instruction.engine is Engine.LOAD else 1)
    if not isinstance(instruction, Store):
        np.testing.assert_array_equal(memory, begin(code))
    assert str(error).endswith(f"with fault {fault.name.lower()} in instruction {error.instruction} of "
                               f"{error.engine.name.lower()}")


@pytest.mark.parametrize(("words", "fault"), [
    ([b"\x00" * 64], Fault.OPCODE), ([b"\x3e" + b"\x00" * 63], Fault.OPCODE),
    ([encode_program([Halt()])[:-1] + b"\x80"], Fault.OPCODE),
    ([encode_program([Matmul(**matmul)])[:-1] + b"\x80"], Fault.OPCODE),
    ([encode_program([Load(**load)])], Fault.END), ([encode_program([Matmul(**matmul)])[:64]], Fault.END),
    ([], Fault.END),
    ([encode_program([Load(**load)] * 63) + b"\x3f" + b"\x00" * 63], None),
])
def test_words_that_are_no_program_stop_the_sequencer(words: list[bytes], fault: Fault | None):
    code = b"".join(words)
    if fault is None:  # the program's end is where memory ends: nothing is wrong with it
        memory = np.zeros(LIMIT, np.uint8)
        memory[:] = np.frombuffer(code, np.uint8)
        assert len(run_hardware(TINY, memory, 0, 64, 20_000).dispatched) == 64
        return
    error, memory = stop_hardware(code)
    assert (error.causes, error.engine, error.instruction) == ((fault,), None, 0)
    np.testing.assert_array_equal(memory, begin(code))


def test_a_program_that_is_longer_than_memory_is_not_fetched():
    memory = np.zeros(LIMIT, np.uint8)
    memory[-64:] = np.frombuffer(encode_program([Halt()]), np.uint8)
    with pytest.raises(HardwareFault) as error:
        run_hardware(TINY, memory, LIMIT - 64, 2, 1000)
    assert (error.value.causes, error.value.engine) == ((Fault.MEMORY,), None)


@pytest.mark.parametrize("program", [
    [Load(**load, wait_store=1), Halt()],
    [Load(**load), Store(**store, wait_load=1), Halt()],
    [Load(**load, wait_matrix=1), Matmul(**matmul, wait_load=1, signal=2), Halt()],
    [*(Load(**load, wait_load=1),) * (TINY.sequencer.queue_depth + 2), Halt()],
])
def test_a_program_that_waits_for_ever_is_a_deadlock(program: list[Instruction]):
    with pytest.raises(DeadlockError):
        simulate(program, TINY)
    error, _ = stop_hardware(encode_program(program))
    assert (error.causes, error.engine) == ((Fault.DEADLOCK,), None)


def test_the_first_fault_is_kept_and_nothing_starts_after_it():
    program = [Load(**load), Load(**{**load, "run_bytes": 0}), Load(**load, fill=1), Store(**{**store, "count0": 0}),
               Store(**store, memory_address=2048), Halt()]
    code = encode_program(program)
    error, memory = stop_hardware(code)
    assert (error.causes, error.engine, error.instruction) == ((Fault.FIELD,), Engine.LOAD, 2)
    np.testing.assert_array_equal(memory, begin(code))


def test_a_store_writes_every_run_before_the_one_that_leaves_memory():
    code = encode_program([Load(run_bytes=64, fill=1, fill_value=7, write_banks=1, signal=1),
                           Store(run_bytes=64, memory_address=2048, count0=4, memory_stride0=700, read_banks=1,
                                 wait_load=1), Halt()])
    error, memory = stop_hardware(code)
    assert (error.causes, error.engine, error.instruction) == ((Fault.MEMORY,), Engine.STORE, 1)
    changed = np.flatnonzero(memory != begin(code)) - 2048
    assert set(changed) <= {*range(64), *range(700, 764), *range(1400, 1464)}
    assert (memory[2048:2112] == 7).all()
