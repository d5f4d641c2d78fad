"""LSTM, GRU and RNN, unrolled over a sequence whose length is known at import."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seedchip.frontend.builder import Tensor, Value
from seedchip.frontend.operators.matmul import product
from seedchip.frontend.registry import Call, operator
from seedchip.numerics import functions as f
from seedchip.numerics.expression import Expression, apply

MAX_STEPS = 1024
ACTIVATIONS: dict[str, Callable[[Expression], Expression]] = {
    "sigmoid": f.sigmoid, "tanh": f.tanh, "relu": lambda a: apply("max", a, 0.0), "softplus": f.softplus,
    "softsign": lambda a: f.divide(a, apply("add", f.absolute(a), 1.0)),
}

Step = Callable[["Direction", Tensor, list[Tensor]], list[Tensor]]


class Direction:
    """One direction of a layer: its weights as matrices, its biases as rows, its activations."""

    def __init__(self, call: Call, number: int, gates: int, defaults: tuple[str, ...]) -> None:
        self.call, self.build, self.gates = call, call.build, gates
        self.hidden = call.attr("hidden_size") or call.shape(2)[-1]
        self.w, self.r = (self.build.transpose(self._entry(i, number), (1, 0)) for i in (1, 2))
        self.w_bias, self.r_bias = self._biases(number)
        names = [str(n).lower() for n in call.attr("activations", ()) or ()]
        names = names[number * len(defaults):(number + 1) * len(defaults)] or list(defaults)
        call.require(all(n in ACTIVATIONS for n in names), f"the activations are {', '.join(names)}")
        self.activations = [ACTIVATIONS[n] for n in names]
        self.peephole = self._entry(7, number) if gates == 4 and call.has(7) else None

    def _entry(self, index: int, number: int) -> Tensor:
        x = self.call.tensor(index)
        return self.build.reshape(self.build.slice_axis(x, 0, number, 1), x.shape[1:])

    def _biases(self, number: int) -> tuple[Value, Value]:
        width = self.gates * self.hidden
        if not self.call.has(3):
            return np.zeros(width, np.float32), np.zeros(width, np.float32)
        both = self._entry(3, number)
        return self.build.slice_axis(both, 0, 0, width), self.build.slice_axis(both, 0, width, width)

    def gate(self, x: Tensor, index: int) -> Tensor:
        return self.build.slice_axis(x, x.rank - 1, index * self.hidden, self.hidden)

    def initial(self, index: int, number: int, batch: int) -> Tensor:
        if self.call.has(index):
            return self._entry(index, number)
        return self.build.constant(np.zeros((batch, self.hidden), np.float32))

    def add(self, a: Value, b: Value) -> Tensor:
        return self.build.map(lambda p, q: apply("add", p, q), a, b)


def _layer(call: Call, gates: int, defaults: tuple[str, ...], step: Step) -> tuple[Tensor, ...]:
    """Runs ``step`` over the sequence in each direction. Outputs: Y [T, D, B, H], then the last states [D, B, H]."""
    batch_first = call.flag("layout")
    x = call.tensor(0)
    x = call.build.transpose(x, (1, 0, 2)) if batch_first else x
    steps = x.shape[0]
    call.require(0 < steps <= MAX_STEPS, f"the sequence has {steps} steps")
    call.require(call.attr("clip") is None, "clip is asked for")
    call.require(not call.flag("input_forget"), "input_forget is asked for")
    if call.has(4):
        lengths = call.const(4, "the lengths of the sequences")
        call.require(bool(np.all(lengths == steps)), "the sequences have different lengths")
    call.require(not batch_first or not (call.has(5) or call.has(6)), "an initial state is given in layout 1")
    course = call.attr("direction", "forward")
    orders = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[course]
    runs = [_run(call, x, (gates, defaults, step), number, back) for number, back in enumerate(orders)]
    joined = [_join(call, [run[i] for run in runs], axis=1 if i == 0 else 0) for i in range(len(runs[0]))]
    if batch_first:
        joined = [call.build.transpose(t, (2, 0, 1, 3) if i == 0 else (1, 0, 2)) for i, t in enumerate(joined)]
    return tuple(joined)


def _join(call: Call, parts: list[Tensor], axis: int) -> Tensor:
    wide = [call.build.reshape(p, (*p.shape[:axis], 1, *p.shape[axis:])) for p in parts]
    return call.build.concat(wide, axis)


def _run(call: Call, x: Tensor, kind: tuple[int, tuple[str, ...], Step], number: int, back: bool) -> list[Tensor]:
    """One direction: all outputs [T, B, H] and the last states [B, H]."""
    gates, defaults, step = kind
    steps, batch, width = x.shape
    direction = Direction(call, number, gates, defaults)
    rows = call.build.reshape(x, (steps * batch, width))
    inputs = direction.add(product(call.build, rows, direction.w), direction.w_bias)
    inputs = call.build.reshape(inputs, (steps, batch, inputs.shape[-1]))
    state = [direction.initial(5, number, batch)] + ([direction.initial(6, number, batch)] if gates == 4 else [])
    outputs: list[Tensor] = []
    for t in reversed(range(steps)) if back else range(steps):
        now = call.build.reshape(call.build.slice_axis(inputs, 0, t, 1), inputs.shape[1:])
        state = step(direction, now, state)
        outputs.append(state[0])
    return [_join(call, outputs[::-1] if back else outputs, 0), *state]


def _lstm_step(d: Direction, x: Tensor, state: list[Tensor]) -> list[Tensor]:
    h, c = state
    total = d.add(d.add(x, product(d.build, h, d.r)), d.r_bias)
    i, o, forget, cell = (d.gate(total, n) for n in range(4))
    sigmoid, tanh_cell, tanh_out = d.activations
    if d.peephole is not None:
        i, forget = (_peep(d, gate, c, n) for gate, n in ((i, 0), (forget, 2)))
    new = d.build.map(lambda a, b: apply("mul", sigmoid(a), b), forget, c)
    new = d.build.map(lambda n, a, g: apply("add", n, apply("mul", sigmoid(a), tanh_cell(g))), new, i, cell)
    if d.peephole is not None:
        o = _peep(d, o, new, 1)
    return [d.build.map(lambda a, n: apply("mul", sigmoid(a), tanh_out(n)), o, new), new]


def _peep(d: Direction, gate: Tensor, cell: Tensor, number: int) -> Tensor:
    assert d.peephole is not None
    return d.build.map(lambda g, c, p: apply("add", g, apply("mul", c, p)), gate, cell, d.gate(d.peephole, number))


def _gru_step(d: Direction, x: Tensor, state: list[Tensor]) -> list[Tensor]:
    (h,) = state
    sigmoid, tanh = d.activations
    width = d.hidden
    bias = d.r_bias if isinstance(d.r_bias, Tensor) else d.build.constant(d.r_bias)
    zr = d.add(product(d.build, h, d.build.slice_axis(d.r, 1, 0, 2 * width)), d.build.slice_axis(bias, 0, 0, 2 * width))
    gates = d.build.map(lambda a, b: sigmoid(apply("add", a, b)), d.build.slice_axis(x, 1, 0, 2 * width), zr)
    z, r = d.gate(gates, 0), d.gate(gates, 1)
    hidden_weights = d.build.slice_axis(d.r, 1, 2 * width, width)
    hidden_bias = d.build.slice_axis(bias, 0, 2 * width, width)
    if d.call.flag("linear_before_reset"):
        inner = d.build.map(lambda a, b: apply("mul", a, b), r, d.add(product(d.build, h, hidden_weights), hidden_bias))
    else:
        reset = d.build.map(lambda a, b: apply("mul", a, b), r, h)
        inner = d.add(product(d.build, reset, hidden_weights), hidden_bias)
    new = d.build.map(lambda a, b: tanh(apply("add", a, b)), d.gate(x, 2), inner)
    return [d.build.map(lambda g, n, o: apply("add", n, apply("mul", g, apply("sub", o, n))), z, new, h)]


def _rnn_step(d: Direction, x: Tensor, state: list[Tensor]) -> list[Tensor]:
    total = d.add(d.add(x, product(d.build, state[0], d.r)), d.r_bias)
    return [d.build.map(d.activations[0], total)]


@operator("LSTM")
def lstm(call: Call) -> tuple[Tensor, ...]:
    """Forward, reverse and bidirectional, with peepholes; at most 1024 steps, all sequences of one length, no clip;
    activations sigmoid, tanh, relu, softplus and softsign."""
    return _layer(call, 4, ("sigmoid", "tanh", "tanh"), _lstm_step)


@operator("GRU")
def gru(call: Call) -> tuple[Tensor, ...]:
    """Forward, reverse and bidirectional, both forms of the reset gate; at most 1024 steps, all sequences of one
    length, no clip."""
    return _layer(call, 3, ("sigmoid", "tanh"), _gru_step)


@operator("RNN")
def rnn(call: Call) -> tuple[Tensor, ...]:
    """Forward, reverse and bidirectional; at most 1024 steps, all sequences of one length, no clip."""
    return _layer(call, 1, ("tanh",), _rnn_step)
