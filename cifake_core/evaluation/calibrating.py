"""Whether a run's probabilities can be believed, and which calibrator mends them: none, a temperature, or a scale and a bias.

Fitted and chosen on validation, judged on test. `calibrator` is the one place that says which one verdicts use.
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.detectors.runs import Run
from cifake_core.errors import NotFound
from cifake_core.evaluation import evaluating
from cifake_core.metrics import calibration as calibrators
from cifake_core.metrics import scores
from cifake_core.metrics.calibration import AS_IT_IS, Calibrator
from cifake_core.metrics.intervals import Estimate
from cifake_core.store.workspace import Workspace

SHOWN = ("ece", "loss", "brier")
TITLES = {"none": "as it is", "temperature": "temperature", "platt": "scale and bias"}


@dataclass(frozen=True)
class Way:
    """One calibrator: fitted on validation, and what its probabilities are worth on test."""

    calibrator: Calibrator
    validation_loss: float  # cross-validated on validation, nats
    test: dict[str, Estimate]  # ece, loss and brier
    excess: Estimate  # mean predicted probability of fake minus the observed share, on test

    @property
    def title(self) -> str:
        """What was fitted, with its values."""
        return titled(self.calibrator)

    def as_dict(self) -> dict:
        return {
            **self.calibrator.as_dict(),
            "title": self.title,
            "at_bound": self.calibrator.at_bound,
            "validation_loss": self.validation_loss,
            **{name: estimate.as_dict() for name, estimate in self.test.items()},
            "predicted_minus_observed": self.excess.as_dict(),
        }


@dataclass(frozen=True)
class Calibration:
    """A run's own probabilities beside those of each calibrator, on test images."""

    ways: dict[str, Way]  # by name: none, temperature, platt
    chosen: str  # by cross-validated loss on validation
    slope: Estimate  # of a logistic regression on the logit, test; below 1 = overconfident
    n_validation: int
    n_test: int

    @property
    def calibrator(self) -> Calibrator:
        """The one that verdicts use."""
        return self.ways[self.chosen].calibrator

    @property
    def meaning(self) -> str:
        """What the figures say, in a few sentences; each has a branch for how it could come out."""
        own, mended = self.ways["none"], self.ways[self.chosen]
        found = [f"On test, the network as it is {said_of_excess(own.excess)} and {said_of_slope(self.slope)}."]
        if self.chosen == "none":
            return " ".join([*found, "Verdicts use its own probabilities: no calibrator lowers the cross-validated loss on validation by more than its standard error."])
        found.append(f"Verdicts use {mended.title}, chosen by cross-validated loss on validation.")
        found.append(f"{said_of_change(own.test['ece'], mended.test['ece'])}; mended, it {said_of_excess(mended.excess)}.")
        return " ".join(found)

    def as_dict(self) -> dict:
        return {
            "chosen": self.chosen,
            "threshold": self.calibrator.threshold,
            "slope": self.slope.as_dict(),
            "n_validation": self.n_validation,
            "n_test": self.n_test,
            "ways": {name: way.as_dict() for name, way in self.ways.items()},
            "meaning": self.meaning,
        }


def titled(calibrator: Calibrator) -> str:
    """The calibrator with its values: "temperature 1.40", "scale 0.70 and bias −0.52"."""
    if calibrator.name == "temperature":
        return f"temperature {1 / calibrator.scale:.2f}"
    if calibrator.name == "platt":
        return f"scale {calibrator.scale:.2f} and bias {calibrator.bias:+.2f}".replace("-", "−")
    return TITLES["none"]


def said_of_excess(excess: Estimate) -> str:
    """Over-predicts or under-predicts fake, by how many points; or neither can be shown."""
    if excess.low > 0 or excess.high < 0:
        verb = "over-predicts" if excess.value > 0 else "under-predicts"
        return f"{verb} fake by {points(excess)}"
    return f"predicts as many fakes as there are, as far as can be told: {points(excess, signed=True)}"


def points(estimate: Estimate, *, signed: bool = False) -> str:
    """An estimated share in percentage points with its interval; without sign it is the size."""
    value, low, high = (100 * x for x in (estimate.value, estimate.low, estimate.high))
    if signed:
        return f"{value:+.2f} points ({low:+.2f} to {high:+.2f})".replace("-", "−")
    low, high = sorted((abs(low), abs(high)))
    return f"{abs(value):.2f} points ({low:.2f} – {high:.2f})"


def said_of_slope(slope: Estimate) -> str:
    """Overconfident or underconfident, by the slope; or neither can be shown."""
    if slope.value is None:
        return "its test images decide no slope, so nothing is said of its confidence"
    figures = f"slope {slope.value:.2f} ({slope.low:.2f} – {slope.high:.2f})"
    if slope.high < 1:
        return f"is overconfident ({figures}, 1 is right)"
    if slope.low > 1:
        return f"is underconfident ({figures}, 1 is right)"
    return f"is neither over- nor underconfident as far as can be told ({figures})"


def said_of_change(before: Estimate, after: Estimate) -> str:
    """Whether the calibration error changed: only where the intervals are apart."""
    from_to = f"from {before.value:.4f} ({before.low:.4f} – {before.high:.4f}) to {after.value:.4f} ({after.low:.4f} – {after.high:.4f})"
    if after.high < before.low:
        return f"Its calibration error falls {from_to}"
    if after.low > before.high:
        return f"Its calibration error rises {from_to}"
    return f"There is no clear change of its calibration error: {from_to}, the intervals overlap"


def calibrator(workspace: Workspace, run: Run) -> Calibrator:
    """The calibrator that verdicts on a run's logits use: fitted and chosen on its validation predictions alone.

    The network's own probabilities where there are none, or too few of a label. Raises Damaged.
    """
    try:
        return _chosen(*_fitted(*_logits(workspace, run, "validation")))
    except NotFound:  # a run without validation predictions
        return AS_IT_IS


def calibration(workspace: Workspace, run: Run, resamples: int = scores.RESAMPLES) -> Calibration:
    """Every calibrator from the run's validation predictions; ECE, loss, Brier and the mean gap on test. Raises NotFound."""
    validation, (logits, labels) = (_logits(workspace, run, split) for split in ("validation", "test"))
    fitted, losses = _fitted(*validation)
    ways = {}
    for name, one in fitted.items():
        found = scores.threshold_free(one.logit(logits), labels, resamples)
        ways[name] = Way(one, float(losses[name].mean()), {measure: found[measure] for measure in SHOWN}, calibrators.excess(one.probability(logits), labels))
    return Calibration(ways, _chosen(fitted, losses).name, calibrators.slope(logits, labels), len(validation[0]), len(logits))


def _logits(workspace: Workspace, run: Run, split: str) -> tuple[np.ndarray, np.ndarray]:
    """logits float64 (n,) and labels (n,) of one split."""
    found = evaluating.predictions(workspace, run, split)
    return found["logit"].to_numpy(np.float64), found["label"].to_numpy()


def _fitted(logits: np.ndarray, labels: np.ndarray) -> tuple[dict[str, Calibrator], dict[str, np.ndarray]]:
    """Every calibrator fitted on those images, and its cross-validated losses (n,) on them."""
    names = list(calibrators.FITS) if calibrators.enough(labels) else ["none"]
    return {name: calibrators.FITS[name](logits, labels) for name in names}, {name: calibrators.cross_validated_losses(name, logits, labels) for name in names}


def _chosen(fitted: dict[str, Calibrator], losses: dict[str, np.ndarray]) -> Calibrator:
    return fitted[calibrators.choose(fitted, losses)]
