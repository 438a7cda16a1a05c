"""Intervals: by hand, then against a bootstrap that draws images one by one, then what must hold of pairs."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics as sk

from cifake_core.evaluation import comparing
from cifake_core.metrics import grouped, intervals, scores
from cifake_core.metrics.at_threshold import Confusion, at_threshold
from tests.test_metrics_views import scored_of


def ends(estimate) -> tuple[float, float]:
    return estimate.low, estimate.high


def resampled_rows(labels: np.ndarray, times: int, seed: int = 0):
    """Row numbers of a bootstrap within each label, image by image: what every quicker way must agree with."""
    random = np.random.default_rng(seed)
    sides = [np.flatnonzero(labels == label) for label in (0, 1)]
    for _ in range(times):
        yield np.concatenate([random.choice(side, len(side)) for side in sides])


def test_an_interval_of_replicates_leaves_two_and_a_half_percent_on_each_side_and_drops_undefined_ones():
    assert ends(intervals.percentile(0.4, np.linspace(0, 1, 1001))) == pytest.approx((0.025, 0.975))
    assert ends(intervals.percentile(0.4, np.r_[np.nan, np.linspace(0, 1, 1001), np.inf])) == pytest.approx(
        (0.025, 0.975)
    )
    assert intervals.percentile(0.4, np.full(3, np.nan)) == intervals.UNDEFINED
    assert intervals.percentile(np.nan, np.ones(3)) == intervals.UNDEFINED


def test_none_of_ten_and_ten_of_ten_have_one_open_end():
    assert ends(intervals.share(0, 10)) == pytest.approx((0, 0.3085), abs=1e-4)  # 1 − 0.025^(1/10)
    assert ends(intervals.share(10, 10)) == pytest.approx((0.6915, 1), abs=1e-4)
    assert intervals.share(0, 0) == intervals.UNDEFINED


def test_a_resample_draws_images_with_replacement():
    counts = intervals.bootstrap_counts(np.repeat([0, 1], [50, 150]), 400)
    assert counts.mean() == 1
    assert counts[:, :50].var() == pytest.approx(1 - 1 / 50, rel=0.05)  # multinomial
    assert counts[:, 50:].var() == pytest.approx(1 - 1 / 150, rel=0.05)


@pytest.mark.parametrize("counts", [Confusion(tn=400, fp=100, fn=30, tp=90), Confusion(tn=40, fp=20, fn=60, tp=440)])
def test_f1_and_balanced_accuracy_have_the_intervals_of_drawing_images(counts):
    labels = np.repeat([0, 0, 1, 1], [counts.tn, counts.fp, counts.fn, counts.tp])
    called = np.repeat([0, 1, 0, 1], [counts.tn, counts.fp, counts.fn, counts.tp])
    drawn = {"f1": [], "balanced_accuracy": []}
    for rows in resampled_rows(labels, 4000):
        tp, fp = (labels[rows] & called[rows]).sum(), ((1 - labels[rows]) & called[rows]).sum()
        fakes, reals = counts.fn + counts.tp, counts.tn + counts.fp
        drawn["f1"].append(2 * tp / (tp + fp + fakes))
        drawn["balanced_accuracy"].append((tp / fakes + 1 - fp / reals) / 2)
    found = at_threshold(counts)
    assert found["f1"].value == pytest.approx(sk.f1_score(labels, called))
    for name, values in drawn.items():
        low, high = np.percentile(values, [2.5, 97.5])
        assert ends(found[name]) == pytest.approx((low, high), abs=0.06 * (high - low)), name


@pytest.fixture(scope="module")
def uneven():
    """1,200 reals and 300 fakes, all scores different, none a whole group's."""
    random = np.random.default_rng(4)
    labels = np.repeat([0, 1], [1200, 300])
    return random.normal(labels * 2.5 - 1.5, 1.0), labels


def test_metrics_without_a_threshold_have_the_intervals_of_drawing_images(uneven):
    logits, labels = uneven
    probabilities = expit(logits)
    drawn = {name: [] for name in ("loss", "brier", "ece", "auc", "average_precision")}
    for rows in resampled_rows(labels, 500):
        y, p = labels[rows], probabilities[rows]
        bins = np.floor(p * 15).astype(int)
        drawn["ece"].append(sum(abs((y - p)[bins == b].sum()) for b in np.unique(bins)) / len(y))
        drawn["loss"].append(-np.where(y == 1, np.log(p), np.log(1 - p)).mean())
        drawn["brier"].append(((p - y) ** 2).mean())
        drawn["auc"].append(sk.roc_auc_score(y, p))
        drawn["average_precision"].append(sk.average_precision_score(y, p))
    found = scores.evaluate(logits, labels, resamples=2000)
    for name, values in drawn.items():
        low, high = np.percentile(values, [2.5, 97.5])
        assert ends(found[name]) == pytest.approx((low, high), abs=0.1 * (high - low)), name


def test_resamples_of_coarse_groups_have_the_mean_of_the_whole_sample():
    """Drawing within labels leaves the expected AUC as it is; ties within a group would change it, were they not made up for."""
    labels = np.repeat([0, 1], [1200, 300])
    logits = 0.5 + 0.01 * np.random.default_rng(4).normal(
        labels * 2.0, 1.0
    )  # one bin of calibration, so there are six groups
    found = grouped.replicates(logits, labels, 4000, groups=6)
    coarse = grouped.of_counts(made := grouped.grouped(logits, labels, 6), *made.images[:, None].astype(float))
    assert made.images.shape == (2, 6)
    for name, exact in (
        ("auc", sk.roc_auc_score(labels, logits)),
        ("average_precision", sk.average_precision_score(labels, logits)),
    ):
        lost = abs(exact - coarse[name][0])
        assert lost > found[name].std(), name  # there is something to make up for
        assert found[name].mean() == pytest.approx(exact, abs=lost / 4), name


