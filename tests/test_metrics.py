"""Metrics against hand-computed values, then scikit-learn, then properties."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn import metrics as sk

from cifake_core.errors import BadInput
from cifake_core.metrics import grouped, intervals, scores

# Four images: probabilities .9 .4 | .6 .2, truth fake fake | real real. At 0.5: tp 1, fn 1, fp 1, tn 1.
PROBABILITIES = np.array([0.9, 0.4, 0.6, 0.2])
LABELS = np.array([1, 1, 0, 0])


def random_predictions(n=3000, seed=3):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    logits = np.round(random.normal(labels * 1.5 - 0.7, 1.2), 1)  # rounded, so that many scores tie
    return logits, labels


def test_a_four_image_example_matches_the_figures_worked_out_by_hand():
    found = scores.evaluate(logit(PROBABILITIES), LABELS, resamples=50)
    assert scores.confusion(logit(PROBABILITIES), LABELS).rows() == [[1, 1], [1, 1]]
    for name in ("accuracy", "precision", "recall", "specificity", "f1", "balanced_accuracy"):
        assert found[name].value == pytest.approx(0.5)
    assert found["auc"].value == pytest.approx(3 / 4)  # of 4 pairs only (.4 fake, .6 real) is the wrong way round
    assert found["average_precision"].value == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert found["brier"].value == pytest.approx((0.01 + 0.36 + 0.36 + 0.04) / 4)
    assert found["loss"].value == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.8]).mean())
    assert found["ece"].value == pytest.approx((0.1 + 0.6 + 0.6 + 0.2) / 4)  # four different bins


def test_every_metric_equals_scikit_learn():
    logits, labels = random_predictions()
    for threshold in (0.2, 0.5, 0.85):
        found = {k: v.value for k, v in scores.evaluate(logits, labels, threshold, resamples=10).items()}
        called = (expit(logits) >= threshold).astype(int)
        expected = {
            "accuracy": sk.accuracy_score(labels, called),
            "balanced_accuracy": sk.balanced_accuracy_score(labels, called),
            "precision": sk.precision_score(labels, called),
            "recall": sk.recall_score(labels, called),
            "specificity": sk.recall_score(1 - labels, 1 - called),
            "f1": sk.f1_score(labels, called),
            "loss": sk.log_loss(labels, expit(logits)),
            "auc": sk.roc_auc_score(labels, logits),
            "average_precision": sk.average_precision_score(labels, logits),
            "brier": sk.brier_score_loss(labels, expit(logits)),
        }
        assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_bootstrap_replicates_equal_scikit_learn_with_the_same_weights():
    logits, labels = random_predictions(400)
    made = grouped.grouped(logits, labels)  # as many groups as distinct scores: nothing is merged
    random = np.random.default_rng(1)
    counts = [random.multinomial(row.sum(), row / row.sum(), size=5).astype(float) for row in made.images]
    found = grouped.of_counts(made, *counts)
    for row in range(5):
        drawn = np.stack([counts[0][row], counts[1][row]])
        w = (drawn / np.maximum(made.images, 1))[labels, made.member]
        assert found["auc"][row] == pytest.approx(sk.roc_auc_score(labels, logits, sample_weight=w))
        average_precision = sk.average_precision_score(labels, logits, sample_weight=w)
        assert found["average_precision"][row] == pytest.approx(average_precision)
        assert found["loss"][row] == pytest.approx(sk.log_loss(labels, expit(logits), sample_weight=w))
        assert found["brier"][row] == pytest.approx(sk.brier_score_loss(labels, expit(logits), sample_weight=w))


def test_grouping_like_scores_moves_no_interval_by_more_than_the_noise_of_drawing():
    random = np.random.default_rng(2)
    labels = random.integers(0, 2, 6000)
    logits = random.normal(labels * 4.0 - 2.0, 1.5)  # 6,000 distinct scores
    coarse = grouped.replicates(logits, labels, 1000, seed=0)
    fine = grouped.replicates(logits, labels, 1000, seed=1, groups=6000)
    assert len(grouped.grouped(logits, labels).bins) < 550
    for name, values in fine.items():
        low, high = np.percentile(values, [2.5, 97.5])
        assert np.percentile(coarse[name], [2.5, 97.5]) == pytest.approx([low, high], abs=0.15 * (high - low)), name


def test_the_calibration_error_equals_one_summed_image_by_image():
    logits, labels = random_predictions()
    probabilities = expit(logits)
    total = 0.0
    for number in range(15):
        inside = (probabilities >= number / 15) & (probabilities < (number + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(labels[inside].mean() - probabilities[inside].mean())
    assert scores.expected_calibration_error(probabilities, labels) == pytest.approx(total)


def test_an_exact_interval_matches_the_tabulated_one():
    estimate = intervals.share(8, 10)  # Clopper–Pearson for 8 of 10: 0.4439 to 0.9748
    assert (estimate.low, estimate.high) == pytest.approx((0.4439, 0.9748), abs=1e-4)


def test_the_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    covered, trials = 0, 300
    truth = 0.760  # AUC of two unit normals 1 apart: Φ(1/√2)
    labels = np.repeat([0, 1], 150)
    for trial in range(trials):
        logits = np.random.default_rng(trial).normal(labels, 1.0)
        drawn = grouped.replicates(logits, labels, 200, seed=trial)["auc"]
        found = intervals.percentile(0.5, drawn)
        covered += found.low <= truth <= found.high
    assert covered / trials == pytest.approx(0.95, abs=0.02)  # of an interval of 90 %: 0.90


def test_resamples_keep_the_number_of_images_of_each_label():
    labels = np.array([0] * 30 + [1] * 70)
    counts = intervals.bootstrap_counts(labels, 20)
    assert (counts[:, :30].sum(1) == 30).all()
    assert (counts[:, 30:].sum(1) == 70).all()


def test_one_label_leaves_ranking_metrics_undefined_and_never_nan():
    found = scores.evaluate(np.array([1.0, -1.0]), np.array([1, 1]))
    assert found["auc"] == intervals.UNDEFINED
    assert found["balanced_accuracy"] == intervals.UNDEFINED
    assert found["specificity"] == intervals.UNDEFINED
    assert found["recall"].value == 0.5


def test_broken_scores_are_refused_in_one_sentence():
    with pytest.raises(BadInput, match="not finite"):
        scores.evaluate(np.array([np.nan, 1.0]), np.array([0, 1]))
    with pytest.raises(BadInput, match="as many scores as labels"):
        scores.evaluate(np.zeros(3), np.zeros(2))


def test_accuracy_by_group_counts_each_group_alone():
    logits = np.array([1.0, 1.0, -1.0, -1.0])
    by_class = scores.accuracy_by_group(logits, np.array([1, 0, 0, 0]), np.array([7, 7, 2, 2]))
    assert by_class[7].value == 0.5
    assert by_class[2].value == 1.0
