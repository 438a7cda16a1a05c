"""How much a run lost under harm, and of which kind: a threshold that no longer fits, or a signal that is gone.

It knows logits, labels and the rows of a sweep; it does not know pictures or networks.
"""

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from cifake_core.evaluation import transforms
from cifake_core.metrics import scores
from cifake_core.metrics.intervals import UNDEFINED, Estimate, bootstrap_counts, percentile, share

AUC_RESAMPLES = 100  # for the AUC's interval; those of accuracies are exact
NOTICED = 0.01  # a fall of accuracy smaller than this is called none


def judged(logits: np.ndarray, labels: np.ndarray, threshold: float) -> dict:
    """accuracy, real and fake (share of each label's images judged right), auc, best_accuracy: estimates as dictionaries.

    "best_accuracy" is an oracle, a plain number: the accuracy at the threshold that is best in hindsight. AUC's interval is a bootstrap.
    """
    counts = scores.confusion(logits, labels, threshold)
    return {
        "accuracy": share(counts.tn + counts.tp, counts.n).as_dict(),
        "real": share(counts.tn, counts.tn + counts.fp).as_dict(),
        "fake": share(counts.tp, counts.tp + counts.fn).as_dict(),
        "auc": _auc(logits, labels).as_dict(),
        "best_accuracy": best_accuracy(logits, labels),
    }


def best_accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The highest accuracy any threshold gives on these very images; with one label, 1."""
    fakes = int(labels.sum())
    if not 0 < fakes < len(labels):
        return 1.0
    false_alarms, found, _ = roc_curve(labels, logits)
    return float((found * fakes + (1 - false_alarms) * (len(labels) - fakes)).max() / len(labels))


def failure(baseline: dict, row: dict) -> str:
    """ "none", "threshold" or "signal": why accuracy fell.

    It fell by less than NOTICED: none. Else, if the best accuracy any threshold could give fell by less than half as
    much, most of the loss is the threshold's: real and fake are still told apart, at another one. Else the signal is lost.
    """
    fall = baseline["accuracy"]["value"] - row["accuracy"]["value"]
    if fall < NOTICED:
        return "none"
    lost = baseline["best_accuracy"] - row["best_accuracy"]
    return "threshold" if lost < fall / 2 else "signal"


def meaning(baseline: dict, rows: list[dict]) -> str:
    """One sentence from the numbers: the worst row, and which kind of failure it is."""
    if not rows:
        return "Nothing was tried."
    worst = min(rows, key=lambda row: row["accuracy"]["value"])
    before, after = baseline["accuracy"]["value"], worst["accuracy"]["value"]
    where = f"{transforms.named(worst['transform']).title} ({worst['unit']} {worst['strength']:g})"
    kind = failure(baseline, worst)
    if kind == "none":
        return f"Nothing tried here takes as much as a point from its {before:.1%}; the worst is {where} with {after:.1%}."
    towards = _towards(worst)
    if kind == "threshold":
        return (
            f"Worst is {where}: {before:.1%} falls to {after:.1%}, {towards}; a threshold failure, because another threshold would "
            f"still give {worst['best_accuracy']:.1%}{_auc_words(baseline, worst)}."
        )
    return (
        f"Worst is {where}: {before:.1%} falls to {after:.1%}, {towards}; the signal itself suffers, because even the best "
        f"threshold gives only {worst['best_accuracy']:.1%}{_auc_words(baseline, worst)}."
    )


def _towards(row: dict) -> str:
    real, fake = row["real"]["value"], row["fake"]["value"]
    if real is None or fake is None:
        return "with one label only"
    called = "real" if real > fake else "fake"
    return f"because nearly everything is called {called}" if abs(real - fake) > 0.5 else f"real {real:.1%}, fake {fake:.1%}"


def _auc_words(baseline: dict, row: dict) -> str:
    if row["auc"]["value"] is None:
        return ""
    return f" (AUC {baseline['auc']['value']:.3f}, then {row['auc']['value']:.3f})"


def _auc(logits: np.ndarray, labels: np.ndarray) -> Estimate:
    if not 0 < labels.sum() < len(labels):
        return UNDEFINED
    order = np.unique(logits, return_inverse=True)[1]  # ranks keep ties and make sums exact
    weights = bootstrap_counts(labels, AUC_RESAMPLES)
    return percentile(float(roc_auc_score(labels, logits)), _weighted_aucs(weights, order, labels))


def _weighted_aucs(weights: np.ndarray, ranks: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(B,) AUCs of weighted images, ties counting half: Σ reals below + half of those level, over fakes · reals."""
    levels = int(ranks.max()) + 1
    found = np.empty(len(weights))
    for i, row in enumerate(weights):
        fakes = np.bincount(ranks, row * labels, levels)
        reals = np.bincount(ranks, row * (1 - labels), levels)
        below = np.cumsum(reals) - reals / 2
        found[i] = (fakes * below).sum() / (fakes.sum() * reals.sum())
    return found
