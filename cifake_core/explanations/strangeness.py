"""How unlike everything a network has learned from an image is: in the eyes of the network, and by how it looks.

The network's features alone do not tell: an image without any detail has features near nought, and so have many dull
training images. So the image is also described by eleven plain numbers (appearance.py), and for both descriptions the
distance to the k-th nearest training image is ranked among held-out images, as Sun et al. 2022 do. The worse rank counts.
Since the worse of two is more often high than one, that worse rank is itself ranked among the held-out images: a warning
at `FAR` is then a false alarm for 1 % of ordinary images, by construction. It knows arrays, not networks.

Measured on CIFAKE with 32x2-64x1 (`python -m benchmarks.strangeness RUN 400`): far are 1.2 % of 400 test images, and 100 % of
100 pictures each of one colour (15 % by the network's features alone), gradients (13 %), noise and faint noise. Only 2.0 %
of 400 negatives are: at 32 pixels a negative has the colours and the texture of a possible picture.
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.explanations import appearance
from cifake_core.progress import Progress, silent

FAR = 0.99  # share of held-out images that are less strange: from here on a user is warned
KTH = 10  # neighbour whose distance counts
_SKEWED = (
    "contrast",
    "saturation",
    "colourfulness",
    "edges",
    "noise",
)  # long tails to the right, and nought means something


@dataclass(frozen=True)
class Looks:
    """How an image looks, on one scale for all measures: fitted on training images."""

    middle: np.ndarray  # float32 (11,)
    spread: np.ndarray  # float32 (11,)

    @staticmethod
    def fitted(described: np.ndarray) -> "Looks":
        """From `described` (n, 11)."""
        return Looks(described.mean(0), np.maximum(described.std(0), 1e-6))

    def placed(self, described: np.ndarray) -> np.ndarray:
        """(n, 11) → (n, 11), each measure with mean nought and spread one over the training images."""
        return ((described - self.middle) / self.spread).astype(np.float32)


def described(pixels: np.ndarray, on_progress: Progress = silent) -> np.ndarray:
    """float32 (n, 11) of images uint8 (n, 3, H, W): appearance.MEASURES, the skewed ones as logarithms."""
    found = appearance.measured(pixels, on_progress)
    skewed = [list(appearance.MEASURES).index(name) for name in _SKEWED]
    found[:, skewed] = np.log(np.maximum(found[:, skewed], 0) + 0.5)
    return found


@dataclass(frozen=True)
class Strangeness:
    """How strange one image is among held-out ones, as shares 0 … 1 of them that are less strange."""

    far: float  # the calibrated one: share of held-out images whose worse rank is lower
    seen: float  # in the eyes of the network
    looks: float  # by how it looks
    n: int  # held-out images

    @property
    def is_far(self) -> bool:
        return self.far >= FAR

    def sentence(self) -> str:
        """What a user is told of an image that is far."""
        ways = [
            ("in the eyes of the network", self.seen),
            ("by how it looks (colour, contrast, fine texture)", self.looks),
        ]
        strange = [words for words, share in ways if share >= FAR] or [max(ways, key=lambda way: way[1])[0]]
        return (
            f"The image is far from the training data {' and '.join(strange)}: {self.far:.1%} of {self.n:,} held-out images are "
            "less strange. Its verdict is a guess outside what the network knows."
        )


@dataclass(frozen=True)
class HeldOut:
    """Distances of m held-out images to the training images, in both descriptions."""

    seen: np.ndarray  # float32 (m,)
    looks: np.ndarray  # float32 (m,)

    def ranked(self, seen: float, looks: float) -> Strangeness:
        """Of an image that lies that far away in the two descriptions."""
        ranks = float((self.seen < seen).mean()), float((self.looks < looks).mean())
        own = np.maximum(_ranks(self.seen), _ranks(self.looks))
        return Strangeness(float((own < max(ranks)).mean()), *ranks, len(self.seen))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Share (m,) of the values that are smaller than each."""
    return np.searchsorted(np.sort(values), values, side="left") / len(values)


def distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distances (n, N)."""
    square = (some**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * (some @ others.T)
    return np.sqrt(np.maximum(square, 0))


def to_kth(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance (n,) of each to its KTH nearest among others (N, d)."""
    kth = min(KTH, len(others)) - 1
    parts = [
        np.partition(distances(some[at : at + 100], others), kth, axis=1)[:, kth] for at in range(0, len(some), 100)
    ]
    return np.concatenate(parts)
