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


@pytest.mark.parametrize(("fakes", "reals"), [(100, 2000), (2000, 100)])
def test_the_interval_is_as_wide_as_theory_says_where_fakes_or_reals_are_few(fakes, reals):
    """DeLong et al. 1988: the variances of each fake's and of each real's share of pairs won, added."""
    random = np.random.default_rng(3)
    of_fakes, of_reals = random.normal(1, 1, fakes), random.normal(0, 1, reals)
    won = of_fakes[:, None] > of_reals
    error = np.sqrt(won.mean(axis=1).var(ddof=1) / fakes + won.mean(axis=0).var(ddof=1) / reals)
    found = ranking(of_fakes, of_reals, resamples=2000)
    assert (found.auc.high - found.auc.low) / 3.92 == pytest.approx(error, rel=0.08)


def test_a_macro_average_weighs_groups_not_images_and_its_interval_covers_groups():
    same = macro([np.full(50, 0.9), np.full(50, 0.5), np.full(50, 0.4)], [0.9, 0.5, 0.4])
    assert same.value == pytest.approx(0.6)
    assert (same.low, same.high) == pytest.approx((0.4, 0.9))
    assert macro([np.full(5, np.nan)], [None]).value is None
    assert macro([np.full(5, np.nan), np.full(5, 0.3)], [None, 0.3]).value == 0.3


def test_the_interval_of_a_macro_average_covers_the_images_too():
    noise = np.random.default_rng(0).normal(0, 0.05, (4, 400))
    alike = macro(list(0.7 + noise), [0.7] * 4, resamples=4000)  # groups that differ in nothing
    assert (alike.high - alike.low) / 3.92 == pytest.approx(0.05 / np.sqrt(4), rel=0.1)
    alone = macro([0.7 + noise[0]], [0.7], resamples=4000)
    assert (alone.high - alone.low) / 3.92 == pytest.approx(0.05, rel=0.1)


def test_no_image_gives_no_number_and_a_broken_score_an_error():
    assert ranking(np.array([]), np.array([1.0])).auc.value is None
    with pytest.raises(BadInput, match="not finite"):
        ranking(np.array([np.nan]), np.array([1.0]))
