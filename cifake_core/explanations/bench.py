"""One sample of images on which every method is measured alike: faithfulness, stability, sanity, planted artefacts.

It returns one number an image and measure; what they mean together is trust.py's.
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.detectors.feature_maps import AFTER_RELU
from cifake_core.detectors.loading import Detector
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
    values: dict[str, np.ndarray]  # measure → (n,), not a number where it does not apply
    curves: dict[str, list[float]]  # mean deletion and insertion curve
    empty: int


class Bench:
    """One sample of images with everything that all methods are measured against, computed once."""

    def __init__(
        self, detector: Detector, part: Part, rows: np.ndarray, seed: int, road_n: int, place: str = AFTER_RELU
    ) -> None:
        self.detector, self.seed, self.place = detector, seed, place
        self.pixels = np.ascontiguousarray(part.pixels[rows])
        self.images = self.pixels.astype(np.float32) / 255
        self.explained = (self.score(self.images) >= 0).astype(np.int8)
        self.fell = faithfulness.falls(self.score, self.images, seed)
        self.road_n = min(road_n, len(rows))
        self.road_rows = studies.sample(part.labels[rows], self.road_n, seed) if self.road_n else np.arange(0)
        self.artefacts = masks.artefact_masks(part.manifest.iloc[rows])
        self.resampled = Resampled(part.labels[rows], seed=seed)
        random = np.random.default_rng(seed)
        shifts = [random.integers(-NOISE, NOISE + 1, self.pixels.shape) for _ in range(REPEATS)]
        self.noisy = [np.clip(self.pixels + shift, 0, 255).astype(np.uint8) for shift in shifts]

    def score(self, images: np.ndarray) -> np.ndarray:
        """images float32 (m, 3, H, W) in [0, 1] → logits (m,)."""
        return logits_of(self.detector, images)

    def measured(self, method: str, layer: str | None) -> Measured:
        heat = self._heat(self.pixels, method, layer)
        deletion = faithfulness.deletion(self.score, self.images, heat, self.explained, self.seed)
        insertion = faithfulness.insertion(self.score, self.images, heat, self.explained, self.seed)
        values = {
            "deletion": faithfulness.area(deletion),
            "insertion": faithfulness.area(insertion),
            "road": self._road(heat),
            "sensitivity_n": faithfulness.sensitivity_n(heat, self.explained, self.fell),
            "sparsity": faithfulness.gini(heat),
            "stability": np.mean(
                [faithfulness.rank_correlation(heat, self._heat(noisy, method, layer)) for noisy in self.noisy], axis=0
            ),
            **self._randomisation(heat, method, layer),
            **self._located(heat),
        }
        curves = {"deletion": deletion.mean(0).round(4).tolist(), "insertion": insertion.mean(0).round(4).tolist()}
        return Measured(method, layer, values, curves, int((heat.reshape(len(heat), -1).max(1) == 0).sum()))

    def _heat(self, pixels: np.ndarray, method: str, layer: str | None) -> np.ndarray:
        return methods.maps(self.detector, pixels, method, layer, self.explained, seed=self.seed, place=self.place).heat

    def _road(self, heat: np.ndarray) -> np.ndarray:
        found = np.full(len(heat), np.nan)
        if self.road_n:
            rows = self.road_rows
            found[rows] = faithfulness.road(self.score, self.images[rows], heat[rows], self.explained[rows], self.seed)
        return found

    def _randomisation(self, heat: np.ndarray, method: str, layer: str | None) -> dict[str, np.ndarray]:
        """Adebayo et al. 2018. The last test of a map: does it change when what was learned is gone?"""
        if method.endswith(methods.RANDOM_WEIGHTS):
            nothing = np.full(len(heat), np.nan)
            return {"randomisation": nothing, "randomisation_ssim": nothing}
        other = self._heat(self.pixels, method + methods.RANDOM_WEIGHTS, layer)
        return {
            "randomisation": faithfulness.rank_correlation(heat, other),
            "randomisation_ssim": np.where(heat.max((1, 2)) > 0, faithfulness.ssim(heat, other), np.nan),
        }

    def _located(self, heat: np.ndarray) -> dict[str, np.ndarray]:
        """Measures against planted artefacts, on images whose verdict is FAKE: of a REAL one there is nothing to find."""
        use = self.artefacts.known & (self.explained == 1)
        if not use.any():
            return {}
        found = {name: np.full(len(heat), np.nan) for name in PLANTED}
        inside = heat[use], self.artefacts.entity[use]
        found["pointing"][use] = localisation.pointing(*inside)
        found["mass"][use] = localisation.mass_share(*inside)
        found["rank"][use] = localisation.rank_share(*inside)
        return found
