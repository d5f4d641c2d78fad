"""Accuracy figures against values worked by hand."""

import math

import numpy as np
import pytest

from seedchip.report import compare_output, compare_outputs


def test_equal_outputs_have_cosine_one_and_no_error():
    x = np.array([[1.0, -2.0, 3.0]], np.float32)
    found = compare_output("y", x.copy(), x)
    assert (found.cosine, found.max_abs_difference, found.sqnr_db, found.top1) == (1.0, 0.0, None, 1.0)


def test_figures_match_values_worked_by_hand():
    reference = np.array([[3.0, 4.0], [0.0, 5.0]], np.float32)
    ours = np.array([[4.0, 3.0], [0.0, 5.0]], np.float32)
    found = compare_output("y", ours, reference)
    assert found.cosine == pytest.approx((12 + 12 + 25) / 50)
    assert found.max_abs_difference == 1.0
    assert found.sqnr_db == pytest.approx(10 * math.log10(50 / 2))
    assert found.top1 == 0.5


def test_trailing_axes_of_size_one_do_not_hide_the_classes():
    scores = np.random.default_rng(0).standard_normal((6, 10, 1, 1))
    swapped = scores.copy()
    swapped[0] *= -1
    assert compare_output("y", swapped, scores).top1 == 5 / 6
    assert compare_output("y", np.ones((1, 1)), np.ones((1, 1))).top1 is None


def test_infinities_that_agree_count_as_equal_and_others_leave_no_figure():
    reference = np.array([1.0, -np.inf], np.float32)
    assert compare_output("y", reference.copy(), reference).cosine == 1.0
    assert compare_output("y", np.array([1.0, 0.0], np.float32), reference).cosine is None
    assert compare_output("y", np.array([np.nan, -np.inf], np.float32), reference).max_abs_difference is None


def test_other_shapes_and_empty_outputs_leave_no_figure():
    assert compare_output("y", np.zeros((2, 3)), np.zeros((3, 2))).cosine is None
    assert compare_output("y", np.zeros((0, 3)), np.zeros((0, 3))).cosine is None


def test_integers_of_eight_bits_do_not_wrap():
    found = compare_output("y", np.array([200, 3], np.uint8), np.array([3, 200], np.uint8))
    assert found.max_abs_difference == 197


def test_only_outputs_of_both_are_compared():
    ours = {"a": np.ones(2), "b": np.ones(2)}
    assert [o.name for o in compare_outputs(ours, {"b": np.ones(2)})] == ["b"]
