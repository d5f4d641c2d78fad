"""Fused operators that torch picks for inference, in the plain ones that its ONNX exporter knows.

Semantics: `torch.nn.TransformerEncoderLayer` and `torch.nn.MultiheadAttention`, whose fast paths these operators are
(aten/src/ATen/native/transformers/transformer.cpp and attention.cpp).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional

PADDING_MASK = 1
"""Kind of a mask over keys, ``[N, S]``; other kinds broadcast over the scores. True leaves a position out."""


def encoder_layer(source: torch.Tensor, embed_dim: int, num_heads: int, *rest: Any) -> torch.Tensor:
    """``aten::_transformer_encoder_layer_fwd``: tokens ``[N, S, E]`` to tokens of that shape."""
    qkv_weight, qkv_bias, out_weight, out_bias, use_gelu, norm_first, eps, *weights = rest
    norm1, norm2, first, second = (weights[i:i + 2] for i in (0, 2, 4, 6))
    mask, kind = (*weights[8:], None, None)[:2]

    def normalise(x: torch.Tensor, norm: list[torch.Tensor]) -> torch.Tensor:
        return functional.layer_norm(x, (embed_dim,), norm[0], norm[1], eps)

    def attend(x: torch.Tensor) -> torch.Tensor:
        query, key, value = functional.linear(x, qkv_weight, qkv_bias).chunk(3, -1)
        return functional.linear(_attention((query, key, value), num_heads, (mask, kind))[0], out_weight, out_bias)

    def feed_forward(x: torch.Tensor) -> torch.Tensor:
        inner = functional.linear(x, *first)
        return functional.linear(functional.gelu(inner) if use_gelu else functional.relu(inner), *second)

    if norm_first:
        middle = source + attend(normalise(source, norm1))
        return middle + feed_forward(normalise(middle, norm2))
    middle = normalise(source + attend(source), norm1)
    return normalise(middle + feed_forward(middle), norm2)


def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, embed_dim: int, num_heads: int,
              *rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """``aten::_native_multi_head_attention``: tokens ``[N, S, E]``, and the heads' weights ``[N, S, S]`` (their mean)
    or ``[N, H, S, S]``."""
    qkv_weight, qkv_bias, out_weight, out_bias, *choices = rest
    mask, _, average, kind = choices + [None, True, True, None][len(choices):]
    projected = [functional.linear(x, w, b) for x, w, b in
                 zip((query, key, value), qkv_weight.chunk(3), qkv_bias.chunk(3), strict=True)]
    mixed, weights = _attention(tuple(projected), num_heads, (mask, kind))
    return functional.linear(mixed, out_weight, out_bias), weights.mean(1) if average else weights


def _attention(operands: tuple[Any, ...], num_heads: int,
               masking: tuple[Any, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixed values ``[N, S, E]`` and weights ``[N, H, S, S]``."""
    batch, length, width = operands[0].shape
    query, key, value = (x.reshape(batch, x.shape[1], num_heads, width // num_heads).transpose(1, 2) for x in operands)
    scores = query @ key.transpose(2, 3) / math.sqrt(width // num_heads)
    mask, kind = masking
    if mask is not None:
        if kind == PADDING_MASK:
            mask = mask.reshape(batch, 1, 1, -1)
        scores = scores.masked_fill(mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    weights = scores.softmax(-1)
    return (weights @ value).transpose(1, 2).reshape(batch, length, width), weights


DECOMPOSITIONS: Mapping[Any, Callable[..., Any]] = {
    torch.ops.aten._transformer_encoder_layer_fwd.default: encoder_layer,
    torch.ops.aten._native_multi_head_attention.default: attention}
