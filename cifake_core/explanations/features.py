"""What a detector sees in an image: its last convolution's activations, kept of the images it learned from.

The question: which training images are like this one, in feature space? Whether an image is outside the training domain
is the out-of-distribution check's to say (detectors/ood).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cifake_core.detectors import feature_maps, loading, runs
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import as_input, convolution_names
from cifake_core.detectors.places import AFTER_RELU
from cifake_core.detectors.presets import PRESETS
from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.detectors.scoring import on_device
from cifake_core.errors import Conflict, Damaged
from cifake_core.explanations import studies
from cifake_core.explanations.observing import undisturbed
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.progress import Progress, silent
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

VERSION = 3  # raise it whenever stored features would come out differently
HELD_OUT = 2000  # validation images, half of each label, whose distances are the measure
KTH = 10  # neighbour whose distance counts
FILES = ("train.npy", "distances.npy", "labels.npy", "mean.npy", "axes.npy")
CELLS = 4  # activations are averaged over 4 × 4 cells: where something is counts, but not to the pixel
AXES = 63  # principal components that are kept, and one number for all that is left
FITTED = 4000  # training images the components are found on
_BATCH = 250


def features_of(detector: Detector, pixels: np.ndarray, on_progress: Progress = silent) -> np.ndarray:
    """The last layer's feature map after its ReLU on CELLS × CELLS: uint8 (n, 3, H, W) → float32 (n, channels · CELLS²).

    Of a vision transformer, which has no ReLU, the positive part of its normalised patch tokens.
    """
    seen: list[Tensor] = []
    name = convolution_names(detector.network)[-1]
    parts = [np.zeros((0, 0), np.float32)]
    with detector.lock, undisturbed(detector.network), torch.no_grad():
        network = feature_maps.observable(detector.network, AFTER_RELU).eval()
        last = feature_maps.module_of(network, name, AFTER_RELU)
        hook = last.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        try:
            for start in range(0, len(pixels), _BATCH):
                on_progress(start, len(pixels), "Reading features")
                network(as_input(on_device(pixels[start : start + _BATCH], detector.device)))
                cells = functional.adaptive_avg_pool2d(torch.cat(seen).relu(), CELLS)  # (N, channels, CELLS, CELLS)
                seen.clear()  # a large network takes a batch in several parts
                parts.append(cells.flatten(1).float().cpu().numpy())
        finally:
            hook.remove()
    return np.concatenate(parts[1:]) if len(parts) > 1 else parts[0]


@dataclass(frozen=True)
class Axes:
    """Principal components of training features: less to keep, and distances that are quick."""

    mean: np.ndarray  # float32 (d,)
    axes: np.ndarray  # float32 (a, d), orthonormal

    @staticmethod
    def fitted(features: np.ndarray) -> "Axes":
        """From features (n, d), n ≥ 1."""
        mean = features.mean(0)
        _, _, axes = np.linalg.svd(features - mean, full_matrices=False)
        return Axes(mean.astype(np.float32), axes[:AXES].astype(np.float32))

    def placed(self, features: np.ndarray) -> np.ndarray:
        """(n, d) → (n, a + 1): the components, and the length of what they leave out, which strange images have most of."""
        off = features - self.mean
        inside = off @ self.axes.T
        left = np.sqrt(np.maximum((off**2).sum(1) - (inside**2).sum(1), 0))
        return np.column_stack([inside, left]).astype(np.float32)


@dataclass(frozen=True)
class Nearest:
    """Training images nearest to one image, and how far away they are compared with held-out images."""

    rows: np.ndarray  # int (k,): rows of the part "train", nearest first
    distances: np.ndarray  # float (k,): 1 = as far as a held-out image typically is from its KTH nearest
    distance: float  # to the KTH nearest
    percentile: float  # share of held-out images that are nearer to the training images, 0 … 1
    by_label: tuple[float, float]  # the same among held-out reals, and among fakes
    n: int  # held-out images


@dataclass(frozen=True)
class FeatureIndex:
    """Features of a run's training images, ready to be asked."""

    train: np.ndarray  # float32 (N, a + 1), in the order of the part "train"
    distances: np.ndarray  # float32 (m,), of held-out images
    labels: np.ndarray  # int8 (m,)
    axes: Axes

    def nearest(self, feature: np.ndarray, k: int = 8) -> Nearest:
        """`feature`: (d,) of `features_of`."""
        away = distances(self.axes.placed(feature[None]), self.train)[0]
        most = min(max(k, KTH), len(away))
        near = np.argpartition(away, most - 1)[:most]
        near = near[np.argsort(away[near], kind="stable")]
        distance = float(away[near[min(KTH, most) - 1]])
        share = [
            float((self.distances[rows] < distance).mean())
            for rows in (self.labels >= 0, self.labels == 0, self.labels == 1)
        ]
        unit = float(np.median(self.distances)) or 1.0
        return Nearest(near[:k], away[near[:k]] / unit, distance / unit, share[0], (share[1], share[2]), len(self.distances))


