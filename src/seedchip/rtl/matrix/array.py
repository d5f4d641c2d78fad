"""The systolic array: elements in rows and columns, and the skew of everything that enters it."""

from __future__ import annotations

from amaranth import Module, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl import hierarchy
from seedchip.rtl.matrix.element import MatrixElement


class WeightLine(data.StructLayout):
    """One row of a weight tile (``transpose``: one column), the ``index``-th."""

    def __init__(self, rows: int, columns: int) -> None:
        longest = max(rows, columns)
        super().__init__({"valid": 1, "transpose": 1, "index": ceil_log2(longest),
                          "weights": data.ArrayLayout(signed(8), longest)})


class MatrixArray(wiring.Component):
    """``rows`` x ``columns`` elements. An activation vector that is given in cycle t meets element (r, c) in t + r +
    c, and the sum of column c leaves in t + rows + c. ``switch`` belongs to the vector of the next cycle. A weight
    line given in cycle t is captured at the end of t + r + c by the elements (r, c) that it is for.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self._rows, self._columns = rows, columns
        super().__init__({
            "activations": In(data.ArrayLayout(signed(8), rows)),
            "switch": In(1),
            "weights": In(WeightLine(rows, columns)),
            "sums": Out(data.ArrayLayout(signed(32), columns)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows, columns = range(self._rows), range(self._columns)
        elements = [[hierarchy.place(m, platform, f"element_{r}_{c}", MatrixElement) for c in columns] for r in rows]
        row_feeds, column_feeds = [], []
        line = self.weights
        for r in rows:
            row_feeds.append(_delay(m, [line.weights[r], line.valid & line.transpose, line.index], r, f"row{r}"))
        for c in columns:
            column_feeds.append(_delay(m, [line.weights[c], line.valid & ~line.transpose, line.index], c, f"column{c}"))
        for r in rows:
            edge = _delay(m, [self.activations[r], self.switch], r, f"activation{r}")
            for c in columns:
                element = elements[r][c]
                left = [elements[r][c - 1].activation_out, elements[r][c - 1].switch_out] if c else edge
                row_weight, row_valid, row_index = row_feeds[r]
                column_weight, column_valid, column_index = column_feeds[c]
                m.d.comb += [
                    element.activation_in.eq(left[0]), element.switch_in.eq(left[1]),
                    element.sum_in.eq(elements[r - 1][c].sum_out if r else 0),
                    element.column_weight.eq(column_weight), element.column_load.eq(column_valid & (column_index == r)),
                    element.row_weight.eq(row_weight), element.row_load.eq(row_valid & (row_index == c)),
                ]
        for c in columns:
            m.d.comb += self.sums[c].eq(elements[-1][c].sum_out)
        return m


def _delay(m: Module, values: list[Value], cycles: int, name: str) -> list[Value]:
    """``values``, ``cycles`` later."""
    for stage in range(cycles):
        later = [Signal.like(v, name=f"{name}_{i}_{stage}", reset_less=True) for i, v in enumerate(values)]
        m.d.sync += [a.eq(b) for a, b in zip(later, values, strict=True)]
        values = list(later)
    return values
