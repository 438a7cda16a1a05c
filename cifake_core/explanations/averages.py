"""The mean map of a group of images: what is common to where the network looked, and what was one image's accident."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cifake_core.explanations.cam import Maps
from cifake_core.explanations.stored_maps import StoredMaps

SAMPLE = 128  # images of a group that are mapped where none are kept; their mean moves by a few per cent from sample to sample

FEW = 20  # images below which a mean is marked


@dataclass(frozen=True)
class MeanMap:
    """The mean over a group's maps, each scaled to its own maximum."""

    heat: np.ndarray  # float32 (h, w) in [0, 1], in [-1, 1] for signed maps
    images: int  # that were mapped
    of: int  # images of the group
    empty: int  # maps without evidence among them

    @property
    def few(self) -> bool:
        """Whether so few images were mapped that one image's accident shows in the mean."""
        return self.images < FEW

    @property
    def note(self) -> str:
        """What is said beside a mean of few images; "" otherwise."""
        if not self.few:
            return ""
        return f"few images ({self.images}, below {FEW}): what shows may be one image's accident"

    def as_dict(self) -> dict:
        named = {"images": self.images, "of": self.of, "without_evidence": self.empty, "few": self.few, "note": self.note}
        return {**named, "heat": np.round(self.heat.astype(float), 4).tolist()}


def mean_of_kept(kept: StoredMaps, groups: Mapping[str, np.ndarray]) -> dict[str, MeanMap]:
    """One mean map a group that has images (name → rows), over all of its images, at the size the method gave."""
    flat = kept.small.reshape(len(kept), -1)
    found = {}
    for name, rows in groups.items():
        if not len(rows):
            continue
        mean = flat[np.sort(rows)].mean(axis=0, dtype=np.float64).reshape(kept.small.shape[1:])
        heat = kept.from_levels(mean.astype(np.float32))
        found[name] = MeanMap(heat, len(rows), len(rows), int(kept.empty[rows].sum()))
    return found


def mean_of_sample(
    maps_of: Callable[[np.ndarray], Maps], groups: Mapping[str, np.ndarray], sample: int = SAMPLE, seed: int = 0
) -> dict[str, MeanMap]:
    """The same over at most `sample` images a group, drawn at random, whose maps `maps_of(rows)` computes now."""
    found = {}
    for name, rows in groups.items():
        if not len(rows):
            continue
        drawn = np.sort(np.random.default_rng(seed).permutation(rows)[:sample])
        maps = maps_of(drawn)
        shown = maps.heat if maps.signed is None else maps.signed
        found[name] = MeanMap(shown.mean(axis=0), len(drawn), len(rows), int(maps.empty.sum()))
    return found