@dataclass(frozen=True)
class IndexFeatures:
    """Features of all training images of a run, and the distances of held-out ones: made once, then read."""

    run_id: str

    def run(self, context: Context) -> dict:
        """{"run", "n", "held_out", "features", "reused"}."""
        run = runs.open_run(context.workspace, self.run_id)
        folder, reused = folder_of(context.workspace, run), True
        if not (folder / artifacts.RECORD).exists():
            reused = False
            _make(folder, run, ImageSet.open(context.workspace, run.dataset), context.on_progress)
        record = artifacts.read_json(folder / artifacts.RECORD)
        return {name: record[name] for name in ("run", "n", "held_out", "features")} | {"reused": reused}


def _make(folder: Path, run: Run, image_set: ImageSet, on_progress: Progress) -> None:
    detector = loading.load(run)
    train, held = image_set.part("train"), image_set.part("validation")
    rows = studies.sample(held.labels, HELD_OUT, seed=0)
    sample = studies.sample(train.labels, FITTED, seed=0)
    axes = Axes.fitted(features_of(detector, np.ascontiguousarray(train.split_pixels[train.rows[sample]]), on_progress))
    features = _placed(detector, train, axes, on_progress)
    held_out = np.ascontiguousarray(held.split_pixels[held.rows[rows]])
    away = []
    for start in range(0, len(rows), 100):
        on_progress(start, len(rows), "Measuring held-out images")
        away.append(to_kth(axes.placed(features_of(detector, held_out[start : start + 100])), features))
    try:
        with artifacts.whole_folder(folder) as temporary:
            arrays = (features, np.concatenate(away), held.labels[rows], axes.mean, axes.axes)
            for name, array in zip(FILES, arrays, strict=True):
                np.save(temporary / name, array if array.dtype == np.int8 else array.astype(np.float32), allow_pickle=False)
            record = {"run": run.id, "n": len(features), "held_out": len(rows), "features": features.shape[1]}
            record |= {"versions": runs.versions(), "created_at": runs.now()}
            artifacts.write_record(temporary, record, list(FILES))
    except Conflict:  # another process made the same meanwhile
        return


def _placed(detector: Detector, part: Part, axes: Axes, on_progress: Progress) -> np.ndarray:
    """(N, a + 1) of all images of a part, a few at a time: the raw features of CIFAKE's would take 180 MB."""
    parts = []
    for start in range(0, len(part), 5000):
        on_progress(start, len(part), "Reading features")
        pixels = np.ascontiguousarray(part.split_pixels[part.rows[start : start + 5000]])
        parts.append(axes.placed(features_of(detector, pixels)))
    return np.concatenate(parts)


def folder_of(workspace: Workspace, run: Run) -> Path:
    """`features/<run>-<weights>-<version>`: other weights are other features. A preset's have a place in it as well: those
    of earlier versions were of the raw convolution output, before normalisation, sum and ReLU.
    """
    version = f"{VERSION}-{AFTER_RELU}" if run.topology in PRESETS else str(VERSION)
    return workspace.home / "features" / f"{run.id}-{run.record['sha256'][WEIGHTS][:10]}-{version}"


def stored(workspace: Workspace, run: Run) -> FeatureIndex | None:
    """The run's index, if it was made. Raises Damaged."""
    record = folder_of(workspace, run) / artifacts.RECORD
    return _opened(record.parent, record.stat().st_mtime_ns) if record.exists() else None


@lru_cache(maxsize=4)
def _opened(folder: Path, _modified_ns: int) -> FeatureIndex:
    train, away, labels, mean, axes = (np.load(artifacts.verify(folder, name), allow_pickle=False) for name in FILES)
    if len(away) != len(labels) or train.ndim != 2:
        raise Damaged(
            f"The features in {folder.name!r} do not fit together; delete the folder and index the run again."
        )
    return FeatureIndex(train.astype(np.float32), away, labels, Axes(mean, axes))


def distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distances (n, N)."""
    square = (some**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * (some @ others.T)
    return np.sqrt(np.maximum(square, 0))


def to_kth(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance (n,) of each to its KTH nearest among others (N, d)."""
    kth = min(KTH, len(others)) - 1
    return np.concatenate([np.partition(distances(some[at : at + 100], others), kth, axis=1)[:, kth] for at in range(0, len(some), 100)])
