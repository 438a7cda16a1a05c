"""Whether a run's probabilities can be believed, and one number that mends them: the temperature.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", temperature scaling. Fitted on validation, judged on
test. It changes no verdict at 0.5 and no ranking.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from cifake_core.detectors.runs import Run
from cifake_core.errors import BadInput
from cifake_core.evaluation import evaluating
from cifake_core.metrics import scores
from cifake_core.metrics.intervals import Estimate
from cifake_core.store.workspace import Workspace

BOUNDS = (0.05, 20.0)  # beyond these the validation images no longer decide
SHOWN = ("ece", "loss", "brier")


@dataclass(frozen=True)
class Calibration:
    """Probabilities before and after logit / temperature, on test images."""

    temperature: float  # above 1: the network was too sure of itself
    at_bound: bool  # the best temperature lies outside BOUNDS: no mistake, or no signal, on validation
    n_validation: int
    n_test: int
    before: dict[str, Estimate]  # ece, loss and brier
    after: dict[str, Estimate]

    @property
    def meaning(self) -> str:
        """One sentence."""
        if self.at_bound:
            return "Validation gives no finite temperature: the verdicts there are all right, or no better than guessing."
        before, after = self.before["ece"], self.after["ece"]
        word = "too sure of itself" if self.temperature > 1 else "not sure enough"
        effect = "falls" if after.value < before.value else "does not fall: it goes"
        return (
            f"The network is {word} (temperature {self.temperature:.2f}); divided by it, the calibration error on test {effect} from "
            f"{before.value:.2%} to {after.value:.2%}."
        )

    def as_dict(self) -> dict:
        return {
            "temperature": self.temperature,
            "at_bound": self.at_bound,
            "n_validation": self.n_validation,
            "n_test": self.n_test,
            "before": {name: estimate.as_dict() for name, estimate in self.before.items()},
            "after": {name: estimate.as_dict() for name, estimate in self.after.items()},
            "meaning": self.meaning,
        }


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T > 0 within BOUNDS for which logits / T have the least mean cross-entropy; both (n,). Raises BadInput for none."""
    if not len(logits) or len(logits) != len(labels):
        raise BadInput(f"A temperature needs as many scores as labels, and at least one; got {len(logits)} and {len(labels)}.")
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    low, high = np.log(BOUNDS)
    # the cross-entropy is convex in 1/T, so it has one minimum in log T as well
    best = minimize_scalar(
        lambda log_t: float(scores.cross_entropy(logits * np.exp(-log_t), labels).mean()),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(best.x))


def fitted(workspace: Workspace, run: Run) -> float | None:
    """The temperature from the run's validation predictions; None where validation gives no finite one. Raises NotFound."""
    validation = evaluating.predictions(workspace, run, "validation")
    found = temperature(validation["logit"].to_numpy(np.float64), validation["label"].to_numpy())
    return None if _at_bound(found) else found


def _at_bound(found: float) -> bool:
    return bool(found < BOUNDS[0] * 1.01 or found > BOUNDS[1] / 1.01)


def calibration(workspace: Workspace, run: Run, resamples: int = scores.RESAMPLES) -> Calibration:
    """Temperature from the run's validation predictions; ECE, loss and Brier on test before and after. Raises NotFound."""
    validation, test = (evaluating.predictions(workspace, run, split) for split in ("validation", "test"))
    found = temperature(validation["logit"].to_numpy(np.float64), validation["label"].to_numpy())
    logits, labels = test["logit"].to_numpy(np.float64), test["label"].to_numpy()
    before, after = (scores.evaluate(z, labels, resamples=resamples) for z in (logits, logits / found))
    return Calibration(
        temperature=found,
        at_bound=_at_bound(found),
        n_validation=len(validation),
        n_test=len(test),
        before={name: before[name] for name in SHOWN},
        after={name: after[name] for name in SHOWN},
    )
