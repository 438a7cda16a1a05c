"""Ranking fakes above reals: against scikit-learn, by hand, and what the intervals cover."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from cifake_core.errors import BadInput
from cifake_core.metrics.ranking import macro, ranking


def test_by_hand_two_fakes_among_two_reals():
    found = ranking(np.array([3.0, 1.0]), np.array([2.0, 0.0]))
    assert found.auc.value == 0.75  # of four pairs one is the wrong way round
    assert found.average_precision.value == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("ties", [False, True])
def test_it_agrees_with_scikit_learn_where_fakes_and_reals_are_equally_many(ties):
    random = np.random.default_rng(1)
    fakes, reals = random.normal(0.7, 1, 150), random.normal(0, 1, 150)
    if ties:
        fakes, reals = np.round(fakes), np.round(reals)
    labels, scores = np.r_[np.ones(150), np.zeros(150)], np.r_[fakes, reals]
    found = ranking(fakes, reals)
    assert found.auc.value == pytest.approx(roc_auc_score(labels, scores))
    assert found.average_precision.value == pytest.approx(average_precision_score(labels, scores))


def test_average_precision_does_not_depend_on_how_many_reals_there_are():
    random = np.random.default_rng(2)
    fakes, reals = random.normal(1, 1, 60), random.normal(0, 1, 500)
    few, many = ranking(fakes, reals), ranking(fakes, np.repeat(reals, 20))
    assert few.average_precision.value == pytest.approx(many.average_precision.value)
    assert few.average_precision.low < few.average_precision.value < few.average_precision.high


def test_the_interval_is_about_as_wide_as_theory_says():
    """Hanley and McNeil 1982 for AUC 0.76 with 100 and 1,000 images: a standard error of 0.028."""
    random = np.random.default_rng(3)
    found = ranking(random.normal(1, 1, 100), random.normal(0, 1, 1000), resamples=2000)
    assert (found.auc.high - found.auc.low) / 3.92 == pytest.approx(0.027, abs=0.006)


def test_a_macro_average_weighs_groups_not_images_and_its_interval_covers_groups():
    same = macro([np.full(50, 0.9), np.full(50, 0.5)], [0.9, 0.5])
    assert same.value == pytest.approx(0.7)
    assert (same.low, same.high) == (0.5, 0.9)
    assert macro([np.full(5, np.nan)], [None]).value is None


def test_no_image_gives_no_number_and_a_broken_score_an_error():
    assert ranking(np.array([]), np.array([1.0])).auc.value is None
    with pytest.raises(BadInput, match="not finite"):
        ranking(np.array([np.nan]), np.array([1.0]))
