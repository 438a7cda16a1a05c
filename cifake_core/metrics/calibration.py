"""Calibrators: from a network's logit to a probability that can be taken at its word, by a scale, or by a scale and a bias.

Sources: Guo et al. 2017 (temperature scaling), Platt 1999 (scale and bias), Cox 1958 (the slope as a measure of confidence).
We differ from Platt: labels are not smoothed.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, ndtri

from cifake_core.errors import BadInput
from cifake_core.metrics.intervals import CONFIDENCE, UNDEFINED, Estimate
from cifake_core.metrics.scores import cross_entropy, fake_probability

TEMPERATURES = (0.05, 20.0)  # beyond these the images no longer decide
_MOST_BIAS = 20.0  # of a logit: a probability of 2e-9
FOLDS = 5  # of the cross-validation that compares calibrators


@dataclass(frozen=True)
class Calibrator:
    """calibrated logit = scale · logit + bias; the default leaves every logit as it is.

    >>> float(Calibrator("platt", scale=0.5, bias=1.0).probability(-2.0))
    0.5
    """

    name: str = "none"  # none, temperature or platt
    scale: float = 1.0  # positive: it changes no ranking
    bias: float = 0.0

    def logit(self, logit: np.ndarray | float) -> np.ndarray:
        """The calibrated logits, float64, of the network's."""
        return np.asarray(logit, np.float64) * self.scale + self.bias

    def probability(self, logit: np.ndarray | float) -> np.ndarray:
        """The calibrated probability of fake, of the network's logits."""
        return fake_probability(self.logit(logit))

    @property
    def threshold(self) -> float:
        """The network's own probability at which the calibrated one is one half."""
        return float(expit(-self.bias / self.scale))

    @property
    def at_bound(self) -> bool:
        """Whether the best values lie outside what images can decide: no mistake, or no signal."""
        low, high = TEMPERATURES
        return bool(not low * 1.01 < 1 / self.scale < high / 1.01 or abs(self.bias) > _MOST_BIAS / 1.01)

    def as_dict(self) -> dict:
        return asdict(self)


AS_IT_IS = Calibrator()


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> Calibrator:
    """The scale 1/T, T within TEMPERATURES, of the least mean cross-entropy; logits and labels (n,). Raises BadInput for none."""
    logits, labels = _checked(logits, labels)
    low, high = np.log(TEMPERATURES)
    # the cross-entropy is convex in 1/T, so it has one minimum in log T as well
    best = minimize_scalar(
        lambda log_t: float(cross_entropy(logits * np.exp(-log_t), labels).mean()),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return Calibrator("temperature", float(np.exp(-best.x)))


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> Calibrator:
    """The scale (as of `fit_temperature`) and bias of the least mean cross-entropy: a logistic regression on the logit."""
    logits, labels = _checked(logits, labels)

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        mended = at[0] * logits + at[1]
        error = expit(mended) - labels
        return float(cross_entropy(mended, labels).mean()), np.array([(error * logits).mean(), error.mean()])

    start = np.array([fit_temperature(logits, labels).scale, 0.0])
    bounds = [(1 / TEMPERATURES[1], 1 / TEMPERATURES[0]), (-_MOST_BIAS, _MOST_BIAS)]
    best = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500})
    return Calibrator("platt", float(best.x[0]), float(best.x[1]))


FITS = {"none": lambda _logits, _labels: AS_IT_IS, "temperature": fit_temperature, "platt": fit_platt}  # simplest first


def cross_validated_losses(name: str, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy (n,) in nats of each image under a calibrator of that name that was fitted on the other folds."""
    logits, labels = _checked(logits, labels)
    fold = np.empty(len(labels), np.int64)
    for label in (0, 1):
        rows = np.random.default_rng(0).permutation(np.flatnonzero(labels == label))
        fold[rows] = np.arange(len(rows)) % FOLDS
    losses = np.empty(len(labels))
    for number in range(FOLDS):
        held = fold == number
        if held.any():
            fitted = FITS[name](logits[~held], labels[~held])
            losses[held] = cross_entropy(fitted.logit(logits[held]), labels[held])
    return losses


def choose(fitted: dict[str, Calibrator], losses: dict[str, np.ndarray]) -> str:
    """The calibrator to use, by cross-validated losses (n,) of each: a simpler one, unless the mean of the paired gain of
    another is more than its standard error. One that the images do not decide is never taken.
    """
    best = "none"
    for name in FITS:
        if name in fitted and not fitted[name].at_bound:
            gain = losses[best] - losses[name]
            best = name if gain.mean() > gain.std() / np.sqrt(len(gain)) else best
    return best


def enough(labels: np.ndarray) -> bool:
    """Whether a calibrator can be fitted and compared: FOLDS images of each label."""
    return bool(min((labels == 0).sum(), (labels == 1).sum()) >= FOLDS)


def slope(logits: np.ndarray, labels: np.ndarray) -> Estimate:
    """The scale a logistic regression gives the logits, with its 95 % Wald interval: below 1 = overconfident, above 1 = underconfident.

    Undefined where one label is missing or the images do not decide it.
    """
    logits, labels = _checked(logits, labels)
    if not enough(labels) or (fitted := fit_platt(logits, labels)).at_bound:
        return UNDEFINED
    p = fitted.probability(logits)
    weight = p * (1 - p)
    information = np.array([[(weight * logits**2).sum(), (weight * logits).sum()], [(weight * logits).sum(), weight.sum()]])
    return _normal(fitted.scale, float(np.sqrt(np.linalg.inv(information)[0, 0])))


def excess(probabilities: np.ndarray, labels: np.ndarray) -> Estimate:
    """Mean predicted probability of fake minus the observed share of fakes; above 0 = over-predicts fake.

    Its 95 % interval is normal, over the choice of images within each label.
    """
    gap = np.asarray(probabilities, np.float64) - np.asarray(labels)
    variance = 0.0
    for label in np.unique(labels):
        of_label = gap[labels == label]
        variance += len(of_label) * (of_label.var(ddof=1) if len(of_label) > 1 else 0.25)
    return _normal(float(gap.mean()), float(np.sqrt(variance)) / len(gap))


def _normal(value: float, error: float) -> Estimate:
    reach = float(ndtri((1 + CONFIDENCE) / 2)) * error
    return Estimate(value, value - reach, value + reach)


def _checked(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(logits) or len(logits) != len(labels):
        raise BadInput(f"A calibration needs as many scores as labels, and at least one; got {len(logits)} and {len(labels)}.")
    return np.asarray(logits, np.float64), np.asarray(labels, np.float64)
