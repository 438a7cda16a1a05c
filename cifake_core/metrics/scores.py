"""Every number the dashboards show, from the logits and labels of one set of images. 1 = fake is the positive label.

Point values come from scikit-learn; the bootstrap replicates are computed together from one matrix of resampling
counts, which is what makes 11 intervals on 20,000 images take about a second. It does not know where scores come from.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn import metrics as sk

from cifake_core.errors import BadInput
from cifake_core.metrics.intervals import UNDEFINED, Estimate, bootstrap_counts, percentile, share

RESAMPLES = 1000
ECE_BINS = 15
_CHUNK = 100  # resamples worked on at once: 100 × 20,000 float32 is 8 MB a matrix

DEFINITIONS = {
    "accuracy": "Share of images whose verdict is right.",
    "balanced_accuracy": "Mean of the share of fakes found and the share of reals cleared; 50 % is guessing.",
    "precision": "Of the images called fake, the share that is fake.",
    "recall": "Of the fakes, the share that was called fake (true-positive rate).",
    "specificity": "Of the reals, the share that was called real (1 − false-positive rate).",
    "f1": "Harmonic mean of precision and recall.",
    "loss": "Mean binary cross-entropy in nats; a confident mistake costs much.",
    "auc": "Chance that a random fake scores above a random real, at any threshold (area under the ROC curve).",
    "average_precision": "Area under the precision–recall curve, as a step function.",
    "brier": "Mean squared difference between the probability of fake and the truth; 0 is perfect, 0.25 is guessing.",
    "ece": f"Expected calibration error: how far stated probabilities are from observed shares, over {ECE_BINS} equal bins.",
}


@dataclass(frozen=True)
class Confusion:
    """Counts at one threshold."""

    tn: int
    fp: int
    fn: int
    tp: int

    @property
    def n(self) -> int:
        return self.tn + self.fp + self.fn + self.tp

    def rows(self) -> list[list[int]]:
        """[[tn, fp], [fn, tp]]: truth down, verdict across, real first."""
        return [[self.tn, self.fp], [self.fn, self.tp]]


def fake_probability(logits: np.ndarray) -> np.ndarray:
    """The sigmoid of the logits: the network's probability that the image is fake, (N,)."""
    return expit(np.asarray(logits, dtype=np.float64))


