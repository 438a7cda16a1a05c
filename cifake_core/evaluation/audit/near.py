"""Pictures that are nearly the same: the same file compressed again, a burst of one scene, a generator repeating itself.

Complete for its definition: no pair within the limits is missed. It does not know labels or splits.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from cifake_core.progress import Progress, silent

THUMBNAIL_LIMIT = 8.0  # levels of 255, root mean square, between the 4 × 4 thumbnails
LEAST_CORRELATION = 0.85  # of all pixels: on CIFAKE, pairs above 0.8 show the same thing, below 0.7 many do not
FLAT_LIMIT = 3.0  # levels of 255, root mean square: pictures this close are alike even if too flat to be correlated
MOST_CANDIDATES = 5_000_000  # pairs measured at most: 80 MB of row numbers
_SIDE = 4
_DIMENSIONS = 12  # of 48: a k-d tree is fast in few
_CHUNK = 2000
_SAMPLE = 1000  # pictures from which the number of candidates is estimated


@dataclass(frozen=True)
class NearPairs:
    """What was found, most alike first."""

    rows: np.ndarray  # int64 (m, 2), first < second
    correlation: np.ndarray  # float64 (m,): Pearson's r of all pixels, each channel less its mean; 1 for two flat pictures
    distance: np.ndarray  # float64 (m,): root mean square difference of the pixels, levels of 255, > 0
    thumbnail_limit: float  # THUMBNAIL_LIMIT, or less where so many pictures are alike that it had to be tightened

    @property
    def method(self) -> str:
        """The definition, as a sentence for users."""
        return (
            f"Two pictures are nearly the same if their 4 × 4 thumbnails differ by at most {self.thumbnail_limit:.3g} of 255 "
            f"levels (root mean square) and their pixels correlate by at least {LEAST_CORRELATION:g}, or differ by at most "
            f"{FLAT_LIMIT:g} levels, but are not identical. Mirrored, cut or recoloured copies are not found."
        )


def near_pairs(pixels: list[np.ndarray], among: np.ndarray | None = None, on_progress: Progress = silent) -> NearPairs:
    """All pairs within both limits. `pixels` are arrays uint8 (n_i, 3, H, W), numbered through; H, W multiples of 4.

    `among` (boolean, all rows) names the pictures to compare; None = all. A projection never makes a distance larger, so
    candidates are found among the 12 principal components of the thumbnails, then measured.
    """
    small = _thumbnails(pixels, on_progress)
    chosen = np.arange(len(small)) if among is None else np.flatnonzero(among)
    pairs, limit = _candidates(small[chosen])
    pairs = chosen[pairs]
    apart = np.linalg.norm(small[pairs[:, 0]] - small[pairs[:, 1]], axis=1)
    pairs = pairs[apart <= limit * np.sqrt(small.shape[1])]
    correlation, distance = _alikeness(pixels, pairs)
    kept = np.flatnonzero((distance > 0) & ((correlation >= LEAST_CORRELATION) | (distance <= FLAT_LIMIT)))
    order = kept[np.lexsort((pairs[kept, 1], pairs[kept, 0], -correlation[kept]))]
    return NearPairs(pairs[order], correlation[order], distance[order], limit)


def _thumbnails(pixels: list[np.ndarray], on_progress: Progress) -> np.ndarray:
    """float64 (n, 48): means of 4 × 4 equal blocks of each channel."""
    total, done = sum(map(len, pixels)), 0
    found = np.empty((total, 3 * _SIDE * _SIDE))
    for part in pixels:
        height, width = part.shape[-2] // _SIDE, part.shape[-1] // _SIDE
        for start in range(0, len(part), _CHUNK):
            images = part[start : start + _CHUNK].astype(np.float32)
            blocks = images.reshape(len(images), 3, _SIDE, height, _SIDE, width).mean(axis=(3, 5))
            found[done : done + len(images)] = blocks.reshape(len(images), -1)
            done += len(images)
            on_progress(done, total, "Looking for pictures that are nearly the same")
    return found


def _candidates(small: np.ndarray) -> tuple[np.ndarray, float]:
    """Pairs int64 (m, 2) whose thumbnails may be within the limit, and that limit: halved until few enough remain."""
    centred = small - small.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)  # rising eigenvalues: the last columns carry most
    tree = cKDTree(centred @ axes[:, -_DIMENSIONS:])
    limit, scale = THUMBNAIL_LIMIT, np.sqrt(small.shape[1])
    sample = tree.data[np.random.default_rng(0).permutation(len(small))[:_SAMPLE]]

    def expected() -> float:
        neighbours = tree.query_ball_point(sample, limit * scale, return_length=True) - 1  # not itself
        return neighbours.mean() * len(small) / 2

    while expected() > MOST_CANDIDATES:
        limit /= 2
    pairs = tree.query_pairs(limit * scale + 1e-6, output_type="ndarray")
    return np.sort(pairs.reshape(-1, 2).astype(np.int64), axis=1), limit


def _alikeness(pixels: list[np.ndarray], pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation and root mean square difference of the pixels of each pair: two float64 (m,)."""
    correlation, distance = np.empty(len(pairs)), np.empty(len(pairs))
    for start in range(0, len(pairs), _CHUNK):
        rows = slice(start, start + _CHUNK)
        first, second = (_pictures(pixels, pairs[rows, side]) for side in (0, 1))
        distance[rows] = np.sqrt(((first - second) ** 2).mean(axis=(1, 2, 3)))
        first, second = (images - images.mean(axis=(2, 3), keepdims=True) for images in (first, second))
        strength = np.sqrt((first**2).sum(axis=(1, 2, 3)) * (second**2).sum(axis=(1, 2, 3)))
        product = (first * second).sum(axis=(1, 2, 3))
        alike = (distance[rows] <= FLAT_LIMIT).astype(float)
        correlation[rows] = np.where(strength > 1, product / np.maximum(strength, 1), alike)
    return correlation, distance


def _pictures(pixels: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """float64 (m, 3, H, W) of rows numbered through all arrays."""
    found, start = np.empty((len(rows), *pixels[0].shape[1:])), 0
    for part in pixels:
        inside = (rows >= start) & (rows < start + len(part))
        found[inside] = part[rows[inside] - start]
        start += len(part)
    return found
