"""Maps as a page shows them: taken from those kept of the whole set, else computed now for the few images on the screen.

It also puts them on one scale. It knows maps, not pages.
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.detectors.loading import Detector
from cifake_core.detectors.places import AFTER_RELU
from cifake_core.detectors.runs import Run
from cifake_core.explanations import methods, stored_maps
from cifake_core.explanations.cam import Maps
from cifake_core.explanations.stored_maps import StoredMaps
from cifake_core.store.workspace import Workspace

STRONG = 0.99  # quantile of all scales that a shared scale calls full: one odd image would else darken all others


@dataclass(frozen=True)
class Question:
    """What is asked of a run: a method, the layers it looks at, the label it speaks for, and where feature maps are taken."""

    method: str = "gradcam"
    layers: tuple[str, ...] = ()  # (): the last convolution; ignored by methods that look at the input
    target: str = "verdict"
    place: str = AFTER_RELU  # or before it: `places.PLACES`; ignored by methods that look at the input

    def layer_name(self, names: list[str]) -> str:
        """How kept maps call the layers. `names`: the network's convolutions."""
        if not methods.uses_layers(self.method):
            return methods.SIZE_OF_INPUT
        return "+".join(dict.fromkeys(self.layers)) or names[-1]


def kept_of(workspace: Workspace, run: Run, split: str, asked: Question, names: list[str]) -> StoredMaps | None:
    """The maps of the whole part if they were computed before. Raises Damaged."""
    return stored_maps.stored(workspace, run, split, asked.method, asked.layer_name(names), asked.target, asked.place)


def maps_of(kept: StoredMaps | None, detector: Detector, pixels: np.ndarray, rows: np.ndarray, asked: Question) -> Maps:
    """Maps of the images at those rows of pixels uint8 (n, 3, H, W), in that order."""
    if kept is not None:
        return kept.maps(rows)
    few = np.ascontiguousarray(pixels[rows])
    return methods.maps(detector, few, asked.method, asked.layers or None, asked.target, place=asked.place)


def values(maps: Maps, strongest: float | None = None) -> np.ndarray:
    """What is drawn: the signed maps where there are such, else the others, float32 (n, H, W).

    `strongest`: the scale that counts as full, shared by all images; None: each image is drawn as `feature_maps.scaled`
    leaves it, from its own minimum to its own maximum.
    """
    drawn = maps.heat if maps.signed is None else maps.signed
    if strongest is None or maps.scale is None:
        return drawn
    return drawn * (maps.scale / max(strongest, 1e-30))[:, None, None]


def strongest_of(kept: StoredMaps | None, maps: Maps) -> tuple[float, bool] | None:
    """(the scale that counts as full, whether it is that of the whole set); None where the method has no common unit."""
    if maps.scale is None or not len(maps.scale):
        return None
    scales = maps.scale if kept is None else kept.scale
    return float(np.quantile(scales, STRONG)), kept is not None


def limits(signed: bool, low: float, high: float) -> tuple[float, float]:
    """The values of the first and the last colour for a range [low, high] ⊂ [0, 1] that a user chose."""
    return (-high, high) if signed else (low, high)


def precomputable(run: Run, asked: Question, split: str = "test") -> dict:
    """Arguments of the step that keeps these maps for the whole part."""
    return {
        "run_id": run.id,
        "split": split,
        "method": asked.method,
        "layer": ",".join(asked.layers) or None,
        "target": asked.target,
        "place": asked.place,
    }
