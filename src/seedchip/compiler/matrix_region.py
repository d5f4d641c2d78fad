"""Regions with a matrix product at their head: tiles, loops and the matrix engine's instructions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from seedchip.compiler.activations import Activations, ChannelSlice, Fetched
from seedchip.compiler.builder import ACCUMULATOR, SCRATCHPAD, Access, Builder
from seedchip.compiler.rowcode import Sums, Tile
from seedchip.compiler.tile_run import STORED, TEMPORARY, Box, TileRun
from seedchip.compiler.transfer import access
from seedchip.compiler.view import View, standard, standard_bytes
from seedchip.graph.ops import Map
from seedchip.isa import Matmul
from seedchip.numerics.expression import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedchip.compiler.region import Region
    from seedchip.compiler.space import Buffer
    from seedchip.compiler.tiling import Tiling
    from seedchip.compiler.weights import Weights
    from seedchip.graph.ir import Node

Place = tuple[tuple[int, ...], tuple[int, ...]]
"""Starts and sizes of a tile over the row axes."""
_SPARE = 0.6
"""Part of the scratchpad that operands may fill for the sake of a third slot."""
_GROUPS = {"a": "activations", "w": "weights"}
"""Scratchpad groups of the matrix engine's operands: it reads both at once, so they are kept in different banks."""