def verdicts(logits: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """1 where the probability of fake is at least the threshold, else 0; (N,)."""
    return (fake_probability(logits) >= threshold).astype(np.int8)


def confusion(logits: np.ndarray, labels: np.ndarray, threshold: float = 0.5) -> Confusion:
    """Counts of true and false verdicts. Empty input gives four zeros."""
    called, truth = verdicts(logits, threshold).astype(bool), np.asarray(labels).astype(bool)
    return Confusion(
        tn=int((~called & ~truth).sum()),
        fp=int((called & ~truth).sum()),
        fn=int((~called & truth).sum()),
        tp=int((called & truth).sum()),
    )


def evaluate(
    logits: np.ndarray, labels: np.ndarray, threshold: float = 0.5, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """All metrics of DEFINITIONS with 95 % intervals.

    logits (N,), labels (N,) with 1 = fake. Shares have exact intervals, the rest bootstrap ones (`resamples` draws,
    within each label, `seed`). What needs both labels (auc, average_precision, balanced_accuracy) is undefined for one.
    """
    logits, labels = _checked(logits, labels)
    counts = confusion(logits, labels, threshold)
    values = _point_values(logits, labels, threshold)
    replicates = _replicates(logits, labels, threshold, resamples, seed)
    estimates = {name: percentile(values[name], replicates[name]) for name in values}
    return {
        "accuracy": share(counts.tn + counts.tp, counts.n),
        "balanced_accuracy": estimates["balanced_accuracy"],
        "precision": share(counts.tp, counts.tp + counts.fp),
        "recall": share(counts.tp, counts.tp + counts.fn),
        "specificity": share(counts.tn, counts.tn + counts.fp),
        **{name: estimates[name] for name in ("f1", "loss", "auc", "average_precision", "brier", "ece")},
    }


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cost of each image in nats, (N,): log(1 + e^z) − y·z. From probabilities it would overflow where they round to 0 or 1."""
    return np.logaddexp(0.0, logits) - labels * logits


def accuracy(logits: np.ndarray, labels: np.ndarray, threshold: float = 0.5) -> Estimate:
    """Accuracy with its exact interval; undefined for no image."""
    counts = confusion(logits, labels, threshold)
    return share(counts.tn + counts.tp, counts.n)


def accuracy_by_group(logits: np.ndarray, labels: np.ndarray, groups: np.ndarray, threshold: float = 0.5) -> dict:
    """Accuracy with its interval for each value of `groups` (N,): class, generator, or any column of the manifest."""
    return {
        value: accuracy(logits[rows], labels[rows], threshold) if rows.any() else UNDEFINED
        for value in np.unique(groups)
        for rows in [groups == value]
    }


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = ECE_BINS) -> float:
    """Σ over bins of (images in bin / N) · |observed share of fakes − mean probability| (Naeini et al. 2015).

    We differ from Guo et al. 2017, who bin the confidence of the verdict: here the probability of fake is binned, so an
    error on either side shows.
    """
    return float(_weighted_ece(np.ones((1, labels.size), np.float32), probabilities, labels, bins)[0])


def _checked(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels).astype(np.int8)
    if logits.shape != labels.shape or logits.ndim != 1 or logits.size == 0:
        raise BadInput(
            f"Metrics need as many scores as labels, and at least one; got {logits.shape} and {labels.shape}."
        )
    if not np.isfinite(logits).all():
        raise BadInput(
            f"{int((~np.isfinite(logits)).sum())} scores are not finite numbers; the network is broken, train it again."
        )
    return logits, labels


def _point_values(logits: np.ndarray, labels: np.ndarray, threshold: float) -> dict[str, float]:
    probabilities, called = fake_probability(logits), verdicts(logits, threshold)
    both = 0 < labels.sum() < labels.size
    return {
        "balanced_accuracy": sk.balanced_accuracy_score(labels, called) if both else np.nan,
        "f1": sk.f1_score(labels, called, zero_division=np.nan),
        "loss": float(cross_entropy(logits, labels).mean()),
        "auc": sk.roc_auc_score(labels, logits) if both else np.nan,
        "average_precision": sk.average_precision_score(labels, logits) if both else np.nan,
        "brier": float(((probabilities - labels) ** 2).mean()),
        "ece": expected_calibration_error(probabilities, labels),
    }


def _replicates(
    logits: np.ndarray, labels: np.ndarray, threshold: float, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    parts = [
        _resampled(bootstrap_counts(labels, min(_CHUNK, resamples - done), seed + done), logits, labels, threshold)
        for done in range(0, resamples, _CHUNK)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _resampled(weights: np.ndarray, logits: np.ndarray, labels: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """Every bootstrapped metric for each row of weights (B, N)."""
    probabilities, called = fake_probability(logits), verdicts(logits, threshold)
    n = weights.sum(axis=1)
    tp, fp, fn, tn = (
        weights @ outcome.astype(np.float32)
        for outcome in (called & labels, called & (1 - labels), (1 - called) & labels, (1 - called) & (1 - labels))
    )
    auc, average_precision = _weighted_ranking(weights, logits, labels)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
            "f1": 2 * tp / (2 * tp + fp + fn),
            "loss": weights @ cross_entropy(logits, labels).astype(np.float32) / n,
            "auc": auc,
            "average_precision": average_precision,
            "brier": weights @ ((probabilities - labels) ** 2).astype(np.float32) / n,
            "ece": _weighted_ece(weights, probabilities, labels, ECE_BINS),
        }


def _weighted_ranking(weights: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC (ties count half) and average precision of each weighted resample: two arrays (B,)."""
    order = np.argsort(-logits, kind="stable")
    ordered, truth, scores = weights[:, order].astype(np.float64), labels[order], logits[order]
    ends = np.flatnonzero(np.append(np.diff(scores) != 0, True))  # the last image of each group of equal scores
    fakes = np.cumsum(ordered * truth, axis=1)[:, ends]
    reals = np.cumsum(ordered * (1 - truth), axis=1)[:, ends]
    fakes_in, reals_in = np.diff(fakes, prepend=0.0, axis=1), np.diff(reals, prepend=0.0, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = (reals_in * (fakes - fakes_in / 2)).sum(axis=1) / (fakes[:, -1] * reals[:, -1])
        precision = np.nan_to_num(fakes / (fakes + reals))
        average_precision = (fakes_in * precision).sum(axis=1) / fakes[:, -1]
    return auc, average_precision


def _weighted_ece(weights: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, bins: int) -> np.ndarray:
    """(B,) calibration errors; each bin's gap |Σ w·(y − p)| summed and divided by Σ w."""
    member = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.zeros((labels.size, bins), dtype=np.float32)
    gaps[np.arange(labels.size), member] = labels - probabilities
    return np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
