"""From a recipe, some generators' fakes and a pool's reals to scores of the whole pool.

Features of a pool are measured once and kept beside the study; a network is trained by the detectors' own loop. What is
learned from: the given rows of fakes and the pool's training reals, nothing else.
"""

import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cifake_core.evaluation import transforms
from cifake_core.images.image_set import Part, TrainingData
from cifake_core.progress import Progress, silent
from cifake_core.store import artifacts
from cifake_core.studies.unseen import features
from cifake_core.studies.unseen.judging import Scores
from cifake_core.studies.unseen.pools import Pool
from cifake_core.studies.unseen.recipes import RANDOM_STATE, Recipe

_PARTS = ("fakes", "train_reals", "threshold_reals", "test_reals")
_VALIDATION = 0.1  # of a network's training images
_GRAY, _GAIN = 128, 4  # a residual as a picture: 4 grey levels a unit around the middle


@dataclass
class Bench:
    """A pool on which detectors are fitted; remembers what was measured of it, on disk too where `kept` says."""

    pool: Pool
    kept: Path | None = None
    on_progress: Progress = silent
    _measured: dict[tuple[str, str, str], np.ndarray] = field(default_factory=dict)

    def features(self, part: str, groups: tuple[str, ...], transform: str = "") -> np.ndarray:
        """float32 (images of that part, numbers of those groups), of the images as they are or transformed."""
        return np.concatenate([self._group(part, group, transform) for group in groups], axis=1)

    def _group(self, part: str, group: str, transform: str) -> np.ndarray:
        key = (part, group, transform)
        if key not in self._measured:
            self._measured[key] = self._read(key)
        return self._measured[key]

    def _read(self, key: tuple[str, str, str]) -> np.ndarray:
        part, group, transform = key
        path = self.kept / f"{'-'.join([*key, self.pool.digest[:12]]).replace(':', '_')}.npy" if self.kept else None
        if path is not None and path.exists():
            return np.load(path)
        found = features.measured(self.pixels(part, transform), group, self.on_progress)
        if path is not None:
            with artifacts.whole_file(path) as temporary, temporary.open("wb") as file:
                np.save(file, found)
        return found

    def pixels(self, part: str, transform: str = "") -> np.ndarray:
        """uint8 (n, 3, 32, 32) of a part, as it is or transformed ("blur:0.6")."""
        return transformed(getattr(self.pool, part), transform)


def transformed(pixels: np.ndarray, transform: str) -> np.ndarray:
    """uint8 (n, 3, H, W) after a recipe's transform, "blur:0.6" or "random-state:1"; "" leaves them as they are."""
    if not transform:
        return pixels
    name, strength = transform.split(":")
    return _drawn_states(pixels, int(strength)) if name == RANDOM_STATE else transforms.named(name)(pixels, float(strength))


def _drawn_states(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Each picture through RandomStateAugmentation; its own pixels and the seed decide how, wherever it stands."""
    from PIL import Image

    from cifake_core.detectors.community_forensics.augmentation import RandomStateAugmentation

    augment = RandomStateAugmentation(min(pixels.shape[2:]))

    def one(picture: np.ndarray) -> np.ndarray:
        draw = np.random.default_rng([seed, zlib.crc32(picture.tobytes())])
        return np.asarray(augment(Image.fromarray(picture.transpose(1, 2, 0)), draw)).transpose(2, 0, 1)

    return np.stack([one(np.ascontiguousarray(picture)) for picture in pixels]) if len(pixels) else pixels


def fit(bench: Bench, rows: np.ndarray, recipe: Recipe, seed: int = 0, on_progress: Progress = silent, reals: int = 0) -> Scores:
    """A detector of fakes at those rows against the training reals (`reals` of them, 0: all), and its scores of the pool."""
    chosen = np.arange(len(bench.pool.train_reals))
    if reals and reals < len(chosen):
        chosen = np.sort(np.random.default_rng([seed, 1]).permutation(chosen)[:reals])
    bench.on_progress = on_progress
    made = _network if recipe.model == "network" else _classifier
    return made(bench, rows, chosen, recipe, seed, on_progress)


def weights(generators: np.ndarray, n_reals: int, balanced: bool) -> np.ndarray:
    """One weight an image, fakes then reals, mean 1. Balanced: generators weigh alike, and fakes together as much as reals."""
    if not balanced:
        return np.ones(len(generators) + n_reals)
    _, which, counts = np.unique(generators, return_inverse=True, return_counts=True)
    fakes = (1 / counts)[which] / len(counts)
    both = np.concatenate([fakes, np.full(n_reals, 1 / n_reals)])
    return both * len(both) / 2


def _classifier(bench: Bench, rows: np.ndarray, reals: np.ndarray, recipe: Recipe, seed: int, on_progress: Progress) -> Scores:
    x, generators = [], []
    for transform in ("", *recipe.augment):
        x.append(bench.features("fakes", recipe.inputs, transform)[rows])
        generators.append(bench.pool.generators[rows])
    fakes = sum(map(len, x))
    x += [bench.features("train_reals", recipe.inputs, transform)[reals] for transform in ("", *recipe.augment)]
    table = np.concatenate(x)
    labels = np.arange(len(table)) < fakes
    weight = weights(np.concatenate(generators), len(table) - fakes, recipe.balanced)
    on_progress(0, 1, f"Fitting {recipe.title} on {len(table):,} images")
    decide = {
        "linear": lambda: _linear(table, labels, weight, recipe.shrinkage),
        "distance": lambda: _distance(table[~labels], recipe.shrinkage),
        "trees": lambda: _trees(table, labels, weight, seed),
    }[recipe.model]()
    return Scores(*(decide(bench.features(part, recipe.inputs)).astype(np.float32) for part in ("fakes", "threshold_reals", "test_reals")))


def _linear(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, shrinkage: float):
    """Fisher's discriminant with equal priors and a covariance shrunk towards its diagonal; its output is a logit.

    Source: Friedman 1989, regularised discriminant analysis. Columns are standardised; weights count images.
    """
    weight = weight.astype(np.float32)
    middle, spread = weight @ x / weight.sum(), x.std(axis=0) + 1e-6
    z = (x - middle) / spread
    means, within = [], 0.0
    for side in (labels, ~labels):
        share = weight[side] / weight[side].sum()
        means.append(share @ z[side])
        centred = (z[side] - means[-1]) * np.sqrt(share)[:, None]
        within = within + centred.T @ centred / 2
    within = (1 - shrinkage) * within + shrinkage * np.diag(np.diag(within) + 1e-4)
    direction = np.linalg.solve(within.astype(np.float64), (means[0] - means[1]).astype(np.float64))
    bias = -direction @ (means[0] + means[1]) / 2
    return lambda images: ((images - middle) / spread) @ direction + bias


def _distance(reals: np.ndarray, shrinkage: float):
    """Squared Mahalanobis distance from the reals, less its median and over its spread among them; no fake is used.

    Source: Lee et al. 2018, without classes. It ranks images; as a logit it is only as good as that.
    """
    middle, spread = reals.mean(axis=0), reals.std(axis=0) + 1e-6
    z = ((reals - middle) / spread).astype(np.float64)
    covariance = z.T @ z / len(z)
    covariance = (1 - shrinkage) * covariance + shrinkage * np.diag(np.diag(covariance) + 1e-4)
    root = np.linalg.inv(np.linalg.cholesky(covariance))

    def distance(images: np.ndarray) -> np.ndarray:
        return np.square(((images - middle) / spread) @ root.T).mean(axis=1)

    among = distance(reals)
    return lambda images: (distance(images) - np.median(among)) / (among.std() + 1e-9)


def _trees(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, seed: int):
    """Gradient-boosted trees of scikit-learn, small ones; the raw output is a logit."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.1, max_leaf_nodes=8, l2_regularization=5, max_bins=64, early_stopping=False, random_state=seed
    )
    model.fit(x, labels, sample_weight=weight)
    return model.decision_function


