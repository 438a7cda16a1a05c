"""Does a generator repeat its training images? The nearest training image of each fake, in pixels and in features.

A fake is suspicious only where it lies nearer to a training image than held-out reals do: photographs of one kind are
near each other anyway (Carlini et al. 2023 compare with such a baseline too).
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.metrics.intervals import Estimate, share
from cifake_core.progress import Progress, silent

NEAR = 0.01  # the held-out reals' quantile below which a fake counts as suspiciously near
_AT_ONCE = 5_000  # training images compared at a time: 60 MB of single-precision pixels


@dataclass(frozen=True)
class Nearest:
    """The nearest of the training images of each of n images."""

    distance: np.ndarray  # float64 (n,), Euclidean
    number: np.ndarray  # int64 (n,): which training image


@dataclass(frozen=True)
class Copying:
    """Fakes and held-out reals, both against the training images, in one space."""

    median: float  # of the fakes' distances
    median_held_out: float
    closest: float
    closest_held_out: float
    near: Estimate  # share of fakes nearer than all but 1 % of held-out reals; 1 % is what no copying gives


def nearest(images: np.ndarray, training: np.ndarray, on_progress: Progress = silent) -> Nearest:
    """images (n, d) and training (m, d), any numbers, compared a part at a time: |x - y|² = |x|² - 2 x·y + |y|²."""
    asked = images.reshape(len(images), -1).astype(np.float32)
    own = (asked.astype(np.float64) ** 2).sum(axis=1)
    best, number = np.full(len(asked), np.inf), np.zeros(len(asked), np.int64)
    for start in range(0, len(training), _AT_ONCE):
        on_progress(start, len(training), "Looking for copies of training images")
        part = training[start : start + _AT_ONCE].reshape(-1, asked.shape[1]).astype(np.float32)
        squared = own[:, None] - 2 * (asked @ part.T).astype(np.float64) + (part.astype(np.float64) ** 2).sum(axis=1)
        candidate = squared.argmin(axis=1)
        value = squared[np.arange(len(asked)), candidate]
        nearer = value < best
        best[nearer], number[nearer] = value[nearer], start + candidate[nearer]
    exact = np.array([_distance(x, training[i]) for x, i in zip(asked, number, strict=True)])
    return Nearest(exact, number)


def nearest_of_both_sides(images: np.ndarray, training: np.ndarray, on_progress: Progress = silent) -> Nearest:
    """`nearest` of pictures uint8 (n, 3, H, W) or their mirror images, whichever is nearer: generators learn both sides."""
    both = nearest(np.concatenate([images, images[..., ::-1]]), training, on_progress)
    distance, number = both.distance.reshape(2, -1), both.number.reshape(2, -1)
    side, rows = distance.argmin(axis=0), np.arange(len(images))
    return Nearest(distance[side, rows], number[side, rows])


def compared(fakes: Nearest, held_out: Nearest) -> Copying:
    limit = np.quantile(held_out.distance, NEAR)
    return Copying(
        median=float(np.median(fakes.distance)),
        median_held_out=float(np.median(held_out.distance)),
        closest=float(fakes.distance.min()),
        closest_held_out=float(held_out.distance.min()),
        near=share(int((fakes.distance < limit).sum()), len(fakes.distance)),
    )


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """The expanded square above loses digits where two images are nearly equal, which is what is looked for."""
    gap = one.ravel().astype(np.float64) - other.ravel().astype(np.float64)
    return float(np.sqrt(gap @ gap))
