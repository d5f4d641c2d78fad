"""all-MiniLM-L6-v2, a sentence encoder, on real sentences: does the chip's embedding mean what binary32's means?

A sentence's embedding is the mean of the last hidden state over the tokens that are not padding (Reimers & Gurevych
2019), divided by its length. The file holds INT8 weights that the graph widens to binary32.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from seedchip.zoo.entry import Entry, Feeds, Outputs, arrays, cosine
from seedchip.zoo.errors import ZooError
from seedchip.zoo.fetch import fetch
from seedchip.zoo.novels import paragraphs
from seedchip.zoo.sentences import CALIBRATION, PARAPHRASES, PASSAGES

SEQUENCE = 128
NUM_NOVEL_PASSAGES = 8


def encode(text: str) -> Feeds:
    """Token row ``[1, 128]``, mask and token types of a text, cut or padded to 128 tokens. Raises `ZooError`."""
    encoding = _tokenizer().encode(text)
    columns = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask,
               "token_type_ids": encoding.type_ids}
    return {name: np.array([values], np.int64) for name, values in columns.items()}


def embeddings(hidden: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Unit vectors ``[count, width]`` of hidden states ``[count, sequence, width]`` and masks ``[count, sequence]``."""
    weights = masks[..., None].astype(np.float64)
    mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(fetch("minilm-tokenizer")))
    tokenizer.enable_truncation(SEQUENCE)
    tokenizer.enable_padding(length=SEQUENCE, pad_id=0, pad_token="[PAD]")
    return tokenizer


@lru_cache(maxsize=1)
def texts() -> tuple[str, ...]:
    """What is evaluated: both sides of each pair, passages, and passages of Northanger Abbey where they can be had."""
    written = [sentence for pair in PARAPHRASES for sentence in pair] + list(PASSAGES)
    try:
        novel = paragraphs("Northanger Abbey", min_words=90)[:NUM_NOVEL_PASSAGES]
    except ZooError as error:
        warnings.warn(f"MiniLM is evaluated without passages of a novel: {error}", stacklevel=2)
        novel = []
    return tuple(written + novel)


def samples() -> list[Feeds]:
    return [encode(text) for text in texts()]


def score(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> dict[str, float]:
    """Smallest cosine of embeddings with binary32's, and how many paraphrases are nearest to their partner."""
    masks = np.concatenate([feeds["attention_mask"] for feeds in samples()[:len(outputs)]])
    ours, theirs = (embeddings(arrays(runs)[:, 0], masks) for runs in (outputs, references))
    cosines = [cosine(a, b) for a, b in zip(ours, theirs, strict=True)]
    result = {"cosine": min(cosines), "mean_cosine": float(np.mean(cosines))}
    count = 2 * min(len(PARAPHRASES), len(outputs) // 2)
    if count >= 4:
        result |= {"paraphrases_found": _nearest_is_partner(ours[:count]),
                   "reference_paraphrases_found": _nearest_is_partner(theirs[:count])}
    return result


def _nearest_is_partner(vectors: np.ndarray) -> float:
    """Share of the vectors 2k, 2k + 1 whose nearest other vector is the partner."""
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    return float(np.mean(similar.argmax(axis=1) == np.arange(len(vectors)) ^ 1))


def minilm() -> Entry:
    return Entry(name="minilm", description="sentence encoder all-MiniLM-L6-v2, 22.7 M parameters, sequence 128",
                 licence="Apache-2.0", model=lambda: fetch("minilm-onnx"), samples=samples, score=score,
                 calibration=lambda: [encode(text) for text in CALIBRATION], shapes={"batch": 1, "sequence": SEQUENCE})
