"""Names of the metrics, and an estimate with its interval as text."""

from cifake_core.metrics.intervals import Estimate

WORDS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall (fakes found)",
    "specificity": "Specificity (reals cleared)",
    "f1": "F1",
    "auc": "AUC",
    "average_precision": "Average precision",
    "loss": "Loss",
    "brier": "Brier score",
    "ece": "Calibration error",
}


def interval(estimate: Estimate, percent: bool = True) -> str:
    """ "92.61 – 93.34 %": the 95 % interval as text."""
    if estimate.low is None:
        return "not defined here"
    return f"{_number(estimate.low, percent)} – {_number(estimate.high, percent)}{' %' if percent else ''}"


def _number(value: float, percent: bool) -> str:
    return f"{100 * value:.2f}" if percent else f"{value:.4f}"


def shown(estimate: Estimate, percent: bool = True) -> str:
    return "–" if estimate.value is None else _number(estimate.value, percent) + (" %" if percent else "")
