"""The compiler's parts by themselves: allocation, semaphores, views, micro-code, tiling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import convolution, layer_normalisation, product

from seedchip.compiler.builder import ACCUMULATOR, MEMORY, PARAMETER, SCRATCHPAD, Access, Builder
from seedchip.compiler.microcode import HIGH, LOW, MicrocodeError, assemble
from seedchip.compiler.placement import Placement
from seedchip.compiler.products import flattened, operands
from seedchip.compiler.products import product as product_of
from seedchip.compiler.region import partition
from seedchip.compiler.space import OutOfSpace, Space
from seedchip.compiler.tiling import choose
from seedchip.compiler.view import View, collapse, standard, standard_bytes
from seedchip.graph.ops import Conv
from seedchip.isa import Engine, Load, Matmul, Store, Vector
from seedchip.isa.vector import MAX_CONSTANTS, MAX_OPERATIONS, NUM_REGISTERS, SOURCE_A
from seedchip.numerics.expression import Expression, apply, argument
from seedchip.spec import load

NANO = load("nano")
A, B = argument(0), argument(1)

# Space ----------------------------------------------------------------------------------------------------------------


def test_stretches_are_granules_and_do_not_overlap():
    space = Space(4096, 32, 1024)
    buffers = [space.allocate(size, "a") for size in (1, 33, 500, 32)]
    assert [b.size for b in buffers] == [32, 64, 512, 32]
    ends = sorted((b.address, b.address + b.size) for b in buffers)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))
    assert all(b.address % 32 == 0 for b in buffers)


def test_what_was_freed_longest_ago_is_taken_first():
    space = Space(160, 32, 160)
    by_address = sorted((space.allocate(32, "a") for _ in range(5)), key=lambda b: b.address)
    first, _, second, _, third = by_address  # those in between stay, so that each is a stretch by itself
    space.free(second, 100)
    space.free(third, 200)
    space.free(first, 300)
    taken = [space.allocate(32, "a", 1000).address for _ in range(3)]
    assert taken == [second.address, third.address, first.address]


def test_groups_are_kept_out_of_each_others_banks():
    space = Space(4 * 256, 32, 256)
    loaded = [space.allocate(64, "loaded") for _ in range(2)]
    stored = [space.allocate(64, "stored") for _ in range(2)]
    assert {b.address // 256 for b in loaded}.isdisjoint({b.address // 256 for b in stored})


def test_a_full_memory_says_so_and_a_copy_is_independent():
    space = Space(128, 32, 128)
    buffer = space.allocate(96, "a")
    other = space.copy()
    with pytest.raises(OutOfSpace):
        space.allocate(64, "a")
    with pytest.raises(OutOfSpace):
        space.allocate(129, "a")
    other.free(buffer, 1)
    assert other.allocate(128, "b", 2).address == 0
    with pytest.raises(OutOfSpace):
        space.allocate(64, "a")


# Builder --------------------------------------------------------------------------------------------------------------

PLACE = Access(SCRATCHPAD, 64, 64)
ELSEWHERE = Access(SCRATCHPAD, 256, 64)


def waits(*steps: tuple[type, list[Access], list[Access]]) -> list[dict[str, int]]:
    """Tokens that each instruction waits for, by engine, and the engines that it signals."""
    builder = Builder(NANO)
    for cls, reads, writes in steps:
        builder.emit(cls, reads, writes)
    return [{e.name: n for e, n in zip(Engine, i.waits, strict=True) if n} for i in builder.finish()[:-1]]


HAZARDS = {
    "read after write": ([], [PLACE], [PLACE], []), "write after read": ([PLACE], [], [], [PLACE]),
    "write after write": ([], [PLACE], [], [PLACE]),
}


@pytest.mark.parametrize(("reads", "writes", "then_reads", "then_writes"), HAZARDS.values(), ids=HAZARDS)
def test_a_conflict_between_engines_is_a_token(reads, writes, then_reads, then_writes):
    assert waits((Load, reads, writes), (Vector, then_reads, then_writes)) == [{}, {"LOAD": 1}]
    assert waits((Load, reads, writes), (Load, then_reads, then_writes)) == [{}, {}]


def test_reads_of_one_place_and_writes_of_two_do_not_wait():
    assert waits((Load, [PLACE], []), (Vector, [PLACE], [])) == [{}, {}]
    assert waits((Load, [], [PLACE]), (Vector, [], [ELSEWHERE])) == [{}, {}]
    assert waits((Load, [], [PLACE]), (Vector, [Access(MEMORY, 64, 64)], [])) == [{}, {}]


def test_one_token_covers_everything_before_it():
    steps = [(Load, [], [PLACE]), (Load, [], [ELSEWHERE]), (Vector, [ELSEWHERE], []), (Vector, [PLACE], [])]
    assert waits(*steps) == [{}, {}, {"LOAD": 1}, {}]


def test_a_store_waits_for_the_last_writer_of_each_engine():
    sums = Access(ACCUMULATOR, 0, 8)
    steps = [(Matmul, [], [sums]), (Load, [], [ELSEWHERE]), (Vector, [sums], [PLACE]), (Store, [PLACE, ELSEWHERE], [])]
    assert waits(*steps) == [{}, {}, {"MATRIX": 1}, {"LOAD": 1, "VECTOR": 1}]


def test_banks_are_named():
    builder = Builder(NANO)
    bank = NANO.scratchpad.bytes // NANO.scratchpad.banks
    builder.emit(Vector, [Access(SCRATCHPAD, bank - 8, 16), Access(PARAMETER, 0, 8)], [Access(SCRATCHPAD, 3 * bank, 8)])
    vector = builder.finish()[0]
    assert (vector.read_banks, vector.write_banks, vector.accumulator_banks) == (0b11, 0b1000, 0)


def test_rewind_forgets_everything_since_the_mark():
    def emit(builder: Builder) -> None:
        buffer = builder.allocate(100, "x")
        builder.next_accumulator_bank()
        builder.emit(Load, [], [Access(SCRATCHPAD, buffer.address, 100)])
        builder.emit(Vector, [Access(SCRATCHPAD, buffer.address, 100)], [ELSEWHERE])

    plain, rewound = Builder(NANO), Builder(NANO)
    for builder in (plain, rewound):
        emit(builder)
    mark = rewound.mark()
    emit(rewound)
    rewound.emit(Store, [ELSEWHERE], [])
    rewound.rewind(mark)
    for builder in (plain, rewound):
        emit(builder)
    assert plain.finish() == rewound.finish()
    assert plain.now == rewound.now


# Views ----------------------------------------------------------------------------------------------------------------


def as_array(view: View) -> np.ndarray:
    """Addresses of a view's elements, by NumPy's own strides."""
    memory = np.arange(1 << 16)
    return np.lib.stride_tricks.as_strided(memory[view.address:], view.shape, tuple(8 * s for s in view.strides))


SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(shape=SHAPES, data=st.data())
def test_views_walk_as_numpys_do(shape, data):
    view = standard(4096, shape, data.draw(st.sampled_from(["int8", "float32"])), 8)
    array = as_array(view)
    perm = tuple(data.draw(st.permutations(range(len(shape)))))
    np.testing.assert_array_equal(as_array(view.transpose(perm)), array.transpose(perm))
    steps = tuple(data.draw(st.sampled_from([-1, 1])) for _ in shape)
    starts = tuple(n - 1 if k < 0 else 0 for n, k in zip(shape, steps, strict=True))
    flipped = np.flip(array, [i for i, k in enumerate(steps) if k < 0])
    np.testing.assert_array_equal(as_array(view.slice(starts, shape, steps)), flipped)
    wide = (3, *shape)
    np.testing.assert_array_equal(as_array(view.expand(wide)), np.broadcast_to(array, wide))
    new = tuple(data.draw(st.permutations(shape)))
    reshaped = view.transpose(perm).reshape(new)
    if reshaped is not None:
        np.testing.assert_array_equal(as_array(reshaped), array.transpose(perm).reshape(new))
    low, high = view.extent
    assert (low, high) == (array.min(), array.max() + view.item)


def test_a_reshape_that_strides_cannot_say_is_none():
    assert standard(0, (4, 5), "int8", 8).reshape((20,)) is None
    assert standard(0, (4, 8), "int8", 8).reshape((32,)) is not None
    assert standard(0, (2, 3, 5), "int8", 8).reshape((6, 5)) is not None
    assert standard(0, (2, 3, 5), "int8", 8).reshape((2, 15)) is None


def test_rows_are_padded_and_single_columns_are_packed():
    assert standard(0, (3, 5), "int8", 8).strides == (8, 1)
    assert standard(0, (3, 5), "float32", 8).strides == (32, 4)
    assert standard(0, (3, 1), "float32", 8).strides == (4, 4)
    assert [standard_bytes(*t, 8) for t in (((3, 5), "int8"), ((3, 1), "float32"), ((), "int8"))] == [24, 12, 1]


def test_loops_collapse_only_where_all_operands_continue():
    assert collapse((2, 3, 4), [(12, 4, 1)]) == ((24,), [(1,)])
    assert collapse((2, 3, 4), [(12, 4, 1), (24, 8, 1)]) == ((6, 4), [(4, 1), (8, 1)])
    assert collapse((1, 1), [(5, 7)]) == ((), [()])


# Micro-code -----------------------------------------------------------------------------------------------------------


def test_an_argument_by_itself_needs_no_operation_and_others_move():
    assert assemble(A, [SOURCE_A], integer=False).words == ()
    assert len(assemble(B, [SOURCE_A, SOURCE_A + 1], integer=False).words) == 1


def test_equal_parts_are_computed_once():
    square = apply("mul", A, A)
    assert len(assemble(apply("add", square, apply("mul", A, A)), [SOURCE_A], integer=False).words) == 2


def test_outer_clamps_are_the_write_paths_for_integers_only():
    clamped = apply("min", apply("max", apply("add", A, B), -3.0), 5.0)
    sources = [SOURCE_A, SOURCE_A + 1]
    integer, real = (assemble(clamped, sources, integer=i) for i in (True, False))
    assert (len(integer.words), len(real.words)) == (1, 3)
    bounds = np.array([integer.clamp_low, integer.clamp_high], np.uint32).view(np.float32)
    assert bounds.tolist() == [-3.0, 5.0]
    assert (real.clamp_low, real.clamp_high) == (LOW, HIGH)


def test_clamps_that_cross_are_computed():
    crossed = apply("min", apply("max", A, 5.0), -3.0)
    code = assemble(crossed, [SOURCE_A], integer=True)
    assert len(code.words) == 1


def test_what_does_not_fit_one_instruction_is_refused():
    value: Expression = A
    for _ in range(MAX_OPERATIONS + 1):
        value = apply("add", value, 1.0)
    with pytest.raises(MicrocodeError, match=rf"^a micro-program holds {MAX_OPERATIONS} operations and {MAX_CONSTANTS} "
                       rf"constants, not {MAX_OPERATIONS + 1} and 1$"):
        assemble(value, [SOURCE_A], integer=False)


def wide_sum(leaves: int) -> Expression:
    """All leaves are alive before the first addition: each is added to every other's square."""
    values = [apply("mul", A, float(i + 2)) for i in range(leaves)]
    total = values[0]
    for v in values[1:]:
        total = apply("add", total, v)
    for v in values:
        total = apply("mul", total, v)
    return total


