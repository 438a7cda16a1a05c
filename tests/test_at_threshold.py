"""Metrics from four counts: by hand, then against scikit-learn and the full bootstrap."""

import numpy as np
import pytest

from cifake_core.metrics import scores
from cifake_core.metrics.at_threshold import NAMES, at_threshold
from cifake_core.metrics.scores import Confusion


def test_the_four_counts_give_the_figures_worked_out_by_hand():
    found = at_threshold(Confusion(tn=6, fp=4, fn=2, tp=8))
    assert tuple(found) == NAMES
    assert found["accuracy"].value == pytest.approx(14 / 20)
    assert found["recall"].value == pytest.approx(0.8)
    assert (found["recall"].low, found["recall"].high) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert found["specificity"].value == pytest.approx(0.6)
    assert found["precision"].value == pytest.approx(8 / 12)
    assert found["balanced_accuracy"].value == pytest.approx(0.7)
    assert found["f1"].value == pytest.approx(16 / 22)


def test_values_and_intervals_agree_with_the_bootstrap_over_images():
    random = np.random.default_rng(5)
    labels = np.repeat([0, 1], [900, 600])
    logits = random.normal(labels * 2.0 - 1.0, 1.3)
    whole = scores.evaluate(logits, labels, 0.4, resamples=1000)
    quick = at_threshold(scores.confusion(logits, labels, 0.4))
    for name in NAMES:
        assert quick[name].value == pytest.approx(whole[name].value)
        assert quick[name].low == pytest.approx(whole[name].low, abs=0.003)
        assert quick[name].high == pytest.approx(whole[name].high, abs=0.003)


def test_what_cannot_be_counted_is_undefined_and_never_nan():
    found = at_threshold(Confusion(tn=0, fp=0, fn=3, tp=0))
    assert found["specificity"].value is None
    assert found["balanced_accuracy"].value is None
    assert found["precision"].value is None
    assert found["recall"].value == 0
    assert found["f1"].value == 0
    assert at_threshold(Confusion(0, 0, 0, 0))["f1"].value is None
