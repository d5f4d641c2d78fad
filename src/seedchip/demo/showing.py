"""What the demonstration shows of one model, and the four models it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table
from rich.text import Text

from seedchip import zoo
from seedchip.bench.trial import Outputs
from seedchip.zoo.classified import digits
from seedchip.zoo.entry import Entry, Feeds, arrays, cosine
from seedchip.zoo.minilm import embeddings, encode
from seedchip.zoo.sentences import PARAPHRASES
from seedchip.zoo.text_reader import lines, read_text

if TYPE_CHECKING:
    from seedchip.quantise.options import Precision

MIN_AGREEMENT = 0.99
"""Share of answers that must be ONNX Runtime's (MLPerf's rule: 99 % of binary32)."""
NUM_SENTENCES = 8
NUM_SHOWN = 8
SENTENCES = tuple(sentence for pair in PARAPHRASES for sentence in pair)[:NUM_SENTENCES]


@dataclass(frozen=True)
class Verdict:
    """``agreement`` is the share of answers that are ONNX Runtime's; ``note`` says what an answer is, and how close."""

    answers: Table
    agreement: float
    note: str

    @property
    def agrees(self) -> bool:
        return self.agreement >= MIN_AGREEMENT


@dataclass(frozen=True)
class Showing:
    """A model of the demonstration.

    ``num_feeds`` calibrate it, ``samples`` are its inputs, ``judge(outputs, references)`` shows the answers.
    ``why`` gives the reason for the precision.
    """

    entry: Entry
    precision: Precision
    why: str
    num_feeds: int
    samples: Callable[[], list[Feeds]]
    judge: Callable[[Sequence[Outputs], Sequence[Outputs]], Verdict]


def showings() -> tuple[Showing, ...]:
    """In the order in which they are shown; nothing is fetched yet."""
    digits_cnn, ocr_cls, ocr_rec, minilm = (zoo.entry(n) for n in ("digits-cnn", "ocr-cls", "ocr-rec", "minilm"))
    return (
        Showing(digits_cnn, "int8", "enough", 64, lambda: digits_cnn.samples()[:200], judge_digits),
        Showing(ocr_cls, "int8", "enough", 8, lambda: ocr_cls.samples()[:12], judge_directions),
        Showing(ocr_rec, "int16", "6,625 characters lie close together; int8 misreads some lines", 4,
                lambda: ocr_rec.samples()[:6], judge_texts),
        Showing(minilm, "int8", "enough for neighbours; int16 gives cosines above 0.999", 4,
                lambda: [encode(sentence) for sentence in SENTENCES], judge_sentences),
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column)
    return table


def _answer(ours: str, theirs: str) -> Text:
    return Text(ours or "(nothing)", style="green" if ours == theirs else "bold red")


def _share(ours: Sequence[object], theirs: Sequence[object]) -> float:
    return float(np.mean([a == b for a, b in zip(ours, theirs, strict=True)]))


def judge_digits(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> Verdict:
    """Handwritten digits: class of the largest logit, beside the true label."""
    ours, theirs = ([int(scores.argmax()) for scores in arrays(runs)[:, 0]] for runs in (outputs, references))
    truth = digits()[1].labels[:len(ours)].tolist()
    table = _table("", *(f"digit {i + 1}" for i in range(NUM_SHOWN)))
    table.add_row("true label", *map(str, truth[:NUM_SHOWN]))
    table.add_row("ONNX Runtime", *map(str, theirs[:NUM_SHOWN]))
    table.add_row("this chip", *(_answer(str(a), str(b)) for a, b in list(zip(ours, theirs, strict=True))[:NUM_SHOWN]))
    right = [_share(answers, truth) for answers in (ours, theirs)]
    return Verdict(table, _share(ours, theirs), f"{len(ours)} digits: {right[0]:.1%} right on the chip, {right[1]:.1%} "
                   "in binary32")


def judge_directions(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> Verdict:
    """Lines of text, each upright and turned: the direction with the larger probability."""
    names = ("upright", "turned by 180 degrees")
    ours, theirs = (arrays(runs)[:, 0] for runs in (outputs, references))
    table = _table("line", "truth", "ONNX Runtime", "this chip", "probability on the chip / in binary32")
    for index in range(min(NUM_SHOWN, len(ours))):
        a, b = ours[index], theirs[index]
        table.add_row(lines()[index // 2][1], names[index % 2], names[b.argmax()],
                      _answer(names[a.argmax()], names[b.argmax()]), f"{a.max():.4f} / {b.max():.4f}")
    return Verdict(table, _share(ours.argmax(1).tolist(), theirs.argmax(1).tolist()), f"{len(ours)} pictures of lines")


def judge_texts(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> Verdict:
    """Lines cut from a photographed page, and drawn: the text that is read."""
    ours, theirs = ([read_text(p) for p in arrays(runs)[:, 0]] for runs in (outputs, references))
    table = _table("in the picture", "ONNX Runtime reads", "this chip reads")
    for (_, text), a, b in zip(lines(), ours, theirs, strict=False):
        table.add_row(text, b, _answer(a, b))
    return Verdict(table, _share(ours, theirs), f"{len(ours)} lines of text, character for character")


def judge_sentences(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> Verdict:
    """Sentences: which other one is nearest, by the cosine of their embeddings."""
    masks = np.concatenate([encode(sentence)["attention_mask"] for sentence in SENTENCES[:len(outputs)]])
    ours, theirs = (embeddings(arrays(runs)[:, 0], masks) for runs in (outputs, references))
    (near, similar), (expected, reference) = _nearest(ours), _nearest(theirs)
    table = _table("sentence", "nearest on this chip", "cosine: chip", "binary32", "embedding, chip to binary32")
    for index, sentence in enumerate(SENTENCES[:len(outputs)]):
        table.add_row(sentence, _answer(SENTENCES[near[index]], SENTENCES[expected[index]]), f"{similar[index]:.4f}",
                      f"{reference[index]:.4f}", f"{cosine(ours[index], theirs[index]):.4f}")
    least = min(cosine(a, b) for a, b in zip(ours, theirs, strict=True))
    return Verdict(table, _share(near, expected), f"the nearest of {len(near)} sentences; embeddings' least cosine "
                   f"with binary32 {least:.4f}")


def _nearest(vectors: np.ndarray) -> tuple[list[int], list[float]]:
    """For each unit vector, the nearest other one and the cosine with it."""
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    return similar.argmax(axis=1).tolist(), similar.max(axis=1).tolist()
