"""How alike two heatmaps are: worked out by hand."""

import numpy as np
import pytest

from cifake_core.explanations.agreement import NEAR, agreement, hottest


def spots(places, size=12):
    heat = np.zeros((len(places), size, size), np.float32)
    for row, (y, x) in enumerate(places):
        heat[row, y, x] = 1
    return heat


def test_hottest_places_within_three_pixels_are_the_same_place_and_others_are_not():
    one, other = spots([(5, 5)] * 4), spots([(5, 8), (5, 9), (5, 5), (8, 8)])  # 3, 4, 0 and 4.2 pixels away
    found = agreement(one, other)
    assert NEAR == 3
    assert found.same_place.value == pytest.approx(0.5)
    assert found.n == 4


def test_the_correlation_is_the_median_over_images_and_flat_maps_are_left_out():
    random = np.random.default_rng(0)
    one = random.random((5, 8, 8))
    other = np.stack([one[0], 1 - one[1], 2 * one[2] + 3, one[3] + random.random((8, 8)), np.zeros((8, 8))])
    single = float(np.corrcoef(one[3].ravel(), other[3].ravel())[0, 1])
    found = agreement(one, other)
    assert found.n == 4
    assert found.correlation.value == pytest.approx((1 + single) / 2)  # of −1, r, 1, 1
    assert found.correlation.low == pytest.approx(-1)
    assert found.correlation.high == pytest.approx(1)


def test_nothing_is_said_of_no_images():
    found = agreement(np.zeros((2, 4, 4)), np.zeros((2, 4, 4)))
    assert (found.correlation.value, found.same_place.value, found.n) == (None, None, 0)


def test_equal_maxima_have_their_middle_as_place():
    heat = np.zeros((1, 5, 5))
    heat[0, 1, 1] = heat[0, 3, 3] = 1
    assert hottest(heat).tolist() == [[2, 2]]
