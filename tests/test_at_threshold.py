"""Metrics from four counts, by hand. Their intervals: test_metrics_intervals.py."""

import pytest

from cifake_core.metrics.at_threshold import NAMES, Confusion, at_threshold


def test_the_four_counts_give_the_figures_worked_out_by_hand():
    found = at_threshold(Confusion(tn=12, fp=8, fn=2, tp=8))
    assert tuple(found) == NAMES
    assert found["accuracy"].value == pytest.approx(20 / 30)
    assert found["recall"].value == pytest.approx(0.8)
    assert (found["recall"].low, found["recall"].high) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert found["specificity"].value == pytest.approx(0.6)
    assert found["precision"].value == pytest.approx(8 / 16)
    assert found["balanced_accuracy"].value == pytest.approx(0.7)
    assert found["f1"].value == pytest.approx(16 / 26)


def test_what_cannot_be_counted_is_undefined_and_never_nan():
    found = at_threshold(Confusion(tn=0, fp=0, fn=3, tp=0))
    assert found["specificity"].value is None
    assert found["balanced_accuracy"].value is None
    assert found["precision"].value is None
    assert found["recall"].value == 0
    assert found["f1"].value == 0
    assert at_threshold(Confusion(0, 0, 0, 0))["f1"].value is None
