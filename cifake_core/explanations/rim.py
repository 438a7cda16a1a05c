"""How much of the relevance of maps lies in the outermost pixels, and how much of that is there without any learning.

Convolutions pad with noughts, so activations along the border differ whatever the weights are. A bright rim of a mean map
is a finding only as far as the same network on random weights lacks it. It knows maps, not pages.

Measured on 500 test images of CIFAKE with 32x2-64x1 (seed 0), last convolution, share in the outer 2 pixels (area 23.4 %), trained
and on random weights: HiResCAM 27.6 and 21.1 %, LayerCAM 28.7 and 19.0. What else was measured then was before the ReLU;
`python -m benchmarks.before_and_after_relu RUN` gives each method at both places.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cifake_core.explanations import localisation, methods, studies
from cifake_core.explanations.cam import Maps
from cifake_core.explanations.resampling import Mean, Resampled
from cifake_core.explanations.viewing import Question

WIDTH = 2  # pixels of 32 on each side: what padding reaches in the first two convolutions
IMAGES, IMAGES_OF_SLOW = 256, 24  # half of each label


@dataclass(frozen=True)
class Rim:
    """Shares of relevance in the outermost WIDTH pixels, means over images with intervals."""

    area: float  # of the ring: what a map without preference puts there
    trained: Mean
    untrained: Mean | None  # the same network on random weights; None where the method itself knows nothing learned
    excess: Mean | None  # trained less untrained, image by image


def ring(height: int, width: int, thick: int = WIDTH) -> np.ndarray:
    """bool (H, W), true within `thick` pixels of the border."""
    mask = np.ones((height, width), bool)
    mask[thick:-thick, thick:-thick] = False
    return mask


def sampled(labels: np.ndarray, method: str) -> np.ndarray:
    """Rows of the images that are measured."""
    slow = method.removesuffix(methods.RANDOM_WEIGHTS) in methods.SLOW
    return studies.sample(labels, IMAGES_OF_SLOW if slow else IMAGES, seed=0)


def measured(maps_of: Callable[[Question], Maps], asked: Question, labels: np.ndarray) -> Rim:
    """`maps_of`: the maps of the sampled images for a question; `labels` (n,) of those images."""
    resampled = Resampled(labels)
    heat = maps_of(asked).heat
    trained, area = _shares(heat), float(ring(*heat.shape[1:]).mean())
    if asked.method == "randomcam" or asked.method.endswith(methods.RANDOM_WEIGHTS):
        return Rim(area, resampled.mean(trained), None, None)
    untrained = _shares(maps_of(replace(asked, method=asked.method + methods.RANDOM_WEIGHTS)).heat)
    return Rim(area, resampled.mean(trained), resampled.mean(untrained), resampled.mean(trained - untrained))


def _shares(heat: np.ndarray) -> np.ndarray:
    """(n,), not a number for a map without evidence."""
    mask = ring(*heat.shape[1:])
    return localisation.mass_share(heat, np.broadcast_to(mask, heat.shape))


def in_words(rim: Rim) -> str:
    """One sentence, with what follows from the intervals."""
    if rim.trained.estimate.value is None:
        return "None of the maps sampled has evidence, so nothing lies at the rim."
    said = (
        f"The outer {WIDTH} pixels, {rim.area:.0%} of the picture, hold {_share(rim.trained)} of the relevance"
        f"{f', and {_share(rim.untrained)} on random weights' if rim.untrained is not None else ''} "
        f"({rim.trained.n:,} images)"
    )
    return f"{said}: {_follows(rim)}."


def _follows(rim: Rim) -> str:
    bright = rim.trained.estimate.low > rim.area
    if rim.untrained is None or rim.untrained.estimate.low is None:
        return "more than its area, and nothing of it was learned" if bright else "not shown to be more than its area"
    if not bright:
        return "not shown to be more than its area, so no bright rim is shown"
    if rim.untrained.estimate.low > rim.area:
        more = (
            "more than random weights do, so part of it was learned"
            if rim.excess.above
            else "which random weights do as well"
        )
        return f"maps prefer the rim, {more}; convolutions pad with noughts there, so do not read all of it as content"
    return "maps prefer the rim, and random weights do not, so the preference came with training"


def _share(mean: Mean) -> str:
    found = mean.estimate
    if found.value is None:
        return "nothing"
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"