def test_scores_fall_into_about_five_hundred_groups_and_no_fewer():
    random = np.random.default_rng(2)
    labels = random.integers(0, 2, 6000)
    assert 500 < len(grouped.grouped(random.normal(labels, 1.5), labels).bins) < 550


def test_a_certain_network_falls_into_the_last_bin_of_calibration():
    found = scores.evaluate(np.array([60.0, 60.0, -60.0, -60.0]), np.array([1, 0, 0, 0]), resamples=20)
    assert found["ece"].value == pytest.approx(0.25)  # two of four say 1, one of them is fake
    assert grouped.bin_of(np.array([0.0, 0.5, 1.0])).tolist() == [0, 7, 14]


def test_a_probability_of_exactly_the_threshold_is_called_fake():
    assert scores.verdicts(np.array([0.0, -1e-9])).tolist() == [1, 0]
    counts = scores.confusion(np.array([0.0, 1.0, -1.0, -1.0, -1.0, 2.0]), np.array([0, 0, 1, 1, 1, 1]))
    assert (counts.tn, counts.fp, counts.fn, counts.tp) == (0, 2, 3, 1)


# ---- two runs on the same images


def test_the_share_only_one_run_has_right_gives_the_p_value_and_interval_worked_out_by_hand():
    assert comparing.mcnemar(1, 5) == comparing.mcnemar(5, 1) == pytest.approx(14 / 64)  # 2 · (1 + 6) / 2⁶
    assert comparing.mcnemar(0, 0) == 1
    found = comparing.paired_difference(40, 4, 100)
    reach = 1.959964 * np.sqrt(44 - 36**2 / 100) / 100
    assert (found.value, *ends(found)) == pytest.approx((0.36, 0.36 - reach, 0.36 + reach))


def test_both_kinds_of_disagreement_are_listed():
    first, second = scored_of([1.0, 1.0, -1.0, -1.0], [1, 1, 1, 0]), scored_of([1.0, -1.0, 1.0, -1.0], [1, 1, 1, 0])
    found = comparing.compare(first, second)
    assert found.rows.tolist() == [1, 2]
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong, found.n) == (2, 1, 1, 0, 4)


def test_delong_s_interval_is_that_of_the_pairwise_definition():
    random = np.random.default_rng(6)
    labels = np.repeat([0, 1], [7, 5])
    one = np.round(random.normal(labels, 1.0), 1)
    other = np.round(one + random.normal(0, 0.4, 12), 1)
    gaps = np.array([[[(a > b) + (a == b) / 2 for b in s[labels == 0]] for a in s[labels == 1]] for s in (one, other)])
    gap = gaps[0] - gaps[1]  # (fakes, reals)
    reach = 1.959964 * np.sqrt(gap.mean(axis=1).var(ddof=1) / 5 + gap.mean(axis=0).var(ddof=1) / 7)
    found = comparing.delong_difference(one, other, labels)
    assert (found.value, *ends(found)) == pytest.approx((gap.mean(), gap.mean() - reach, gap.mean() + reach))


def test_a_run_differs_from_itself_by_nothing_at_all(uneven):
    """An interval that forgets that the images are the same ones has a width here."""
    logits, labels = uneven
    same = scored_of(logits, labels)
    found = comparing.paired_differences(same, same)
    assert {name: (e.value, e.low, e.high) for name, e in found.items()} == {name: (0, 0, 0) for name in found}
    assert {"auc", "loss", "brier", "f1", "specificity"} <= set(found)


def test_differences_of_verdicts_have_the_intervals_of_drawing_images(uneven):
    logits, labels = uneven
    second = logits + np.random.default_rng(1).normal(0, 0.6, len(logits))
    found = comparing.paired_differences(scored_of(logits, labels), scored_of(second, labels))  # at one half
    called = [(z >= 0).astype(int) for z in (logits, second)]
    measures = {
        "accuracy": lambda y, c: (y == c).mean(),
        "f1": lambda y, c: 2 * (y * c).sum() / (y.sum() + c.sum()),
        "specificity": lambda y, c: 1 - c[y == 0].mean(),
    }
    exact = {name: of(labels, called[0]) - of(labels, called[1]) for name, of in measures.items()}
    drawn = [
        [of(labels[rows], called[0][rows]) - of(labels[rows], called[1][rows]) for of in measures.values()]
        for rows in resampled_rows(labels, 1000)
    ]
    for name, values in zip(measures, np.transpose(drawn), strict=True):
        low, high = np.percentile(values, [2.5, 97.5])
        assert found[name].value == pytest.approx(exact[name])
        assert ends(found[name]) == pytest.approx((low, high), abs=0.1 * (high - low)), name


def test_the_interval_of_a_mean_difference_counts_noise_within_each_label_only():
    found = comparing._mean_difference(np.array([1.0, 3, 10, 14]), np.array([0, 0, 1, 1]))
    reach = 1.959964 * np.sqrt((2 * 2 + 2 * 8) / 16)
    assert (found.value, *ends(found)) == pytest.approx((7, 7 - reach, 7 + reach))