def _network(bench: Bench, rows: np.ndarray, reals: np.ndarray, recipe: Recipe, seed: int, on_progress: Progress) -> Scores:
    """Trained by `training.fit`; validation, which chooses the epoch, is a tenth of the same training images."""
    import torch

    from cifake_core import hardware
    from cifake_core.detectors import scoring, training
    from cifake_core.detectors.request import TrainSettings

    pixels, labels = _training_pixels(bench, rows, reals, recipe)
    settings = TrainSettings(recipe.topology, seed, recipe.epochs, 64, 1e-3, 0, "fp32")
    order = np.random.default_rng([seed, 2]).permutation(len(pixels))
    cut = max(2, int(_VALIDATION * len(order)))
    data = TrainingData(_part("train", pixels, labels, order[cut:]), _part("validation", pixels, labels, order[:cut]))
    hardware.use_threads()
    with tempfile.TemporaryDirectory() as checkpoints:
        state = training.fit(data, settings, Path(checkpoints), on_progress)
    device = next(state.network.parameters()).device

    def logits(part: str) -> np.ndarray:
        seen = np.ascontiguousarray(_seen(bench.pixels(part), recipe))
        return scoring.logits_of(state.network, torch.from_numpy(seen).to(device)).astype(np.float32)

    return Scores(*(logits(part) for part in ("fakes", "threshold_reals", "test_reals")))


def _training_pixels(bench: Bench, rows: np.ndarray, reals: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels of both kinds, transformed copies after them; balanced: rarer generators' images repeated."""
    repeats = np.ones(len(rows), int)
    if recipe.balanced:
        share = weights(bench.pool.generators[rows], len(reals), True)[: len(rows)]
        repeats = np.maximum(1, np.rint(share / share.min())).astype(int)
        repeats = np.minimum(repeats, 8)
    fakes = np.repeat(rows, repeats)
    pictures, labels = [], []
    for transform in ("", *recipe.augment):
        for part, chosen, label in (("fakes", fakes, 1), ("train_reals", reals, 0)):
            unique, place = np.unique(chosen, return_inverse=True)
            found = bench.pixels(part)[unique]
            pictures.append(_seen(transformed(found, transform), recipe)[place])
            labels.append(np.full(len(chosen), label, np.int8))
    return np.concatenate(pictures), np.concatenate(labels)


def _seen(pixels: np.ndarray, recipe: Recipe) -> np.ndarray:
    """What the network looks at: the picture, or only its residual (Laplacian of each colour), uint8 of the same shape."""
    if recipe.inputs != ("residual",):
        return pixels
    padded = np.pad(pixels.astype(np.float32), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    residual = features.filtered(padded, features.KERNELS["square 3"])
    return np.clip(np.rint(_GRAY + _GAIN * residual), 0, 255).astype(np.uint8)


def _part(name: str, pixels: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> Part:
    rows = np.sort(rows)
    unknown = np.full(len(rows), -1, np.int8)
    ids = np.array([str(row) for row in rows], dtype=object)
    return Part(name, pixels, labels[rows], unknown, ids, pd.DataFrame({"label": labels[rows]}), rows)
