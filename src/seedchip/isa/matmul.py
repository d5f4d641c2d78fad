"""The matrix engine's instruction: a whole tiled matrix product or convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedchip.isa.instruction import Engine, Instruction, bits

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

POSITIVE = ("size_y", "size_x", "kernel_y", "kernel_x", "tiles_k", "tiles_n", "step_y", "step_x", "dilation_y",
            "dilation_x", "valid_k", "valid_n")
"""Fields that must not be 0."""


class Matmul(Instruction, opcode=0x03, num_words=2, engine=Engine.MATRIX):
    """Multiply INT8 activations by INT8 weight tiles into INT32 accumulators.

    for n in tiles_n, ky in kernel_y, kx in kernel_x, k in tiles_k (weight tile t in that order), y in size_y, x in
    size_x: row y * size_x + x of the accumulator tile at accumulator_address + n * accumulator_stride gets (or adds)
    the product of ``matrix.rows`` activations and the tile. The activations begin at byte activation_address + iy *
    activation_stride_y + ix * activation_stride_x + n * activation_stride_n + k * matrix.rows, with iy = y * step_y +
    ky * dilation_y + origin_y and ix = x * step_x + kx * dilation_x + origin_x; where iy or ix lies outside [0, limit)
    every activation is pad_value. Activation element r of tile k counts only while k * matrix.rows + r < valid_k;
    beyond, the weight is 0. Weight row r of a tile lies at weight_address + n * weight_stride_n + ky * weight_stride_ky
    + kx * weight_stride_kx + k * weight_stride_k + r * weight_stride_row, ``matrix.columns`` bytes long; with
    ``transpose`` the tile is stored column by column: column c at ... + c * weight_stride_row, ``matrix.rows`` bytes
    long. Columns from valid_n on are 0. Sums wrap modulo 2**32. With ``int4`` a line of weights (row or column) is half
    as long: weight i is the signed nibble i mod 2 of its byte i / 2, the lower one first.
    """

    activation_address: int = bits(24, "scratchpad byte of pixel (0, 0), channel 0")
    activation_stride_y: int = bits(24, "bytes", signed=True)
    activation_stride_x: int = bits(24, "bytes", signed=True)
    activation_stride_n: int = bits(24, "bytes between the channels of one tile of output channels and the next "
                                   "(grouped convolution; 0 when all channels feed all outputs)", signed=True)
    size_y: int = bits(16, "output rows", 1)
    size_x: int = bits(16, "output columns", 1)
    kernel_y: int = bits(8, "kernel rows", 1)
    kernel_x: int = bits(8, "kernel columns", 1)
    tiles_k: int = bits(12, "weight tiles along the channels", 1)
    tiles_n: int = bits(12, "weight tiles along the output channels", 1)
    step_y: int = bits(8, "stride", 1)
    step_x: int = bits(8, "stride", 1)
    dilation_y: int = bits(8, "dilation", 1)
    dilation_x: int = bits(8, "dilation", 1)
    origin_y: int = bits(16, "input row of output row 0, kernel row 0", signed=True)
    origin_x: int = bits(16, "input column of output column 0, kernel column 0", signed=True)
    limit_y: int = bits(16, "input rows", 1)
    limit_x: int = bits(16, "input columns", 1)
    pad_value: int = bits(8, "activation outside the input", signed=True)
    valid_k: int = bits(20, "channels that count", 1)
    valid_n: int = bits(20, "output channels that count", 1)
    weight_address: int = bits(24, "scratchpad byte of the first weight tile")
    weight_stride_n: int = bits(24, "bytes", signed=True)
    weight_stride_ky: int = bits(24, "bytes", signed=True)
    weight_stride_kx: int = bits(24, "bytes", signed=True)
    weight_stride_k: int = bits(24, "bytes", signed=True)
    weight_stride_row: int = bits(24, "bytes", signed=True)
    transpose: int = bits(1, "weight tiles are stored column by column")
    accumulator_address: int = bits(20, "first accumulator row")
    accumulator_stride: int = bits(20, "accumulator rows between tiles of output channels")
    accumulate: int = bits(1, "add the first product to what the accumulator holds instead of overwriting it")
    first_alone: int = bits(1, "the first weight tile is loaded only when the matmul before has streamed, since it "
                               "shares scratchpad banks with that one's activations")
    tiles_alone: int = bits(1, "every further weight tile is loaded only when the tile before has streamed, since the "
                               "weights share scratchpad banks with the activations")
    int4: int = bits(1, "weights are INT4, two in a byte")

    @property
    def num_tiles(self) -> int:
        """Weight tiles, in the order in which they are used."""
        return self.tiles_n * self.kernel_y * self.kernel_x * self.tiles_k

    @property
    def num_rows(self) -> int:
        """Activation vectors that stream past every weight tile."""
        return self.size_y * self.size_x


def load_cycles(matmul: Matmul, spec: ChipSpec) -> int:
    """Cycles that the loading of a weight tile takes: one a row, or one a column of transposed tiles."""
    return spec.matrix.columns if matmul.transpose else spec.matrix.rows


def tile_cycles(matmul: Matmul, spec: ChipSpec) -> int:
    """Cycles from the beginning of one tile's stream to that of the next."""
    load = load_cycles(matmul, spec)
    return matmul.num_rows + load if matmul.tiles_alone else max(matmul.num_rows, load)


