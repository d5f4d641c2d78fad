"""The matrix engine's instruction: a whole tiled matrix product or convolution."""

from __future__ import annotations

from seedchip.isa.instruction import Engine, Instruction, bits


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
    long. Columns from valid_n on are 0. Sums wrap modulo 2**32.
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

    @property
    def num_tiles(self) -> int:
        """Weight tiles, in the order in which they are used."""
        return self.tiles_n * self.kernel_y * self.kernel_x * self.tiles_k

    @property
    def num_rows(self) -> int:
        """Activation vectors that stream past every weight tile."""
        return self.size_y * self.size_x