def test_registers_are_used_again_and_their_number_is_the_limit():
    assert assemble(wide_sum(NUM_REGISTERS - 1), [SOURCE_A], integer=False).words
    with pytest.raises(MicrocodeError, match=rf"^a micro-program must keep at most {NUM_REGISTERS} values at a time$"):
        assemble(wide_sum(NUM_REGISTERS + 1), [SOURCE_A], integer=False)


# Tiling ---------------------------------------------------------------------------------------------------------------

TILED = {
    "linear": product(700, 900, 300), "thin": product(1, 2000, 2000), "whole rows": layer_normalisation(300, 100, 200),
    "convolution": convolution((1, 30, 40, 64), 96, (3, 3), Conv(pads=(1, 1, 1, 1))),
}


@pytest.mark.parametrize("chip", ["nano", "micro", "nvdla-2048"])
@pytest.mark.parametrize("graph", TILED.values(), ids=TILED)
def test_the_chosen_tile_fits(graph, chip):
    spec = load(chip)
    placement = Placement(graph, spec)
    for name in graph.types.keys() - graph.constants.keys():
        placement.new(name)
    region = partition(graph)[0]
    found = operands(region, placement, set())
    chosen = choose(product_of(flattened(region, placement, found.rows), found, placement, 0.9))
    assert chosen is not None
    assert all(1 <= size <= n for size, n in zip(chosen.rows, found.rows, strict=True))
    bank = spec.accumulator_rows // spec.accumulator.banks
    assert np.prod(chosen.rows) * -(-chosen.columns // spec.matrix.columns) <= bank
    tile = (found.activations.tile_bytes(chosen.rows, chosen.channels, chosen.columns)
            + found.weights.tile_bytes(chosen.columns, chosen.channels))
    assert tile <= 0.9 * spec.scratchpad.bytes
    if region.needs_whole_rows:
        assert not chosen.weights_outer