def needs_alone(before: Matmul | None, matmul: Matmul, spec: ChipSpec) -> tuple[bool, bool]:
    """What ``first_alone`` and ``tiles_alone`` must be: a scratchpad bank has one read port, and the array reads
    weights and activations side by side. ``before`` is the matmul before, None for the first."""
    weights = _weight_banks(matmul, spec)
    after = before is not None and bool(weights & _activation_banks(before, spec))
    return after, matmul.num_tiles > 1 and bool(weights & _activation_banks(matmul, spec))


def _weight_banks(m: Matmul, spec: ChipSpec) -> int:
    rows, columns = spec.matrix.rows, spec.matrix.columns
    tiles_k, tiles_n = min(m.tiles_k, -(-m.valid_k // rows)), min(m.tiles_n, -(-m.valid_n // columns))
    lines, weights = (columns, rows) if m.transpose else (rows, columns)
    run = -(-weights // 2) if m.int4 else weights
    loops = [(tiles_n, m.weight_stride_n), (m.kernel_y, m.weight_stride_ky), (m.kernel_x, m.weight_stride_kx),
             (tiles_k, m.weight_stride_k), (lines, m.weight_stride_row)]
    return _banks(m.weight_address, loops, run, spec)


def _activation_banks(m: Matmul, spec: ChipSpec) -> int:
    loops, address = [(m.tiles_n, m.activation_stride_n)], m.activation_address
    for size, kernel, step, dilation, origin, limit, stride in (
            (m.size_y, m.kernel_y, m.step_y, m.dilation_y, m.origin_y, m.limit_y, m.activation_stride_y),
            (m.size_x, m.kernel_x, m.step_x, m.dilation_x, m.origin_x, m.limit_x, m.activation_stride_x)):
        first = max(origin, 0)
        last = min(origin + (size - 1) * step + (kernel - 1) * dilation, limit - 1)
        if first > last:
            return 0  # nothing but padding
        address += first * stride
        loops.append((last - first + 1, stride))
    return _banks(address, loops, min(m.valid_k, m.tiles_k * spec.matrix.rows), spec)


def _banks(address: int, loops: list[tuple[int, int]], run: int, spec: ChipSpec) -> int:
    """Mask of the banks between the first and the last byte of nested loops (count, stride) over runs of bytes."""
    low = address + sum(min(0, (count - 1) * stride) for count, stride in loops)
    high = address + sum(max(0, (count - 1) * stride) for count, stride in loops) + run - 1
    bank = spec.scratchpad.bytes // spec.scratchpad.banks
    return (2 << max(high, 0) // bank) - (1 << max(low, 0) // bank)
