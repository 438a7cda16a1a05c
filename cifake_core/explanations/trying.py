"""One image of anybody's, put before a detector: what was done to it first, the verdict, the map, and how firm it is.

A verdict that flips when the same picture is compressed or resized once more says more about the file than about the
picture; it is called unsure. This knows a network and bytes; it does not know pages.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from cifake_core.detectors.community_forensics import preprocessing
from cifake_core.detectors.community_forensics.models import Model
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import SIDE
from cifake_core.explanations import methods
from cifake_core.explanations.altering import MARGIN, probabilities
from cifake_core.explanations.cam import Layers, Maps, Target
from cifake_core.images import codec
from cifake_core.metrics.calibration import AS_IT_IS, Calibrator

RESIZED = 26  # pixels of 32: the side of the small resize of the check, down and up again


@dataclass(frozen=True)
class Stage:
    """One thing done to the image on its way to the network."""

    title: str
    meaning: str  # one sentence
    pixels: np.ndarray  # uint8 (H, W, 3), after it


@dataclass(frozen=True)
class Check:
    """The same picture treated once more, and what the network says then."""

    name: str
    pixels: np.ndarray  # uint8 (32, 32, 3)
    fake_probability: float


@dataclass(frozen=True)
class Tried:
    """What a detector says of one image, and how the image came before it."""

    name: str
    format: str  # JPEG, PNG, WEBP or BMP
    stages: tuple[Stage, ...]  # the first is the file as decoded, the last what the network saw
    fake_probability: float  # calibrated
    calibrator: Calibrator  # what made a probability of the logit
    maps: Maps  # of one image
    checks: tuple[Check, ...]
    warnings: tuple[str, ...]  # one sentence each
    reasons: tuple[str, ...]  # why the verdict is unsure; none = it is firm

    @property
    def heat(self) -> np.ndarray:
        """float32 (32, 32) in [0, 1]: what spoke for the label asked about; all zero = no evidence."""
        return self.maps.heat[0]

    @property
    def seen(self) -> np.ndarray:
        """uint8 (32, 32, 3), or as large as the network looks at: the pixels it was given."""
        return self.stages[-1].pixels

    @property
    def label(self) -> int:
        """The likelier label, 1 = fake."""
        return int(self.fake_probability >= 0.5)

    @property
    def verdict(self) -> str:
        """fake, real or unsure."""
        return "unsure" if self.reasons else ("real", "fake")[self.label]


def try_image(
    detector: Detector,
    data: bytes,
    *,
    name: str,
    jpeg: bool,
    calibrator: Calibrator = AS_IT_IS,
    method: str = "gradcam",
    layer: Layers = None,
    target: Target = "verdict",
) -> Tried:
    """Decode, crop, shrink, encode as asked, score, explain, check. Raises BadInput for what is no image.

    `jpeg`: bring the image through the JPEG path of CIFAKE's files (quality 75, 4:2:0), unless it is a 32-pixel JPEG
    already. Wanted where the detector learned from JPEGs: other pixels would be told by their codec.
    """
    decoded = codec.decode_file(data, name=name)
    model = getattr(detector.network, "model", None)
    stages = prepared(decoded, jpeg, model)
    seen = stages[-1].pixels
    small = round(len(seen) * RESIZED / SIDE)
    variants = {"JPEG once more": _through_jpeg(seen), f"Shrunk to {small} px and back": _resized(seen, small)}
    images = np.stack([seen, *variants.values()]).transpose(0, 3, 1, 2)
    found = [float(p) for p in probabilities(detector, images, calibrator)]
    checks = tuple(Check(*variant, p) for variant, p in zip(variants.items(), found[1:], strict=True))
    return Tried(
        name=name,
        format=decoded.format,
        stages=stages,
        fake_probability=found[0],
        calibrator=calibrator,
        maps=methods.maps(detector, np.ascontiguousarray(images[:1]), method, layer, target),
        checks=checks,
        warnings=tuple(_warnings(decoded, jpeg, len(seen))),
        reasons=tuple(_reasons(found[0], checks)),
    )


def prepared(decoded: codec.Decoded, jpeg: bool, model: Model | None = None) -> tuple[Stage, ...]:
    """Everything done between the file and the network, in order; what was not needed is not listed.

    `model`: of a detector that looks at large pictures, and resizes and crops them as it was published.
    """
    pixels = decoded.pixels
    height, width = pixels.shape[:2]
    stages = [Stage("The file", f"{decoded.format}, {width} × {height} pixels, as decoded.", pixels)]
    if model:
        stages += _published(pixels, model)
        pixels = stages[-1].pixels
        if jpeg:
            stages.append(Stage("Encoded", "Saved as CIFAKE's files are: JPEG quality 75, 4:2:0.", _through_jpeg(pixels)))
        return tuple(stages)
    if height != width:
        side = min(height, width)
        pixels = _middle_square(pixels)
        stages.append(
            Stage("Cropped", f"The middle square, {side} × {side}; what lies outside is not looked at.", pixels)
        )
    if pixels.shape[0] != SIDE:
        verb = "Shrunk" if pixels.shape[0] > SIDE else "Enlarged"
        pixels = codec.shrink(pixels, SIDE)
        stages.append(Stage(verb, f"To {SIDE} × {SIDE} with antialiasing, as CIFAKE's fakes were.", pixels))
    if jpeg and (decoded.format != "JPEG" or len(stages) > 1):
        pixels = _through_jpeg(pixels)
        stages.append(Stage("Encoded", "Saved as CIFAKE's files are: JPEG quality 75, 4:2:0.", pixels))
    return tuple(stages)


def _published(pixels: np.ndarray, model: Model) -> list[Stage]:
    """The short side resized, then the middle square: Park and Owens' test transform."""
    stages = []
    grown = preprocessing.resized(pixels, model)
    if grown.shape != pixels.shape:
        verb = "Shrunk" if len(grown) < len(pixels) else "Enlarged"
        stages.append(Stage(verb, f"Its short side to {model.resize} pixels, as the detector was published.", grown))
    middle = preprocessing.cropped(grown, model)
    if middle.shape != grown.shape:
        meaning = f"The middle {model.crop} × {model.crop}; what lies outside is not looked at."
        stages.append(Stage("Cropped", meaning, middle))
    return stages


