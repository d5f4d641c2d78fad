"""PP-OCR's three networks (detector, direction classifier, recogniser) on photographs and drawn lines of text.

Sizes, normalisation, thresholds and decoding are those of rapidocr-onnxruntime 1.4.4 (config.yaml, ``ch_ppocr_*``):
mean and deviation 0.5, a line fitted into 48 rows, a map value above 0.3 is text, CTC with blank 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np
import onnx

from seedchip.zoo.entry import Entry, Feeds, Outputs, agreement, arrays
from seedchip.zoo.fetch import cache_folder, fetch, write_once
from seedchip.zoo.pictures import drawn_line, drawn_scene, fitted, line_fitted, page_lines, photo
from seedchip.zoo.sentences import CALIBRATION_LINES, LINES

DETECT_SIZE, CLASSIFY_SIZE, READ_SIZE = (480, 640), (48, 192), (48, 320)
"""Height and width of each network's input."""
TEXT_THRESHOLD = 0.3
LICENCE = "Apache-2.0"
BACKGROUNDS = ("photo-coffee", "photo-rocket", "photo-chelsea", "photo-coins")
CALIBRATION_BACKGROUNDS = ("photo-camera", "photo-motorcycle_left", "photo-ihc", "photo-retina")


def _scenes(backgrounds: Sequence[str], lines: Sequence[str], seed: int) -> list[Feeds]:
    """Four signs on each photograph."""
    scenes = [drawn_scene(photo(name), list(lines[4 * i:4 * i + 4]), DETECT_SIZE, seed + 10 * i)
              for i, name in enumerate(backgrounds)]
    return [{"x": fitted(scene, DETECT_SIZE)} for scene in scenes]


def _detect_samples() -> list[Feeds]:
    photos = [{"x": fitted(photo(name), DETECT_SIZE)} for name in ("photo-page", "photo-astronaut")]
    return photos + _scenes(BACKGROUNDS, LINES, 100)


def _detect_score(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> dict[str, float]:
    """Intersection over union of the places called text, smallest over the pictures, beside cosine and noise."""
    ours, theirs = (arrays(runs) > TEXT_THRESHOLD for runs in (outputs, references))
    unions = [((a | b).sum(), (a & b).sum()) for a, b in zip(ours, theirs, strict=True)]
    overlap = [common / union if union else 1.0 for union, common in unions]
    return agreement(outputs, references) | {"iou": float(min(overlap)), "mean_iou": float(np.mean(overlap))}


def lines() -> list[tuple[np.ndarray, str]]:
    """Pictures of lines to read, each with its text: cut from a photographed page, then drawn."""
    return page_lines() + [(drawn_line(text, 200 + i), text) for i, text in enumerate(LINES)]


def _calibration_lines() -> list[np.ndarray]:
    return [drawn_line(text, 500 + i) for i, text in enumerate(CALIBRATION_LINES)]


def _turned(pictures: Sequence[np.ndarray]) -> list[Feeds]:
    """Each line upright, then turned by 180 degrees."""
    both = [np.ascontiguousarray(way) for line in pictures for way in (line, line[::-1, ::-1])]
    return [{"x": line_fitted(picture, CLASSIFY_SIZE)} for picture in both]


def _direction_score(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> dict[str, float]:
    ours, theirs = (arrays(runs)[:, 0].argmax(axis=1) for runs in (outputs, references))
    truth = np.arange(len(ours)) % 2
    return agreement(outputs, references) | {
        "accuracy": float(np.mean(ours == truth)), "reference_accuracy": float(np.mean(theirs == truth)),
        "top1_agreement": float(np.mean(ours == theirs))}


@lru_cache(maxsize=1)
def _alphabet() -> list[str]:
    """Blank, the characters in the model's own metadata, space."""
    model = onnx.load(fetch("ocr-rec-onnx"))
    characters = next(entry.value for entry in model.metadata_props if entry.key == "character")
    return ["", *characters.splitlines(), " "]


def read_text(probabilities: np.ndarray) -> str:
    """Greedy CTC (Graves et al. 2006) of ``[steps, characters]``: a run of one character counts once, blanks never."""
    return "".join(_alphabet()[character] for character, _ in groupby(probabilities.argmax(axis=1)))


def _read_score(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> dict[str, float]:
    """How many lines read the same as binary32 reads them, and how many are right."""
    ours, theirs = ([read_text(p) for p in arrays(runs)[:, 0]] for runs in (outputs, references))
    truth = [text.replace(" ", "") for _, text in lines()[:len(ours)]]
    right = [[t.replace(" ", "") == e for t, e in zip(texts, truth, strict=True)] for texts in (ours, theirs)]
    return agreement(outputs, references) | {
        "same_text": float(np.mean([a == b for a, b in zip(ours, theirs, strict=True)])),
        "right_text": float(np.mean(right[0])), "reference_right_text": float(np.mean(right[1]))}


def _direction_model() -> Path:
    """The classifier with its input bound to 1x3x48x192: the published file has one symbol for height and width."""
    path = cache_folder("models") / "ocr-cls-48x192-r1.onnx"
    if not path.is_file():
        model = onnx.load(fetch("ocr-cls-onnx"))
        for axis, size in enumerate((1, 3, *CLASSIFY_SIZE)):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
        write_once(path, lambda partial: partial.write_bytes(model.SerializeToString(deterministic=True)))
    return path


def ocr_det() -> Entry:
    batch, height, width = (f"p2o.DynamicDimension.{i}" for i in range(3))
    return Entry(name="ocr-det", description="PP-OCRv4 text detector, 480x640", licence=LICENCE,
                 model=lambda: fetch("ocr-det-onnx"), samples=_detect_samples, score=_detect_score,
                 calibration=lambda: _scenes(CALIBRATION_BACKGROUNDS, CALIBRATION_LINES, 300),
                 shapes={batch: 1, height: DETECT_SIZE[0], width: DETECT_SIZE[1]})


def ocr_cls() -> Entry:
    return Entry(name="ocr-cls", description="PP-OCR text direction classifier, 48x192", licence=LICENCE,
                 model=_direction_model, samples=lambda: _turned([line for line, _ in lines()]), score=_direction_score,
                 calibration=lambda: _turned(_calibration_lines()))


def ocr_rec() -> Entry:
    return Entry(name="ocr-rec", description="PP-OCRv4 text recogniser, 6,625 characters, 48x320", licence=LICENCE,
                 model=lambda: fetch("ocr-rec-onnx"), score=_read_score,
                 samples=lambda: [{"x": line_fitted(line, READ_SIZE)} for line, _ in lines()],
                 calibration=lambda: [{"x": line_fitted(line, READ_SIZE)} for line in _calibration_lines()],
                 shapes={"p2o.DynamicDimension.0": 1, "?": READ_SIZE[0], "p2o.DynamicDimension.1": READ_SIZE[1]})
