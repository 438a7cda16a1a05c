"""What the verdict needs, and where its maps lie: the numbers an image behind the test of entity against background.

Given images, masks of the entity and a detector, it returns one number an image and treatment. What follows from them is
entity.py's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cifake_core.detectors.feature_maps import AFTER_RELU
from cifake_core.detectors.loading import Detector
from cifake_core.explanations import localisation, methods, treating
from cifake_core.explanations.asking import logits_of
from cifake_core.explanations.cam import Layers
from cifake_core.progress import Progress, silent

CHUNK = 1000  # images at a time
REGIONS = ("entity", "background", "entity part", "background part", "everywhere")
OTHER, SAME = "swap other", "swap same"  # backgrounds of the other label, and of the same one


@dataclass(frozen=True)
class Scene:
    """The images of the test and what is known of them."""

    detector: Detector
    pixels: np.ndarray  # uint8 (n, 3, H, W), possibly memory-mapped
    entity: np.ndarray  # bool (n, H, W)
    labels: np.ndarray  # int8 (n,), 1 = fake
    class_labels: np.ndarray  # int8 (n,)
    seed: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def chunks(self) -> Iterator[slice]:
        return (slice(start, start + CHUNK) for start in range(0, len(self), CHUNK))

    def images(self, rows: slice | np.ndarray) -> np.ndarray:
        """float32 (m, 3, H, W) in [0, 1]."""
        return self.pixels[rows].astype(np.float32) / 255

    def score(self, images: np.ndarray) -> np.ndarray:
        """Logits (m,) of images as above."""
        return logits_of(self.detector, images)


def pairs() -> list[tuple[str, str]]:
    """Every (treatment, region) that is tried; blurring or flattening everything would leave nothing to ask about."""
    whole = ("low", "high", "blur")
    return [(t, r) for t in treating.TREATMENTS for r in REGIONS if r != "everywhere" or t in whole]


def logits_under_treatment(scene: Scene, on_progress: Progress = silent) -> dict[tuple[str, str], np.ndarray]:
    """(treatment, region) → logits (n,), and ("none", "everywhere") → those of the untouched images."""
    found = {pair: np.empty(len(scene), np.float32) for pair in [("none", "everywhere"), *pairs()]}
    for rows in scene.chunks():
        on_progress(rows.start, len(scene), "Blurring, flattening and filtering")
        images, entity = scene.images(rows), scene.entity[rows]
        parts = treating.equal_parts(entity, scene.seed + rows.start)
        masks = dict(zip(REGIONS, (entity, ~entity, *parts, np.ones_like(entity)), strict=True))
        found["none", "everywhere"][rows] = scene.score(images)
        for treatment, region in pairs():
            found[treatment, region][rows] = scene.score(treating.treated(images, masks[region], treatment))
    return found


def logits_under_swap(scene: Scene, on_progress: Progress = silent) -> dict[str, np.ndarray]:
    """Logits (n,) of each entity before another image's background of its class: OTHER label, and SAME label as a check
    of what the seam alone does. Not a number where there is no partner.
    """
    found = {}
    for name in (OTHER, SAME):
        partner = treating.partners(scene.labels, scene.class_labels, name == OTHER, scene.seed)
        found[name] = np.full(len(scene), np.nan, np.float32)
        for rows in scene.chunks():
            on_progress(rows.start, len(scene), "Swapping backgrounds")
            have = np.flatnonzero(partner[rows] >= 0) + rows.start
            if len(have):
                mixed = treating.swapped(scene.images(have), scene.entity[have], scene.images(partner[have]))
                found[name][have] = scene.score(mixed)
    return found


def mass_on_entity(
    scene: Scene, asked: list[str], layers: Layers, artefact: np.ndarray, on_progress: Progress = silent, place: str = AFTER_RELU
) -> dict:
    """Method → {"entity": share of the map's relevance on the entity (n,), "pointing", "mass", "rank": the same three
    of localisation.py for planted artefacts (n,)}; not a number for maps without evidence, or where none is planted.
    """
    measures: dict[str, Callable] = {
        "pointing": localisation.pointing,
        "mass": localisation.mass_share,
        "rank": localisation.rank_share,
    }
    found = {method: {name: np.full(len(scene), np.nan) for name in ("entity", *measures)} for method in asked}
    total = len(asked) * len(scene)
    for number, method in enumerate(asked):
        for rows in scene.chunks():
            on_progress(number * len(scene) + rows.start, total, f"Maps by {methods.title(method)}")
            pixels = np.ascontiguousarray(scene.pixels[rows])
            heat = methods.maps(scene.detector, pixels, method, layers, seed=scene.seed, place=place).heat
            found[method]["entity"][rows] = localisation.mass_share(heat, scene.entity[rows])
            there = np.flatnonzero(artefact[rows].any((1, 2)))
            for name, measure in measures.items():
                if len(there):
                    found[method][name][rows.start + there] = measure(heat[there], artefact[rows][there])
    return found
