"""The bootstrap of every metric that needs no threshold, with images of like score drawn together.

A resample of n images asks only how many images of each score and label it holds, and those counts are multinomial. So
the counts are drawn (resamples × groups), not the images (resamples × n). Up to GROUPS distinct scores this is the
bootstrap over images itself. Beyond, neighbouring scores share a group: one in 512 of the images, whose loss differs by
next to nothing; on 20,000 simulated scores no end of an interval moved by more than 0.00025.
It does not know thresholds.

Source: Efron 1979, percentile bootstrap, within each label because the label balance of a test set is fixed by design.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

GROUPS = 512
ECE_BINS = 15
_CHUNK = 250  # resamples at once: 250 × 512 float64 is 1 MB a matrix, which stays in the cache


@dataclass(frozen=True)
class Groups:
    """K groups of images, lowest scores first. Axis 0 of each array is the label, 1 = fake."""

    images: np.ndarray  # int64 (2, K)
    loss: np.ndarray  # float64 (2, K): mean cross-entropy of the group's images of that label, in nats
    brier: np.ndarray  # (2, K): mean squared error of the probability
    gap: np.ndarray  # (2, K): mean of label − probability
    bins: np.ndarray  # int64 (K,): the calibration bin of the group; a group lies in one
    member: np.ndarray  # int64 (n,): the group of each image


def grouped(logits: np.ndarray, labels: np.ndarray, groups: int = GROUPS) -> Groups:
    """Groups of equal or neighbouring scores; equal scores are never parted, nor two calibration bins mixed."""
    probabilities = expit(logits)
    levels, level = np.unique(logits, return_inverse=True)
    if len(levels) <= groups:
        coarse = np.arange(len(levels))
    else:
        before = np.cumsum(np.bincount(level)) - np.bincount(level)  # images with a lower score
        coarse = before * groups // len(logits)
    bins = bin_of(expit(levels), ECE_BINS)
    _, member = np.unique(coarse * ECE_BINS + bins, return_inverse=True)  # both rise with the score
    member = member[level]
    size = int(member.max()) + 1
    images = np.stack([np.bincount(member[labels == label], minlength=size) for label in (0, 1)])

    def means(values: np.ndarray) -> np.ndarray:
        sums = [np.bincount(member[labels == label], values[labels == label], minlength=size) for label in (0, 1)]
        return np.stack(sums) / np.maximum(images, 1)

    group_bins = np.zeros(size, np.int64)
    group_bins[member] = bin_of(probabilities, ECE_BINS)
    return Groups(
        images=images,
        loss=means(np.logaddexp(0.0, logits) - labels * logits),
        brier=means((probabilities - labels) ** 2),
        gap=means(labels - probabilities),
        bins=group_bins,
        member=member,
    )


def bin_of(probabilities: np.ndarray, bins: int = ECE_BINS) -> np.ndarray:
    """The calibration bin of each probability, 0 … bins − 1: equal widths, 1.0 in the last."""
    return np.minimum((probabilities * bins).astype(np.int64), bins - 1)


def replicates(
    logits: np.ndarray, labels: np.ndarray, resamples: int, seed: int = 0, groups: int = GROUPS
) -> dict[str, np.ndarray]:
    """loss, brier, ece and, where both labels are there, auc and average_precision of each resample: arrays (resamples,).

    What grouping takes from a ranking metric (scores in one group count as tied) is added back from the full sample.
    """
    made = grouped(logits, labels, groups)
    random = np.random.default_rng(seed)
    n = made.images.sum(axis=1)
    parts = []
    for done in range(0, resamples, _CHUNK):
        size = (min(_CHUNK, resamples - done),)
        drawn = [random.multinomial(n[k], made.images[k] / max(n[k], 1), size=size).astype(np.float64) for k in (0, 1)]
        parts.append(of_counts(made, *drawn))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if "auc" in found and made.images.shape[1] < len(np.unique(logits)):
        for name, value in _lost(made, logits, labels).items():
            found[name] += value
    return found


def of_counts(made: Groups, reals: np.ndarray, fakes: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of resamples that hold `reals` and `fakes` (B, K) images of each group: arrays (B,)."""
    n_reals, n_fakes = reals.sum(axis=1), fakes.sum(axis=1)
    n = n_reals + n_fakes
    in_bin = np.eye(ECE_BINS)[made.bins]  # (K, bins)
    gaps = reals @ (made.gap[0][:, None] * in_bin) + fakes @ (made.gap[1][:, None] * in_bin)
    found = {
        "loss": (reals @ made.loss[0] + fakes @ made.loss[1]) / n,
        "brier": (reals @ made.brier[0] + fakes @ made.brier[1]) / n,
        "ece": np.abs(gaps).sum(axis=1) / n,
    }
    if not made.images.sum(axis=1).all():
        return found
    below = np.cumsum(reals, axis=1)
    found["auc"] = (fakes * (below - reals / 2)).sum(axis=1) / (n_reals * n_fakes)
    caught = n_fakes[:, None] - np.cumsum(fakes, axis=1) + fakes  # fakes of this group or above it
    called = caught + n_reals[:, None] - below + reals
    precision = np.divide(caught, called, out=np.zeros_like(caught), where=called > 0)
    found["average_precision"] = (fakes * precision).sum(axis=1) / n_fakes
    return found


def _lost(made: Groups, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """What the ranking metrics of the whole sample lose when scores of one group count as tied."""
    from sklearn import metrics as sk

    coarse = of_counts(made, *made.images[:, None].astype(np.float64))
    return {
        "auc": float(sk.roc_auc_score(labels, logits) - coarse["auc"][0]),
        "average_precision": float(sk.average_precision_score(labels, logits) - coarse["average_precision"][0]),
    }