def _middle_square(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def _through_jpeg(pixels: np.ndarray) -> np.ndarray:
    return codec.decode(codec.encode_jpeg(pixels))


def _resized(pixels: np.ndarray, side: int) -> np.ndarray:
    small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    return np.array(small.resize(pixels.shape[1::-1], Image.Resampling.BICUBIC))


def _warnings(decoded: codec.Decoded, jpeg: bool, side: int) -> list[str]:
    height, width = decoded.pixels.shape[:2]
    found = []
    if side != SIDE:
        if min(height, width) < side:
            found.append(f"The image has only {width} × {height} pixels and had to be enlarged to {side}; detail was made up.")
        return found
    if max(height, width) < SIDE:
        found.append(f"The image has only {width} × {height} pixels and had to be enlarged; detail was made up.")
    elif (height, width) != (SIDE, SIDE):
        found.append(
            f"The image is {width} × {height}, the network looks at {SIDE} × {SIDE}: most of the detail is gone before it looks."
        )
    if not jpeg and decoded.format != "JPEG":
        found.append(f"The file is a {decoded.format}; a network that learned from JPEGs may answer to the format.")
    return found


def _reasons(probability: float, checks: tuple[Check, ...]) -> list[str]:
    found = []
    if abs(probability - 0.5) < MARGIN:
        found.append(f"the probability of fake, {probability:.0%}, is close to one half")
    for check in checks:
        if (check.fake_probability >= 0.5) != (probability >= 0.5):
            found.append(
                f"the verdict flips to {check.fake_probability:.0%} fake when the image is {_lower(check.name)}"
            )
    return found


def _lower(name: str) -> str:
    return {"JPEG once more": "saved as a JPEG once more"}.get(name, name[0].lower() + name[1:])
