"""`torch.compile(backend="seedchip")`: graphs on the chip, eager torch for the rest."""

import logging

import pytest
import torch
from networks import encoder_layer, small_cnn

from seedchip.pytorch import backend as chip_backend

INT24 = {"precision": "int24", "chip": "nano"}


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that the backend was given."""
    made, init = [], chip_backend.ChipGraph.__init__

    def record(self, *arguments):
        init(self, *arguments)
        made.append(self)

    monkeypatch.setattr(chip_backend.ChipGraph, "__init__", record)
    return made


def image(batch=1):
    return torch.randn(batch, 3, 16, 16, generator=torch.Generator().manual_seed(batch))


def test_the_backend_is_found_by_its_name():
    assert "seedchip" in torch._dynamo.list_backends()


@pytest.mark.parametrize(("make", "shape"), [(small_cnn, (1, 3, 16, 16)), (encoder_layer, (1, 12, 32))])
def test_a_compiled_module_answers_as_eager_torch(make, shape, graphs):
    module, x = make(), torch.randn(shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(module, backend="seedchip", options=INT24)(x), module(x), rtol=1e-4,
                                   atol=1e-4)
    assert all(session is not None for graph in graphs for session in graph.sessions.values()) and graphs


def test_every_shape_gets_its_own_program(graphs):
    module = small_cnn()
    compiled = torch.compile(module, backend="seedchip", options=INT24)
    with torch.no_grad():
        for batch in (1, 2, 3, 2):
            torch.testing.assert_close(compiled(image(batch)), module(image(batch)), rtol=1e-4, atol=1e-4)
    assert sorted(len(graph.sessions) for graph in graphs) == [1, 2]


def test_changed_weights_are_compiled_again(graphs):
    module = torch.nn.Linear(8, 4)
    compiled = torch.compile(module, backend="seedchip", options=INT24)
    x = torch.ones(1, 8)
    with torch.no_grad():
        compiled(x)
        module.weight.mul_(-2)
        torch.testing.assert_close(compiled(x), module(x), rtol=1e-4, atol=1e-4)
    assert len(graphs) == 1 and len(graphs[0].sessions) == 1


def test_a_graph_break_leaves_two_graphs_on_the_chip(graphs):
    class Branch(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(8, 8), torch.nn.Linear(8, 4)

        def forward(self, x):
            y = torch.relu(self.a(x))
            return self.b(y) if y.sum().item() > -1 else y

    torch.manual_seed(5)
    module, x = Branch(), torch.ones(2, 8)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(module, backend="seedchip", options=INT24)(x), module(x), rtol=1e-4,
                                   atol=1e-4)
    assert len(graphs) >= 2 and all(s is not None for g in graphs for s in g.sessions.values())


def test_what_the_chip_refuses_runs_eagerly_and_is_said_once(caplog, graphs):
    compiled = torch.compile(lambda x: torch.linalg.det(x) + 1, backend="seedchip", options={"chip": "nano"})
    x = torch.eye(3)[None] * 2
    with caplog.at_level(logging.WARNING, "seedchip.pytorch"), torch.no_grad():
        for _ in range(3):
            torch.testing.assert_close(compiled(x), torch.tensor([9.0]))
    (record,) = caplog.records
    assert record.getMessage().startswith("a graph of ") and "runs eagerly: " in record.getMessage()


def test_the_host_runs_what_the_chip_refuses_when_asked(caplog, graphs):
    compiled = torch.compile(lambda x: torch.linalg.det(x) + 1, backend="seedchip", options={"host_fallback": True})
    with caplog.at_level(logging.WARNING, "seedchip.pytorch"), torch.no_grad():
        torch.testing.assert_close(compiled(torch.eye(3)[None] * 2), torch.tensor([9.0]))
    (session,) = graphs[0].sessions.values()
    assert [op.operator for op in session.report().host_ops] == ["Det"] and not caplog.records


def test_training_runs_eagerly_with_its_gradients(caplog):
    module = torch.nn.Linear(8, 4)
    compiled = torch.compile(module, backend="seedchip")
    with caplog.at_level(logging.WARNING, "seedchip.pytorch"):
        compiled(torch.ones(1, 8)).sum().backward()
    torch.testing.assert_close(module.weight.grad, torch.ones(4, 8))
    assert "runs eagerly: the chip records no gradients; call it under torch.no_grad()" in caplog.text


def test_a_graph_that_writes_its_input_runs_eagerly(caplog):
    x = torch.zeros(1, 4)
    with caplog.at_level(logging.WARNING, "seedchip.pytorch"), torch.no_grad():
        torch.compile(lambda x: x.add_(1) * 2, backend="seedchip")(x)
    torch.testing.assert_close(x, torch.ones(1, 4))
    assert "must change neither inputs nor buffers" in caplog.text


@pytest.mark.parametrize(("wrong", "sentence"), [
    ({"options": {"precison": "int16"}}, "has no option 'precison'; did you mean 'precision'?"),
    ({"mode": "max-autotune"}, "takes options, not mode='max-autotune'; the options are chip, precision, ")])
def test_unknown_options_are_one_sentence(wrong, sentence):
    with pytest.raises(Exception, match=r"torch\.compile\(backend='seedchip'\)") as error, torch.no_grad():
        torch.compile(torch.nn.Linear(2, 2), backend="seedchip", **wrong)(torch.ones(1, 2))
    assert sentence in str(error.value)
