"""One image, changed bit by bit: what would the verdict be if the file were compressed, blurred, recoloured or masked?

The alterations are those of evaluation/transforms.py, in a fixed order: masked where a mask says, cropped, recoloured,
blurred, made noisy, compressed last, as a file is on its way through the world. It knows no pages.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from cifake_core.detectors.loading import Detector
from cifake_core.detectors.scoring import logits_of, on_device
from cifake_core.errors import BadInput
from cifake_core.evaluation import transforms
from cifake_core.explanations import methods, treating
from cifake_core.explanations.cam import Layers, Maps, Target
from cifake_core.explanations.predictor import Predictor
from cifake_core.explanations.verdict import Verdict
from cifake_core.metrics.calibration import AS_IT_IS, Calibrator

MASKED = ("nothing", "background", "entity")
FILLS = ("mean", "blur", "low", "high")  # of `treating.TREATMENTS`
POINTS = 13  # of a trace: where a verdict flips is then known to a twelfth of the slider


@dataclass(frozen=True)
class Control:
    """One slider: `neutral` leaves the image as it is."""

    name: str
    title: str
    unit: str
    low: float
    high: float
    step: float
    neutral: float
    apply: Callable[[np.ndarray, float, int], np.ndarray]  # uint8 (n, 3, H, W), strength, seed


CONTROLS = (
    Control("crop", "Crop", "share of each side that stays", 0.5, 1.0, 0.05, 1.0, transforms.crop),
    Control("saturation", "Saturation", "0 = gray, 1 = as it is", 0.0, 2.0, 0.05, 1.0, transforms.saturation),
    Control("hue", "Hue", "of a full circle", -0.5, 0.5, 0.02, 0.0, transforms.hue),
    Control("blur", "Blur", "sigma in pixels", 0.0, 3.0, 0.1, 0.0, transforms.blur),
    Control("noise", "Noise", "sigma in levels of 255", 0.0, 40.0, 1.0, 0.0, transforms.noise),
    Control("jpeg", "JPEG quality", "100 = not compressed again", 5.0, 100.0, 1.0, 100.0, transforms.jpeg),
)  # in the order in which they are applied


@dataclass(frozen=True)
class Alterations:
    """What is done to the image; the default is nothing. `masked`: which side of the mask is taken away, and how (`fill`)."""

    crop: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 100.0
    masked: str = "nothing"
    fill: str = "mean"

    def __post_init__(self) -> None:
        for control in CONTROLS:
            value = getattr(self, control.name)
            if not control.low <= value <= control.high:
                raise BadInput(
                    f"{control.title} of {value:g} is out of range; take {control.low:g} to {control.high:g}."
                )
        if self.masked not in MASKED or self.fill not in FILLS:
            raise BadInput(
                f"Cannot mask {self.masked!r} by {self.fill!r}; take {', '.join(MASKED)} and {', '.join(FILLS)}."
            )

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the fields that change something."""
        return tuple(f.name for f in fields(self) if f.name != "fill" and getattr(self, f.name) != f.default)


@dataclass(frozen=True)
class Answer:
    """The verdicts on the image before and after the edit, and where the network looks after."""

    pixels: np.ndarray  # uint8 (3, H, W), after
    before: Verdict  # the headline's, of the unaltered image
    after: Verdict  # the same where nothing was altered
    maps: Maps  # of one image: the altered one

    @property
    def flipped(self) -> bool:
        return self.before.label != self.after.label


@dataclass(frozen=True)
class Trace:
    """The probability of fake along one slider, all others held where they are."""

    control: Control
    values: np.ndarray  # float (POINTS,)
    probabilities: np.ndarray  # float (POINTS,)
    here: float  # where the slider stands


def altered(pixels: np.ndarray, wanted: Alterations, mask: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """uint8 (3, H, W) → uint8 (3, H, W). `mask`: bool (H, W), true on the entity; raises BadInput where one is needed."""
    images = pixels[None]
    if wanted.masked != "nothing":
        if mask is None:
            raise BadInput(
                f"The {wanted.masked} can be taken away once there is a mask; draw one, or choose a guessed one."
            )
        region = mask if wanted.masked == "entity" else ~mask
        without = treating.treated(images.astype(np.float32) / 255, region[None], wanted.fill)
        images = np.rint(without * 255).clip(0, 255).astype(np.uint8)
    for control in CONTROLS:
        value = getattr(wanted, control.name)
        if value != control.neutral:
            images = control.apply(images, value, seed)
    return np.ascontiguousarray(images[0])


def probabilities(detector: Detector, images: np.ndarray, calibrator: Calibrator = AS_IT_IS) -> np.ndarray:
    """Probability of fake (n,) of images uint8 (n, 3, H, W), in full precision, calibrated."""
    with detector.lock:
        logits = logits_of(detector.network, on_device(images, detector.device))
    return calibrator.probability(logits)


def asked(
    predictor: Predictor,
    pixels: np.ndarray,
    headline: Verdict,
    wanted: Alterations,
    mask: np.ndarray | None = None,
    *,
    size: tuple[int, int] | None = None,
    method: str = "gradcam",
    layer: Layers = None,
    target: Target = "verdict",
) -> Answer:
    """The answer to "what if?" for uint8 (3, H, W) on which `headline` is the verdict. `size`: of the file, as in `Predictor.verdict`.

    An image that nothing was done to keeps its verdict. Raises BadInput as `altered` and `methods.maps` do.
    """
    new = altered(pixels, wanted, mask)
    after = headline
    if wanted.changed:
        after = predictor.verdict(new.transpose(1, 2, 0), size, headline.evidence.done, headline.fake_probability)
    return Answer(new, headline, after, methods.maps(predictor.detector, new[None], method, layer, target))


def traces(
    detector: Detector,
    pixels: np.ndarray,
    wanted: Alterations,
    mask: np.ndarray | None = None,
    calibrator: Calibrator = AS_IT_IS,
) -> list[Trace]:
    """A trace for every control, all in one batch."""
    values = {c.name: np.linspace(c.low, c.high, POINTS) for c in CONTROLS}
    images = [
        altered(pixels, replace(wanted, **{name: float(value)}), mask)
        for name, along in values.items()
        for value in along
    ]
    answers = probabilities(detector, np.stack(images), calibrator).reshape(len(CONTROLS), POINTS)
    return [
        Trace(control, values[control.name], found, getattr(wanted, control.name))
        for control, found in zip(CONTROLS, answers, strict=True)
    ]
