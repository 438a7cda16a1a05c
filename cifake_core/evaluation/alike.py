"""Images that look like one another, by colours and layout: the nearest of 8 × 8 thumbnails. It knows no network."""

from dataclasses import dataclass

import numpy as np

_SIDE = 8
_CHUNK = 2000


@dataclass(frozen=True)
class Alike:
    """The nearest images of one, nearest first; distances are root mean square differences in levels of 255."""

    same: np.ndarray  # row numbers (k,), of the same label
    same_distance: np.ndarray
    other: np.ndarray  # of the other label
    other_distance: np.ndarray


@dataclass(frozen=True)
class Index:
    """Thumbnails of a part, ready to be asked."""

    small: np.ndarray  # float32 (n, 192)
    labels: np.ndarray  # (n,)
    norms: np.ndarray  # float32 (n,): squared lengths

    def nearest(self, row: int, k: int = 6) -> Alike:
        """The k nearest images of each label to the one at `row`, itself left out; a few milliseconds for 20,000."""
        squared = self.norms - 2 * (self.small @ self.small[row]) + self.norms[row]
        distance = np.sqrt(np.maximum(squared, 0) / self.small.shape[1])
        distance[row] = np.inf
        found = []
        for rows in (np.flatnonzero(self.labels == self.labels[row]), np.flatnonzero(self.labels != self.labels[row])):
            order = rows[np.argsort(distance[rows], kind="stable")][:k]
            order = order[np.isfinite(distance[order])]
            found += [order, distance[order]]
        return Alike(*found)


def index(pixels: np.ndarray, labels: np.ndarray) -> Index:
    """Of images uint8 (n, 3, H, W), H and W multiples of 8, and their labels (n,)."""
    height, width = pixels.shape[-2] // _SIDE, pixels.shape[-1] // _SIDE
    small = np.empty((len(pixels), 3 * _SIDE * _SIDE), np.float32)
    for start in range(0, len(pixels), _CHUNK):
        part = pixels[start : start + _CHUNK].reshape(-1, 3, _SIDE, height, _SIDE, width)
        small[start : start + _CHUNK] = part.mean(axis=(3, 5), dtype=np.float32).reshape(len(part), -1)
    return Index(small, labels, (small**2).sum(axis=1))
