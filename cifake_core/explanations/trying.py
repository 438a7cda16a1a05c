"""One image file of anybody's before a run: what was done to it first, the verdict and the heatmap."""

from dataclasses import dataclass

import numpy as np

from cifake_core.detectors.community_forensics import preprocessing
from cifake_core.detectors.community_forensics.models import Model
from cifake_core.detectors.networks import SIDE
from cifake_core.explanations import methods
from cifake_core.explanations.cam import Layers, Maps, Target
from cifake_core.explanations.predictor import Predictor, through_jpeg
from cifake_core.explanations.verdict import OUTSIDE, Verdict
from cifake_core.images import codec


@dataclass(frozen=True)
class Stage:
    """One thing done to the image on its way to the network."""

    title: str
    meaning: str  # one sentence
    pixels: np.ndarray  # uint8 (H, W, 3), after it


@dataclass(frozen=True)
class Tried:
    """The verdict on one image, and how the image came before the network."""

    name: str
    format: str  # JPEG, PNG, WEBP or BMP
    stages: tuple[Stage, ...]  # the first is the file as decoded, the last what the network saw
    verdict: Verdict
    maps: Maps  # of one image
    warnings: tuple[str, ...]  # one sentence each

    @property
    def heat(self) -> np.ndarray:
        """float32 (32, 32) in [0, 1]: what spoke for the label asked about; all zero = no evidence."""
        return self.maps.heat[0]

    @property
    def seen(self) -> np.ndarray:
        """uint8 (32, 32, 3), or as large as the network looks at: the pixels it was given."""
        return self.stages[-1].pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the file."""
        height, width = self.stages[0].pixels.shape[:2]
        return width, height


def try_image(
    predictor: Predictor,
    data: bytes,
    *,
    name: str,
    jpeg: bool,
    method: str = "gradcam",
    layer: Layers = None,
    target: Target = "verdict",
) -> Tried:
    """Decode, crop, shrink, encode as asked, judge, explain. Raises BadInput for what is no image.

    `jpeg`: bring the image through the JPEG path of CIFAKE's files (quality 75, 4:2:0), unless it is a 32-pixel JPEG
    already. Wanted where the detector learned from JPEGs: other pixels would be told by their codec.
    """
    decoded = codec.decode_file(data, name=name)
    stages, verdict = judged(predictor, decoded, jpeg)
    seen = stages[-1].pixels
    images = np.ascontiguousarray(seen.transpose(2, 0, 1))[None]
    return Tried(
        name=name,
        format=decoded.format,
        stages=stages,
        verdict=verdict,
        maps=methods.maps(predictor.detector, images, method, layer, target),
        warnings=tuple(_warnings(decoded, jpeg, len(seen), verdict, predictor)),
    )


def judged(predictor: Predictor, decoded: codec.Decoded, jpeg: bool) -> tuple[tuple[Stage, ...], Verdict]:
    """What was done to a decoded file, and the verdict on what came of it: `try_image` without a heatmap."""
    stages = prepared(decoded, jpeg, getattr(predictor.detector.network, "model", None))
    height, width = decoded.pixels.shape[:2]
    return stages, predictor.verdict(stages[-1].pixels, (width, height), done_to(stages))


def done_to(stages: tuple[Stage, ...]) -> str:
    """What was done to the file, in words: "cropped to its middle square, shrunk from 3024 × 4032"; "" for nothing."""
    height, width = stages[0].pixels.shape[:2]
    words = {
        "Cropped": "cropped to its middle square",
        "Shrunk": f"shrunk from {width} × {height}",
        "Enlarged": f"enlarged from {width} × {height}",
        "Encoded": "saved as CIFAKE's files are (JPEG 75)",
    }
    return ", ".join(words[stage.title] for stage in stages[1:])


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
            stages.append(Stage("Encoded", "Saved as CIFAKE's files are: JPEG quality 75, 4:2:0.", through_jpeg(pixels)))
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
        pixels = through_jpeg(pixels)
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


def _warnings(decoded: codec.Decoded, jpeg: bool, side: int, verdict: Verdict, predictor: Predictor) -> list[str]:
    height, width = decoded.pixels.shape[:2]
    found = []
    if predictor.check is None and predictor.unchecked is None and verdict.word != OUTSIDE:
        found.append("This detector was trained elsewhere, so whether the image lies outside its training domain is not checked.")
    if side != SIDE and min(height, width) < side:
        found.append(f"The image has only {width} × {height} pixels and had to be enlarged to {side}; detail was made up.")
    if side == SIDE and not jpeg and decoded.format != "JPEG":
        found.append(f"The file is a {decoded.format}; a network that learned from JPEGs may answer to the format.")
    return found
