"""The reals a generator is held against, and a fair sample of fakes: which images are taken, and in which order."""

import hashlib
from dataclasses import dataclass

import numpy as np

from cifake_core.errors import Refused
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE, REAL, SPLITS, UNKNOWN_CLASS

_PARTS = (("train", "train+validation"), ("test", "test"))  # official split → all of its images


@dataclass(frozen=True)
class Reals:
    """Real images with a class: those of the train split, and those of the sealed test split as held-out ones."""

    name: str
    digest: str
    train: np.ndarray  # uint8 (N, 3, 32, 32)
    train_classes: np.ndarray  # int64 (N,)
    held_out: np.ndarray  # uint8 (M, 3, 32, 32)
    held_out_classes: np.ndarray  # int64 (M,)


@dataclass(frozen=True)
class Fakes:
    """A sample of a set's fakes, as many of each class as there are, in an order that only the seed decides."""

    name: str
    digest: str
    pixels: np.ndarray  # uint8 (n, 3, 32, 32)
    classes: np.ndarray  # int64 (n,)


def reals_of(images: ImageSet) -> Reals:
    """Raises Refused for a set without reals in both splits."""
    missing = [split for split in SPLITS if not images.has(split)]
    if missing:
        raise Refused(
            f"{images.name!r} has no {missing[0]} split; measuring needs reals in a train and in a test split."
        )
    found = []
    for split, part in _PARTS:
        view = images.part(part)
        rows = np.flatnonzero((view.labels == REAL) & (view.class_labels != UNKNOWN_CLASS))
        if not len(rows):
            raise Refused(f"{images.name!r} has no reals with a class in its {split} split; take a set that has.")
        found += [view.split_pixels[rows], view.class_labels[rows].astype(np.int64)]
    return Reals(images.name, images.digest, *found)


def fakes_of(images: ImageSet, per_class: int, seed: int) -> Fakes:
    """Up to `per_class` different fakes of each class, from both splits, shuffled. Raises Refused where there are none."""
    pixels, classes = [], []
    parts = [images.part(part) for split, part in _PARTS if images.has(split)]
    where = [(p, row) for p, part in enumerate(parts) for row in np.flatnonzero(part.labels == FAKE)]
    ids = [parts[p].image_ids[row] for p, row in where]
    _, first = np.unique(np.array(ids, dtype=str), return_index=True)  # identical pictures count once
    order = [where[i] for i in np.random.default_rng(seed).permutation(np.sort(first))]
    left = dict.fromkeys(range(UNKNOWN_CLASS + 1, 10), per_class)
    for p, row in order:
        label = int(parts[p].class_labels[row])
        if left.get(label, 0) > 0:
            left[label] -= 1
            pixels.append(parts[p].split_pixels[row])
            classes.append(label)
    if not pixels:
        raise Refused(f"{images.name!r} has no fakes with a class; take a set of generated images.")
    taken = np.stack(pixels)
    return Fakes(images.name, hashlib.sha256(taken.tobytes()).hexdigest(), taken, np.array(classes, np.int64))
