"""The curves of a dashboard as small tables, thin enough to draw at once. They know probabilities and labels only."""

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from cifake_core.metrics.intervals import share
from cifake_core.metrics.scores import ECE_BINS

POINTS = 200  # of a drawn curve; a screen shows no more
BINS = 40
BANDS = np.round(np.arange(0, 50) / 100, 2)  # half-widths of the unsure band


def roc(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Columns false_positive_rate and true_positive_rate, at most POINTS rows from (0, 0) to (1, 1); empty for one label."""
    if not 0 < labels.sum() < labels.size:
        return pd.DataFrame({"false_positive_rate": [], "true_positive_rate": []})
    false_positive_rate, true_positive_rate, _ = sk.roc_curve(labels, probabilities)
    # even steps along the curve's length, so that the steep start is drawn as well as the flat end
    kept = _evenly(false_positive_rate + true_positive_rate)
    return pd.DataFrame(
        {"false_positive_rate": false_positive_rate[kept], "true_positive_rate": true_positive_rate[kept]}
    )


def precision_recall(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Columns recall and precision, by rising recall, at most POINTS rows; empty for one label."""
    if not 0 < labels.sum() < labels.size:
        return pd.DataFrame({"recall": [], "precision": []})
    precision, recall, _ = sk.precision_recall_curve(labels, probabilities)
    precision, recall = precision[::-1], recall[::-1]
    kept = _evenly(recall + np.append(0, np.abs(np.diff(precision)).cumsum()))
    return pd.DataFrame({"recall": recall[kept], "precision": precision[kept]})


def histogram(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Columns low, high (edges), real and fake (counts): `bins` equal bins of the probability of fake."""
    edges = np.linspace(0, 1, bins + 1)
    real, fake = (np.histogram(probabilities[labels == label], edges)[0] for label in (0, 1))
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "real": real, "fake": fake})


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = ECE_BINS) -> pd.DataFrame:
    """One row a bin that holds images: mean_probability, share of fakes with low and high (exact 95 %), n.

    The bins are those of `scores.expected_calibration_error`.
    """
    member = np.minimum((probabilities * bins).astype(int), bins - 1)
    rows = []
    for number in np.unique(member):
        inside = member == number
        observed = share(int(labels[inside].sum()), int(inside.sum()))
        rows.append(
            {
                "mean_probability": float(probabilities[inside].mean()),
                "share": observed.value,
                "low": observed.low,
                "high": observed.high,
                "n": int(inside.sum()),
            }
        )
    return pd.DataFrame(rows, columns=["mean_probability", "share", "low", "high", "n"])


def coverage(probabilities: np.ndarray, labels: np.ndarray, threshold: float = 0.5) -> pd.DataFrame:
    """What leaving out unsure images buys: band, coverage, accuracy, low, high; a row for each half-width of BANDS.

    An image is unsure where its probability lies closer than `band` to the threshold. Coverage is the share that gets a
    verdict; accuracy (exact 95 % interval) is that of those verdicts, missing where none is left.
    """
    distance = np.abs(probabilities - threshold)
    right = (probabilities >= threshold) == labels.astype(bool)
    order = np.argsort(distance, kind="stable")
    first = np.searchsorted(distance[order], BANDS, side="left")  # the first image that still gets a verdict
    right_from = np.append(np.cumsum(right[order][::-1])[::-1], 0)
    rows = []
    for band, start in zip(BANDS, first.tolist(), strict=True):
        decided = len(distance) - start
        of_those = share(int(right_from[start]), decided)
        rows.append({"band": band, "coverage": decided / len(distance), "accuracy": of_those.value} | _ends(of_those))
    return pd.DataFrame(rows)


def drawn(probabilities: np.ndarray, labels: np.ndarray, threshold: float = 0.5) -> dict[str, dict[str, list]]:
    """All of them as plain lists by curve and column, None where there is no value: for JSON."""
    tables = {make.__name__: make(probabilities, labels) for make in (roc, precision_recall, histogram, reliability)}
    tables["coverage"] = coverage(probabilities, labels, threshold)
    return {name: table.astype(object).where(table.notna(), None).to_dict("list") for name, table in tables.items()}


def _ends(estimate) -> dict:
    return {"low": estimate.low, "high": estimate.high}


def _evenly(length: np.ndarray) -> np.ndarray:
    """Indices of at most POINTS entries of a rising array, evenly spread over its values, both ends among them."""
    if length.size <= POINTS:
        return np.arange(length.size)
    wanted = np.linspace(length[0], length[-1], POINTS)
    return np.unique(np.clip(np.searchsorted(length, wanted), 0, length.size - 1))
