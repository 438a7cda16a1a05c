"""One image explained in every way at once: a sheet of methods × layers, and what the network says as pixels go and come.

It returns plain arrays; how far such maps can be trusted over many images is trust.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cifake_core.detectors.loading import Detector
from cifake_core.detectors.places import AFTER_RELU
from cifake_core.explanations import cam, faithfulness, methods
from cifake_core.explanations.asking import logits_of
from cifake_core.progress import Progress, silent

RANDOM = "randomcam"


@dataclass(frozen=True)
class Curves:
    """Probability of the explained label as the most relevant pixels are removed from the image, and return to a blurred one."""

    deletion: np.ndarray  # (STEPS + 1,)
    insertion: np.ndarray  # (STEPS + 1,)

    @property
    def deletion_area(self) -> float:
        """Low where the map names the pixels that matter."""
        return float(faithfulness.area(self.deletion[None])[0])

    @property
    def insertion_area(self) -> float:
        """High where it does."""
        return float(faithfulness.area(self.insertion[None])[0])


@dataclass(frozen=True)
class Cell:
    """One map of the sheet."""

    method: str
    layer: str  # "input" for methods that look at no layer
    values: np.ndarray  # float32 (H, W): in [0, 1], or in [-1, 1] where signed
    signed: bool
    empty: bool  # no evidence for the label was found
    even: bool  # evidence, the same everywhere
    explained: int  # the label it speaks for, 1 = fake
    curves: Curves


def sheet(
    detector: Detector,
    pixels: np.ndarray,
    asked: Sequence[str],
    layers: Sequence[str],
    target: str = "verdict",
    on_progress: Progress = silent,
    place: str = AFTER_RELU,
) -> list[Cell]:
    """Maps of pixels uint8 (3, H, W) by each method at each layer; methods that look at the input come once. `place`: of
    the feature maps.
    """
    pairs = [(method, layer) for method in asked for layer in (layers if methods.uses_layers(method) else [None])]
    found = []
    for done, (method, layer) in enumerate(pairs):
        on_progress(done, len(pairs), methods.title(method))
        maps = methods.maps(detector, pixels[None], method, layer, target, place=place)
        values = maps.heat if maps.signed is None else maps.signed
        found.append(
            Cell(
                method,
                layer or methods.SIZE_OF_INPUT,
                values[0],
                maps.signed is not None,
                bool(maps.empty[0]),
                bool(maps.even[0]),
                int(maps.explained[0]),
                curves(detector, pixels, maps),
            )
        )
    return found


def curves(detector: Detector, pixels: np.ndarray, maps: cam.Maps, row: int = 0) -> Curves:
    """Faithfulness of one map of pixels uint8 (3, H, W): see `faithfulness.deletion` and `.insertion`."""
    images = pixels[None].astype(np.float32) / 255
    given = (lambda batch: logits_of(detector, batch)), images, maps.heat[row : row + 1], maps.explained[row : row + 1]
    return Curves(faithfulness.deletion(*given)[0], faithfulness.insertion(*given)[0])
