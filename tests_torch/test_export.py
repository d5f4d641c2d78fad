"""`compile_module`: a module as a session, beside eager torch."""

import numpy as np
import pytest
import torch
from networks import encoder_layer, small_cnn

from seedchip import BuildOptions
from seedchip.pytorch import ExportError, compile_module

TOLERANCE = {"int16": 2e-3, "int24": 2e-5}
"""Largest difference as a share of the largest value: two and three limbs of operands with scales found at run time."""
CASES = {"cnn": (small_cnn, (2, 3, 16, 16)), "encoder": (encoder_layer, (1, 12, 32))}


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("name", CASES)
def test_a_module_answers_as_eager_torch(name, precision):
    make, shape = CASES[name]
    module, x = make(), torch.randn(shape, generator=torch.Generator().manual_seed(3))
    session = compile_module(module, (x,), options=BuildOptions(precision=precision))
    (ours,) = session.run(None, {"input_0": x.numpy()})
    theirs = module(x).detach().numpy()
    assert np.abs(ours - theirs).max() <= TOLERANCE[precision] * np.abs(theirs).max()
    assert session.report().macs > 0


def test_a_module_is_exported_in_evaluation_mode_and_left_as_it_was():
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.9)).train()
    x = torch.ones(1, 4)
    session = compile_module(module, (x,), chip="nano", options=BuildOptions(precision="int24"))
    assert module.training
    np.testing.assert_allclose(session.run(None, {"input_0": x.numpy()})[0], module.eval()(x).detach(), rtol=1e-4,
                               atol=1e-5)


def test_several_inputs_keep_their_order():
    class Difference(torch.nn.Module):
        def forward(self, a, b):
            return a - 2 * b

    a, b = torch.arange(4.0).reshape(1, 4), torch.ones(1, 4)
    session = compile_module(Difference(), (a, b))
    assert [i.name for i in session.get_inputs()] == ["input_0", "input_1"]
    np.testing.assert_array_equal(session.run(None, {"input_0": a.numpy(), "input_1": b.numpy()})[0], a - 2)


def test_a_module_that_can_not_be_exported_is_one_sentence():
    class Data(torch.nn.Module):
        def forward(self, x):
            return x * 2 if x.sum() > 0 else x

    with pytest.raises(ExportError, match=r"^Data must be exportable to ONNX, but [^\n]+; change the module or compile "
                                          r"a part of it$"):
        compile_module(Data(), (torch.ones(1, 4),))


def test_a_module_that_changes_its_buffers_is_refused():
    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            self.count += 1
            return x + self.count

    with pytest.raises(ExportError, match=r"^Counter must change neither inputs nor buffers, but it writes 'count'; "
                                          r"put it into evaluation mode$"):
        compile_module(Counter(), (torch.ones(1, 4),))


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("mask", ["none", "source", "padding"])
def test_the_fused_encoder_layer_is_computed_in_plain_operators(norm_first, mask):
    torch.manual_seed(4)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 32, norm_first=norm_first, batch_first=True).eval()
    x = torch.randn(2, 6, 16)
    masks = {"none": {}, "source": {"src_mask": torch.ones(6, 6).triu(1).bool()},
             "padding": {"src_key_padding_mask": torch.arange(6)[None] > torch.tensor([[3], [4]])}}[mask]
    session = compile_module(Masked(layer, masks), (x,), options=BuildOptions(precision="int24"))
    (ours,) = session.run(None, {"input_0": x.numpy()})
    theirs = layer(x, **masks).detach().numpy()
    kept = ~masks["src_key_padding_mask"].numpy() if mask == "padding" else np.ones((2, 6), bool)
    np.testing.assert_allclose(ours[kept], theirs[kept], atol=1e-4)


class Masked(torch.nn.Module):
    def __init__(self, layer, masks):
        super().__init__()
        self.layer = layer
        self.names = list(masks)
        for name, mask in masks.items():
            self.register_buffer(name, mask)

    def forward(self, x):
        return self.layer(x, **{name: getattr(self, name) for name in self.names})


@pytest.mark.parametrize("average", [False, True])
def test_fused_attention_is_computed_in_plain_operators(average):
    torch.manual_seed(6)
    module = torch.nn.MultiheadAttention(16, 2, batch_first=True).eval()
    x = torch.randn(2, 5, 16)

    class Attend(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, x):
            return self.inner(x, x, x, average_attn_weights=average)

    session = compile_module(Attend(), (x,), options=BuildOptions(precision="int24"))
    for ours, theirs in zip(session.run(None, {"input_0": x.numpy()}), Attend()(x), strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-4)
