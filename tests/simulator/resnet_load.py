"""A load like ResNet-50 on `micro`: the same layer shapes, tiles and instruction counts, with random contents.

Run it to print what the simulator takes: ``python tests/simulator/resnet_load.py``.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from seedchip.isa import Halt, Instruction, Load, Matmul, Store, Vector, decode_program, encode_program
from seedchip.numerics.microop import MICRO_OPS
from seedchip.simulator import Machine, simulate
from seedchip.spec import load

SPEC = load("micro")
BANKS = {"read_banks": 0xFFFF, "write_banks": 0xFFFF}
ACTIVATIONS, WEIGHTS, RESULTS = 0, 98304, 229376


def layers() -> list[tuple[int, int, int, int, int, int]]:
    """(input size, channels in, channels out, kernel, stride, residual) of all convolutions and the classifier."""
    found = [(112, 4, 64, 7, 2, 0)]
    channels, size = 64, 56
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512))):
        for block in range(blocks):
            step = 2 if block == 0 and stage else 1
            found.append((size, channels, width, 1, 1, 0))
            size //= step
            found += [(size, width, width, 3, step, 0), (size, width, 4 * width, 1, 1, 1)]
            if block == 0:
                found.append((size, channels, 4 * width, 1, step, 0))
            channels = 4 * width
    return [*found, (1, 2048, 1008, 1, 1, 0)]


def program() -> list[Instruction]:
    """Loads, matmuls, vector tails and stores of all layers; waits keep the engines in step as a compiler's would."""
    result: list[Instruction] = [Load(space=1, run_bytes=4096, memory_address=0)]
    for size, cin, cout, kernel, step, residual in layers():
        width = min(cout, 64)
        height = max(1, min(size, 512 * 16 // width // size))
        for first in range(0, size, height):
            result += tile((min(height, size - first), size), cin, (cout, width), kernel, step, residual)
    return [*result, Halt()]


def tile(shape: tuple[int, int], cin: int, channels: tuple[int, int], kernel: int, step: int,
         residual: int) -> list[Instruction]:
    """One stretch of output rows over all output channels, ``channels[1]`` at a time."""
    rows, columns = shape
    cout, width = channels
    image = min(((rows - 1) * step + kernel) * columns * step * cin, WEIGHTS)
    found: list[Instruction] = [Load(run_bytes=image, memory_address=4096, **BANKS)]
    slices = -(-kernel * kernel * cin * width // 131072)
    for _ in range(0, cout, width):
        for part in range(slices):
            depth = cin // slices
            found += [Load(run_bytes=kernel * kernel * depth * width, memory_address=8192, local_address=WEIGHTS,
                           signal=8, **BANKS), _matmul(shape, (depth, cin), width, (kernel, step), part > 0)]
        found.append(_tail(rows * columns, width, residual))
        found.append(Store(local_address=RESULTS, run_bytes=width, count0=rows * columns, local_stride0=width,
                           memory_stride0=cout, memory_address=1 << 20, wait_vector=1, **BANKS))
    return found


def _matmul(shape: tuple[int, int], depth: tuple[int, int], width: int, kernel: tuple[int, int],
            accumulate: bool) -> Matmul:
    rows, columns = shape
    size, step = kernel
    tiles, row = -(-depth[0] // 16), columns * step * depth[1]
    while row * ((rows - 1) * step + size) > WEIGHTS:
        row -= depth[1]
    block = 16 * depth[0]
    return Matmul(activation_stride_y=row, activation_stride_x=depth[1], size_y=rows, size_x=columns, kernel_y=size,
                  kernel_x=size, tiles_k=tiles, tiles_n=width // 16, step_y=step, step_x=step, origin_y=-(size // 2),
                  origin_x=-(size // 2), limit_y=(rows - 1) * step + size - size // 2, limit_x=columns * step,
                  valid_k=depth[0], valid_n=width, weight_address=WEIGHTS, weight_stride_row=16, weight_stride_k=256,
                  weight_stride_kx=block, weight_stride_ky=block * size, weight_stride_n=block * size * size,
                  accumulator_stride=rows * columns, accumulate=int(accumulate), wait_load=1, signal=4,
                  accumulator_banks=3, **BANKS)


def _tail(rows: int, width: int, residual: int) -> Vector:
    second = {"b_kind": 1, "b_address": RESULTS, "b_stride_x": width} if residual else {}
    return Vector(a_kind=3, a_type=1, a_stride_x=1, a_stride_group=rows, size_x=rows, columns=width, num_parameters=2,
                  parameter_address=4, num_operations=2 if residual else 1, num_constants=1,
                  program_address=int(bool(residual)), out_address=RESULTS, out_stride_x=width, clamp_low=0,
                  accumulator_banks=3, wait_matrix=1, signal=1, **second, **BANKS)


def micro_code() -> np.ndarray:
    """Parameter memory: scale and bias in line 0; with a scaled residual in line 1; parameters from line 4."""
    code = np.zeros(1024, np.float32)
    mad = MICRO_OPS["mad"].opcode
    scale = np.float32(0.01).view(np.uint32)
    code.view(np.uint32)[:2] = mad | 16 << 11 | 24 << 18 | 25 << 25, scale
    code.view(np.uint32)[16:19] = mad | 16 << 11 | 24 << 18 | 25 << 25, mad | 17 << 11 | 64 << 18, scale
    code[64:] = 1e-3
    return code.view(np.uint8)


def main() -> None:
    instructions = program()
    code = encode_program(instructions)
    start = time.perf_counter()
    decode_program(code)
    decoded = time.perf_counter()
    line = simulate(instructions, SPEC)
    timed = time.perf_counter()
    machine = Machine(instructions, SPEC, 1 << 25)
    machine.state.memory[:4096] = micro_code()
    machine.state.memory[4096:] = np.random.default_rng(0).integers(0, 256, (1 << 25) - 4096, np.uint8)
    made = time.perf_counter()
    machine.run(line.starts)
    first = time.perf_counter()
    machine.run(line.starts)
    second = time.perf_counter()
    macs = sum(i.num_tiles * i.num_rows * 256 for i in instructions if isinstance(i, Matmul))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(instructions)} instructions, {macs / 1e9:.2f} GMAC, {line.cycles} cycles: "
          f"decode {decoded - start:.2f} s, time {timed - decoded:.2f} s, values first {first - made:.2f} s, "
          f"again {second - first:.2f} s, "
          f"peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
