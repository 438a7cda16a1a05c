"""One sample of images on which every method is measured alike: faithfulness, stability, sanity, planted artefacts.

It returns one number an image and measure; what they mean together is trust.py's.
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.detectors.loading import Detector
from cifake_core.detectors.places import AFTER_RELU
from cifake_core.explanations import faithfulness, localisation, masks, methods, studies
from cifake_core.explanations.asking import logits_of
from cifake_core.explanations.resampling import Resampled
from cifake_core.images.image_set import Part

NOISE, REPEATS = 4, 2  # grey levels up or down a pixel; noisy copies of each image
PLANTED = ("pointing", "mass", "rank")


@dataclass(frozen=True)
class Measured:
    """What one method at one layer scored on each image."""

    method: str
    layer: str | None
    place: str  # of the layer's feature map, after the ReLU or before it; NO_RELU where none is concerned
    values: dict[str, np.ndarray]  # measure → (n,), not a number where it does not apply or was not measured
    curves: dict[str, list[float]]  # mean deletion and insertion curve
    n: int  # images it was measured on: slow methods on fewer
    empty: int


class Bench:
    """One sample of images with everything that all methods are measured against, computed once."""

    def __init__(self, detector: Detector, part: Part, rows: np.ndarray, seed: int, road_n: int, slow_n: int) -> None:
        self.detector, self.seed = detector, seed
        self.pixels = np.ascontiguousarray(part.pixels[rows])
        self.images = self.pixels.astype(np.float32) / 255
        self.explained = (self.score(self.images) >= 0).astype(np.int8)
        self.fell = faithfulness.falls(self.score, self.images, seed)
        labels, n = part.labels[rows], len(rows)
        self.road_n, self.slow_n = min(road_n, n), min(slow_n or n, n)
        self.in_road = np.isin(np.arange(n), studies.sample(labels, self.road_n, seed)) & (self.road_n > 0)
        self.slow_rows = studies.sample(labels, self.slow_n, seed)
        self.artefacts = masks.artefact_masks(part.manifest.iloc[rows])
        self.resampled = Resampled(labels, seed=seed)
        random = np.random.default_rng(seed)
        shifts = [random.integers(-NOISE, NOISE + 1, self.pixels.shape) for _ in range(REPEATS)]
        self.noisy = [np.clip(self.pixels + shift, 0, 255).astype(np.uint8) for shift in shifts]

    def score(self, images: np.ndarray) -> np.ndarray:
        """images float32 (m, 3, H, W) in [0, 1] → logits (m,)."""
        return logits_of(self.detector, images)

    def rows_of(self, method: str) -> np.ndarray:
        """The images a method is measured on: all of the sample, or the first part of it for slow ones."""
        return self.slow_rows if method in methods.SLOW else np.arange(len(self.pixels))

    def measured(self, method: str, layer: str | None, place: str = AFTER_RELU) -> Measured:
        rows, given = self.rows_of(method), (method, layer, place)
        heat, explained = self._heat(self.pixels, rows, *given), self.explained[rows]
        images, fell = self.images[rows], (self.fell[0], self.fell[1][rows])
        deletion = faithfulness.deletion(self.score, images, heat, explained, self.seed)
        insertion = faithfulness.insertion(self.score, images, heat, explained, self.seed)
        values = {
            "deletion": faithfulness.area(deletion),
            "insertion": faithfulness.area(insertion),
            "road": self._road(heat, rows),
            "sensitivity_n": faithfulness.sensitivity_n(heat, explained, fell),
            "sparsity": faithfulness.gini(heat),
            "stability": self._stability(heat, rows, *given),
            **self._randomisation(heat, rows, *given),
            **self._located(heat, rows),
        }
        curves = {"deletion": deletion.mean(0).round(4).tolist(), "insertion": insertion.mean(0).round(4).tolist()}
        spread = {name: self._spread(numbers, rows) for name, numbers in values.items()}
        return Measured(*given, spread, curves, len(rows), int((heat.reshape(len(heat), -1).max(1) == 0).sum()))

    def _spread(self, numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Numbers of some images as numbers of the whole sample."""
        whole = np.full(len(self.pixels), np.nan)
        whole[rows] = numbers
        return whole

    def _heat(self, pixels: np.ndarray, rows: np.ndarray, method: str, layer: str | None, place: str) -> np.ndarray:
        chosen, explained = np.ascontiguousarray(pixels[rows]), self.explained[rows]
        return methods.maps(
            self.detector, chosen, method, layer, explained, seed=self.seed, place=place or AFTER_RELU
        ).heat

    def _road(self, heat: np.ndarray, rows: np.ndarray) -> np.ndarray:
        found, use = np.full(len(heat), np.nan), self.in_road[rows]
        if use.any():
            asked = rows[use]
            found[use] = faithfulness.road(self.score, self.images[asked], heat[use], self.explained[asked], self.seed)
        return found

    def _stability(self, heat: np.ndarray, rows: np.ndarray, method: str, layer: str | None, place: str) -> np.ndarray:
        """Not asked of random numbers, which are drawn anew for every image: nothing in them could be stable."""
        if method in methods.BASELINES and not methods.uses_layers(method):
            return np.full(len(heat), np.nan)
        noisy = (self._heat(pixels, rows, method, layer, place) for pixels in self.noisy)
        return np.mean([faithfulness.rank_correlation(heat, other) for other in noisy], axis=0)

    def _randomisation(
        self, heat: np.ndarray, rows: np.ndarray, method: str, layer: str | None, place: str
    ) -> dict[str, np.ndarray]:
        """Adebayo et al. 2018. The last test of a map: does it change when what was learned is gone?"""
        random_numbers = method in methods.BASELINES and not methods.uses_layers(method)
        if method.endswith(methods.RANDOM_WEIGHTS) or random_numbers:
            nothing = np.full(len(heat), np.nan)
            return {"randomisation": nothing, "randomisation_ssim": nothing}
        other = self._heat(self.pixels, rows, method + methods.RANDOM_WEIGHTS, layer, place)
        return {
            "randomisation": faithfulness.rank_correlation(heat, other),
            "randomisation_ssim": np.where(heat.max((1, 2)) > 0, faithfulness.ssim(heat, other), np.nan),
        }

    def _located(self, heat: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Measures against planted artefacts, on images whose verdict is FAKE: of a REAL one there is nothing to find."""
        use = self.artefacts.known[rows] & (self.explained[rows] == 1)
        if not use.any():
            return {}
        found = {name: np.full(len(heat), np.nan) for name in PLANTED}
        inside = heat[use], self.artefacts.entity[rows][use]
        found["pointing"][use] = localisation.pointing(*inside)
        found["mass"][use] = localisation.mass_share(*inside)
        found["rank"][use] = localisation.rank_share(*inside)
        return found
