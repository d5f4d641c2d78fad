"""Boxes of a probability map, against a flood fill."""

from __future__ import annotations

import numpy as np
import pytest

from seedchip.bench.text_boxes import MIN_SIDE, Box, find_boxes, harmonic_mean, overlap


def filled_boxes(mask: np.ndarray) -> set[Box]:
    """The same by flood fill from every pixel."""
    left, boxes = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}, set()
    while left:
        stack, area = [left.pop()], []
        while stack:
            y, x = stack.pop()
            area.append((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left:
                    left.remove(near)
                    stack.append(near)
        ys, xs = zip(*area, strict=True)
        box = (min(ys), min(xs), max(ys) + 1, max(xs) + 1)
        if min(box[2] - box[0], box[3] - box[1]) >= MIN_SIDE:
            boxes.add(box)
    return boxes


@pytest.mark.parametrize("density", [0.3, 0.5, 0.6, 0.9])
def test_boxes_are_those_of_a_flood_fill(density):
    generator = np.random.default_rng(int(100 * density))
    for _ in range(20):
        mask = generator.random((17, 23)) < density
        found = find_boxes(mask)
        assert set(found) == filled_boxes(mask)


def test_areas_that_meet_below_are_one():
    mask = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1]], bool)
    assert find_boxes(mask) == [(0, 0, 3, 3)]


def test_overlap_of_two_boxes_by_hand():
    assert overlap((0, 0, 4, 4), (0, 2, 4, 6)) == pytest.approx(8 / 24)
    assert overlap((0, 0, 2, 2), (4, 4, 6, 6)) == 0


def test_harmonic_mean_counts_boxes_that_one_map_lacks():
    both, one = np.zeros((12, 12)), np.zeros((12, 12))
    both[1:5, 1:5] = both[7:11, 7:11] = one[1:5, 1:5] = 1
    assert harmonic_mean([both], [both]) == 1
    assert harmonic_mean([one], [both]) == pytest.approx(2 / 3)
    assert harmonic_mean([np.zeros((4, 4))], [np.zeros((4, 4))]) == 1
