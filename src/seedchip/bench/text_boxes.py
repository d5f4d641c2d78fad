"""Where a text detector finds lines: boxes of a probability map, and how many of them two maps share.

Boxes are the bounding boxes of 4-connected areas above the threshold, both sides at least 3 pixels (Liao et al. 2020,
DB; rapidocr-onnxruntime 1.4.4, ``min_size``). Two maps agree by the harmonic mean of precision and recall of boxes
that overlap by half (ICDAR 2015, *Hmean* at an intersection over union of 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seedchip.zoo.text_reader import TEXT_THRESHOLD

MIN_SIDE = 3
MIN_OVERLAP = 0.5
Box = tuple[int, int, int, int]
"""Top, left, bottom, right; the last two one beyond."""


def find_boxes(mask: np.ndarray) -> list[Box]:
    """Bounding boxes of the 4-connected areas of ``mask`` ``[height, width]``, in reading order of their first row."""
    boxes: list[Box] = []
    above: list[tuple[int, int, int]] = []  # start, stop, area of each run of the row before
    owner: list[int] = []  # of each area, the area it has been merged into

    def root(area: int) -> int:
        while owner[area] != area:
            area = owner[area]
        return area

    for y, row in enumerate(mask):
        runs = []
        for start, stop in _runs(row):
            touching = sorted({root(area) for a, b, area in above if a < stop and start < b})
            area = touching[0] if touching else len(owner)
            box = (y, start, y + 1, stop)
            if not touching:
                owner.append(area)
                boxes.append(box)
            for other in touching:
                owner[other], box = area, _around(box, boxes[other])
            boxes[area] = box
            runs.append((start, stop, area))
        above = runs
    return [box for area, box in enumerate(boxes) if owner[area] == area
            and min(box[2] - box[0], box[3] - box[1]) >= MIN_SIDE]


def _runs(row: np.ndarray) -> list[tuple[int, int]]:
    """Start and stop of the stretches of a row that are set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _around(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(height, 0) * max(width, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return common / (areas - common)


def harmonic_mean(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """2 x shared / (our boxes + their boxes) over all pairs of maps ``[height, width]``; 1 where neither has any."""
    shared = total = 0
    for a, b in zip(ours, theirs, strict=True):
        mine, left = find_boxes(a > TEXT_THRESHOLD), find_boxes(b > TEXT_THRESHOLD)
        total += len(mine) + len(left)
        for box in mine:
            best = max(left, key=lambda other: overlap(box, other), default=None)
            if best is not None and overlap(box, best) >= MIN_OVERLAP:
                left.remove(best)
                shared += 1
    return 2 * shared / total if total else 1.0
