"""The mean map of a group of images: what is common to where the network looked, and what was one image's accident."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cifake_core.detectors.loading import Detector
from cifake_core.explanations import cam

SAMPLE = 128  # images of a group that are mapped; the mean of these moves by a few per cent from sample to sample


@dataclass(frozen=True)
class MeanMap:
    """The mean over a sample of a group's maps."""

    heat: np.ndarray  # float32 (H, W) in [0, 1]: mean of maps each scaled to its own maximum
    images: int  # that were mapped
    of: int  # images of the group
    empty: int  # maps without evidence among them


def mean_maps(
    detector: Detector,
    pixels: np.ndarray,
    groups: Mapping[str, np.ndarray],
    layer: str | None = None,
    target: str = "verdict",
    sample: int = SAMPLE,
    seed: int = 0,
) -> dict[str, MeanMap]:
    """One mean map a group that has images: pixels uint8 (n, 3, H, W), groups name → rows (m,). See `cam.grad_cam`."""
    found = {}
    for name, rows in groups.items():
        if not len(rows):
            continue
        drawn = np.sort(np.random.default_rng(seed).permutation(rows)[:sample])
        maps = cam.grad_cam(detector, np.ascontiguousarray(pixels[drawn]), layer, target)
        found[name] = MeanMap(maps.heat.mean(axis=0), len(drawn), len(rows), int(maps.empty.sum()))
    return found