@dataclass
class MatrixEmitter:
    """Emits one region. ``activations`` and ``weights`` know the operands; ``new_run`` starts a tile's tail."""

    region: Region
    builder: Builder
    activations: Activations
    weights: Weights
    tiling: Tiling
    new_run: Callable[[], TileRun]
    _held: dict[tuple[object, ...], tuple[Buffer, dict[str, Any], View]] = field(default_factory=dict)
    _wholes: dict[str, View] = field(default_factory=dict)
    _slots: dict[str, list[Buffer]] = field(default_factory=dict)
    """free scratchpad of the operands, longest unused first"""

    @property
    def num_steps(self) -> int:
        """How often `steps` yields."""
        tiles = prod(-(-n // size) for n, size in zip(self.region.rows, self.tiling.rows, strict=True))
        return tiles * (1 if self.region.needs_whole_rows else -(-self.weights.columns // self.tiling.columns))

    def _reserve(self) -> None:
        """One stretch of the scratchpad for all operands, cut into slots that are used in turn: two of what streams,
        and all of what stays. Raises `OutOfSpace`."""
        head, tiling, spec = self.region.nodes[0], self.tiling, self.builder.spec
        num_m = prod(-(-n // size) for n, size in zip(self.region.rows, tiling.rows, strict=True))
        num_n, num_k = (-(-self.weights.columns // tiling.columns), -(-self.activations.channels // tiling.channels))
        batches = 1 if self.weights.shared else prod(self.region.rows[:-1])
        a, w = min(2, num_m), min(2, num_n * num_m)
        if num_k > 1:
            a = w = 2
        elif tiling.weights_outer:
            a, w = (num_m // batches if tiling.keep_all else a), min(2, num_n * batches)
        elif tiling.keep_all:
            w = num_n * min(2, batches)
        columns = min(tiling.columns, -(-self.weights.columns // spec.matrix.columns) * spec.matrix.columns)
        channels = min(tiling.channels, self.activations.channels)
        sizes = {"a": self.activations.tile_bytes(tiling.rows, channels, columns),
                 "w": self.weights.tile_bytes(columns, channels)}
        counts = {"a": a * len(set(head.inputs[::2])), "w": w * len(set(head.inputs[1::2]))}
        spare = spec.scratchpad.bytes * _SPARE - sum(sizes[kind] * counts[kind] for kind in sizes)
        for kind, size in sizes.items():
            more = 1 if counts[kind] > 1 and size <= spare else 0
            spare -= more * size
            self._slots[kind] = self.builder.reserve(size, counts[kind] + more, _GROUPS[kind])

    def steps(self) -> Iterator[None]:
        """Emit the region; yields after every tile (or all of a row's tiles): another region's can come in between."""
        head = self.region.nodes[0]
        self._reserve()
        self.pairs = list(zip(head.inputs[::2], head.inputs[1::2], strict=True))
        columns = [(n, min(n + self.tiling.columns, self.weights.columns))
                   for n in range(0, self.weights.columns, self.tiling.columns)]
        for _, group in itertools.groupby(self._boxes(), key=lambda b: () if self.weights.shared else b[0][:-1]):
            order = self._weights_outer if self.tiling.weights_outer else self._activations_outer
            yield from order(list(group), columns)
            self._release(lambda key: True)
        for slot in [s for slots in self._slots.values() for s in slots]:
            self.builder.scratchpad.free(slot, self.builder.now)

    def _weights_outer(self, boxes: list[Place], columns: list[tuple[int, int]]) -> Iterator[None]:
        """For each tile of columns, all rows."""
        for first, last in columns:
            for starts, sizes in boxes:
                run = self.new_run()
                self._tile(run, Box(starts, sizes, first, last))
                run.finish()
                if not self.tiling.keep_all:
                    self._release(lambda key: key[0] == "a")
                yield
            self._release(lambda key: key[0] == "w")

    def _activations_outer(self, boxes: list[Place], columns: list[tuple[int, int]]) -> Iterator[None]:
        """For each tile of rows, all columns."""
        whole = self.region.needs_whole_rows
        for starts, sizes in boxes:
            run = self.new_run()
            for first, last in columns:
                self._tile(run, Box(starts, sizes, first, last))
                if not whole:
                    run.finish()
                if not self.tiling.keep_all:
                    self._release(lambda key: key[0] == "w")
                if self.activations.by_columns:
                    self._release(lambda key: key[0] == "a")
                if not whole:
                    yield
            if whole:
                self._whole_rows(run, Box(starts, sizes, 0, self.weights.columns))
                yield
            run.finish()
            self._release(lambda key: key[0] == "a")

    def _boxes(self) -> list[Place]:
        rows, tile = self.region.rows, self.tiling.rows
        axes = [[(s, min(size, n - s)) for s in range(0, n, size)] for n, size in zip(rows, tile, strict=True)]
        return [(tuple(s for s, _ in cut), tuple(n for _, n in cut)) for cut in itertools.product(*axes)]

    # Matrix engine -------------------------------------------------------------------------------------------------

    def _tile(self, run: TileRun, box: Box) -> None:
        """Sums of one tile into an accumulator bank, then the column-wise part of the tail."""
        spec = self.builder.spec
        rows, groups = prod(box.sizes), -(-(box.last - box.first) // spec.matrix.columns)
        base = self.builder.next_accumulator_bank() * self.builder.accumulator_bank_rows
        depth = self.activations.channels
        slices = [ChannelSlice(k, min(k + self.tiling.channels, depth)) for k in range(0, depth, self.tiling.channels)]
        fresh = True
        for channels in slices:
            for a_name, w_name in self.pairs:
                w_fields, w_view = self._operand(("w", w_name, box, channels), self._fetch_weights)
                a_fields, a_view = self._operand(("a", a_name, box, channels), self._fetch_activations)
                sums = Access(ACCUMULATOR, base, rows * groups)
                self.builder.emit(
                    Matmul, [*(access(SCRATCHPAD, v) for v in (a_view, w_view)), *([] if fresh else [sums])], [sums],
                    **a_fields, **w_fields, kernel_y=self.activations.kernel[0], kernel_x=self.activations.kernel[1],
                    tiles_k=-(-channels.size // spec.matrix.rows), tiles_n=groups, valid_k=channels.size,
                    valid_n=box.last - box.first, accumulator_address=base, accumulator_stride=rows,
                    accumulate=int(not fresh))
                fresh = False
            if len(slices) > 1:
                self._release(lambda key: True)
        strides = _row_strides(box.sizes)
        self._columns(run, Sums(base, strides, rows, rows * groups), box)

    def _operand(self, key: tuple[Any, ...], fetch: Callable[..., tuple[Buffer, dict[str, Any], View]]) -> Fetched:
        kind, name, box, channels = key
        columns = (box.first, box.last)
        place = (box.starts, box.sizes, self.activations.by_columns and columns) if kind == "a" else columns
        short = (kind, name, place, channels)
        if short not in self._held:
            self._held[short] = fetch(name, box, channels)
        _, fields, view = self._held[short]
        return fields, view

    def _fetch_weights(self, name: str, box: Box, channels: ChannelSlice) -> tuple[Buffer, dict[str, Any], View]:
        buffer = self._slots["w"].pop(0)
        return buffer, *self.weights.fetch(self.builder, name, box, channels, buffer.address)

    def _fetch_activations(self, name: str, box: Box, channels: ChannelSlice) -> tuple[Buffer, dict[str, Any], View]:
        buffer = self._slots["a"].pop(0)
        return buffer, *self.activations.fetch(self.builder, name, box, channels, buffer.address)

    def _release(self, which: Callable[[tuple[object, ...]], bool]) -> None:
        for key in [k for k in self._held if which(k)]:
            self._slots[str(key[0])].append(self._held.pop(key)[0])

    # Tail ----------------------------------------------------------------------------------------------------------

    def _columns(self, run: TileRun, sums: Sums, box: Box) -> None:
        """What follows on this tile's columns: all of the tail, or what must read the sums when rows must be whole."""
        head, tail = self.region.nodes[0], self.region.nodes[1:]
        if not self.region.needs_whole_rows:
            if head.output in self.region.outputs:
                out = run.target(head.output, box)
                run.rowcode.map(Tile(box.sizes, box.first, box.last), argument(0), [sums], out)
                run.store(head.output, out, box)
                run.drop(head.output)
            run.locals[head.output] = sums
            run.run(tail, box)
            run.locals.pop(head.output)
            return
        tile = Tile(box.sizes, box.first, box.last)
        for node in self._column_nodes:
            out = self._whole(run, node, box)
            run.locals[head.output] = sums
            assert isinstance(node.op, Map)
            run.rowcode.map(tile, node.op.expression, [run.operand(name, box) for name in node.inputs], _cut(out, box))
            run.locals.pop(head.output)
            for name in [n for n in run.buffers if n in node.inputs]:
                run.drop(name)
        if self._head_is_read_whole:
            whole = self._whole(run, head, box)
            run.rowcode.map(tile, argument(0), [sums], _cut(whole, box))

    @cached_property
    def _column_nodes(self) -> list[Node]:
        """Maps that read the sums and nothing else from inside the region."""
        head, tail = self.region.nodes[0], self.region.nodes[1:]
        inner = {n.output for n in tail}
        return [n for n in tail if isinstance(n.op, Map) and head.output in n.inputs and inner.isdisjoint(n.inputs)]

    @cached_property
    def _head_is_read_whole(self) -> bool:
        head = self.region.nodes[0].output
        others = [n for n in self.region.nodes[1:] if n not in self._column_nodes]
        return head in self.region.outputs or any(head in n.inputs for n in others)

    def _whole(self, run: TileRun, node: Node, box: Box) -> View:
        """Space for whole rows of a node's result, made at the first column tile."""
        if node.output not in run.buffers:
            t = run.graph.types[node.output]
            sizes = (*box.sizes, t.shape[-1])
            granule = self.builder.spec.channel_granule
            group = STORED if node.output in self.region.outputs else TEMPORARY
            run.buffers[node.output] = self.builder.allocate(standard_bytes(sizes, t.dtype, granule), group)
            self._wholes[node.output] = standard(run.buffers[node.output].address, sizes, t.dtype, granule)
        run.locals[node.output] = self._wholes[node.output]
        return self._wholes[node.output]

    def _whole_rows(self, run: TileRun, box: Box) -> None:
        """The rest of the tail, on whole rows."""
        run.locals |= {name: self._wholes[name] for name in self._wholes if name in run.buffers}
        for name in self.region.outputs:
            if name in self._wholes:
                run.store(name, self._wholes[name], box)
        done = self._column_nodes
        run.run([n for n in self.region.nodes[1:] if n not in done], box)


def _row_strides(sizes: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(sizes):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def _cut(view: View, box: Box) -> View:
    """The box's columns of a whole-row view."""
    starts = (*(0,) * (len(view.shape) - 1), box.first)
    return view.slice(starts, (*view.shape[:-1], box.last - box.first))
