"""What the verdict needs, and where its maps lie: the numbers an image behind the test of entity against background.

Given images, masks of the entity and a detector, it returns one number an image and treatment. What follows from them is
entity.py's. Everything is measured with another image's mask, too: entities lie in the middle, so what a piece of the middle
costs is not yet what the entity costs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cifake_core.detectors.loading import Detector
from cifake_core.detectors.places import AFTER_RELU
from cifake_core.explanations import localisation, methods, treating
from cifake_core.explanations.asking import logits_of
from cifake_core.explanations.cam import Layers
from cifake_core.progress import Progress, silent

CHUNK = 1000  # images at a time
REGIONS = ("entity", "background", "entity part", "background part", "everywhere")
PERMUTED = ("permuted entity", "permuted background", "permuted entity part", "permuted background part")
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

    @cached_property
    def donors(self) -> np.ndarray:
        """(n,) the row whose mask each image is given as a control for place: another image of its class and label, each
        mask given once; −1 where there is none.
        """
        return treating.partners(self.labels, self.class_labels, other=False, seed=self.seed + 1)

    def permuted(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Masks bool (m, H, W) of the donors of these rows, and where there is one (m,)."""
        donors = self.donors[rows]
        return self.entity[np.maximum(donors, 0)], donors >= 0

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
    whole, regions = ("low", "high", "blur"), (*REGIONS, *PERMUTED)
    return [(t, r) for t in treating.TREATMENTS for r in regions if r != "everywhere" or t in whole]


def logits_under_treatment(scene: Scene, on_progress: Progress = silent) -> dict[tuple[str, str], np.ndarray]:
    """(treatment, region) → logits (n,), ("none", "everywhere") → those of the untouched images, and (floor, "everywhere") →
    those of images of two flat colours. Permuted regions are those of another image's mask; not a number without a donor.
    """
    untouched, floors = ("none", "everywhere"), [(floor, "everywhere") for floor in treating.FLOORS]
    found = {pair: np.full(len(scene), np.nan, np.float32) for pair in [untouched, *floors, *pairs()]}
    colours = outline_colours(scene)
    for rows in scene.chunks():
        on_progress(rows.start, len(scene), "Blurring, flattening and filtering")
        images, entity = scene.images(rows), scene.entity[rows]
        found[untouched][rows] = scene.score(images)
        found["flat", "everywhere"][rows] = scene.score(treating.outlines(entity, *treating.flat_colours(images, entity)))
        found["outline", "everywhere"][rows] = scene.score(treating.outlines(entity, *colours))
        masks, given = regions(scene, rows)
        for treatment, region in pairs():
            logits = scene.score(treating.treated(images, masks[region], treatment))
            found[treatment, region][rows] = np.where(given, logits, np.nan) if region in PERMUTED else logits
    return found


def regions(scene: Scene, rows: slice) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Region → masks bool (m, H, W), and where there is another's mask (m,). The four parts of an image are equally large."""
    entity, (permuted, given) = scene.entity[rows], scene.permuted(rows)
    sizes = treating.halves(entity)
    sizes = np.where(given, np.minimum(sizes, treating.halves(permuted)), sizes)
    own = treating.equal_parts(entity, scene.seed + rows.start, sizes)
    others = treating.equal_parts(permuted, scene.seed + rows.start + 1, sizes)
    masks = dict(zip(REGIONS, (entity, ~entity, *own, np.ones_like(entity)), strict=True))
    return masks | dict(zip(PERMUTED, (permuted, ~permuted, *others), strict=True)), given


def outline_colours(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Mean colours (1, 3, 1, 1) of all entities and of all backgrounds."""
    sums = np.zeros((2, 1, 3, 1, 1))
    for rows in scene.chunks():
        colours = treating.flat_colours(scene.images(rows), scene.entity[rows])
        sums += np.stack([colour.sum(0, keepdims=True) for colour in colours])
    return tuple((sums / max(len(scene), 1)).astype(np.float32))


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
    scene: Scene, asked: list[tuple[str, str]], layers: Layers, artefact: np.ndarray, on_progress: Progress = silent
) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """(method, place of its feature map) → {"entity": share of the map's relevance on the entity (n,), "permuted": the same
    with another image's mask, "pointing", "mass", "rank": the same three of localisation.py for planted artefacts (n,)}; not
    a number for maps without evidence, without a donor, or where none is planted.
    """
    measures: dict[str, Callable] = {
        "pointing": localisation.pointing,
        "mass": localisation.mass_share,
        "rank": localisation.rank_share,
    }
    found = {pair: {name: np.full(len(scene), np.nan) for name in ("entity", "permuted", *measures)} for pair in asked}
    total = len(asked) * len(scene)
    for number, (method, place) in enumerate(asked):
        shares = found[method, place]
        for rows in scene.chunks():
            on_progress(number * len(scene) + rows.start, total, f"Maps by {methods.title(method)}")
            pixels = np.ascontiguousarray(scene.pixels[rows])
            heat = methods.maps(scene.detector, pixels, method, layers, seed=scene.seed, place=place or AFTER_RELU).heat
            permuted, given = scene.permuted(rows)
            shares["entity"][rows] = localisation.mass_share(heat, scene.entity[rows])
            shares["permuted"][rows] = np.where(given, localisation.mass_share(heat, permuted), np.nan)
            there = np.flatnonzero(artefact[rows].any((1, 2)))
            for name, measure in measures.items():
                if len(there):
                    shares[name][rows.start + there] = measure(heat[there], artefact[rows][there])
    return found
