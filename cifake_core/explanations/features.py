"""What a detector makes of an image just before it decides: features, kept of the images it learned from.

Two questions are asked of them. Which training images are like this one, in the eyes of the network? And is this image
far from everything the network has learned from? Source of the second: Sun et al. 2022, "Out-of-Distribution Detection
with Deep Nearest Neighbors": the distance of unit-length features to the k-th nearest training image. We differ: it is
told as a percentile of the same distance of held-out images, not as a threshold. It knows no pages.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cifake_core.detectors import loading, runs
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import as_input
from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.detectors.scoring import on_device
from cifake_core.errors import Conflict, Damaged
from cifake_core.explanations import studies
from cifake_core.explanations.observing import undisturbed
from cifake_core.images.image_set import ImageSet
from cifake_core.progress import Progress, silent
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

VERSION = 1  # raise it whenever stored features would come out differently
KTH = 10  # neighbour whose distance counts
HELD_OUT = 2000  # validation images, half of each label, whose distances are the measure
FILES = ("train.npy", "distances.npy", "labels.npy")
_BATCH = 250


def features_of(detector: Detector, pixels: np.ndarray, on_progress: Progress = silent) -> np.ndarray:
    """What enters the network's last layer, at unit length: uint8 (n, 3, H, W) → float32 (n, d). All-zero stays zero."""
    seen: list[Tensor] = []
    last = [module for module in detector.network.modules() if isinstance(module, nn.Linear)][-1]
    parts = []
    with detector.lock, undisturbed(detector.network), torch.no_grad():
        hook = last.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
        try:
            for start in range(0, len(pixels), _BATCH):
                on_progress(start, len(pixels), "Reading features")
                detector.network(as_input(on_device(pixels[start : start + _BATCH], detector.device)))
                parts.append(seen.pop().flatten(1).float().cpu().numpy())
        finally:
            hook.remove()
    found = np.concatenate(parts) if parts else np.zeros((0, last.in_features), np.float32)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(length > 0, length, 1)


@dataclass(frozen=True)
class Nearest:
    """Training images nearest to one image, and how far away they are compared with held-out images."""

    rows: np.ndarray  # int (k,): rows of the part "train", nearest first
    distances: np.ndarray  # float (k,): 0 = the same direction, 2 = the opposite one
    distance: float  # to the KTH nearest
    percentile: float  # share of held-out images that are nearer to the training images, 0 … 1
    by_label: tuple[float, float]  # the same among held-out reals, and among fakes
    n: int  # held-out images


@dataclass(frozen=True)
class FeatureIndex:
    """Features of a run's training images, ready to be asked."""

    train: np.ndarray  # float32 (N, d), in the order of the part "train"
    distances: np.ndarray  # float32 (m,), of held-out images
    labels: np.ndarray  # int8 (m,)

    def nearest(self, feature: np.ndarray, k: int = 8) -> Nearest:
        """`feature`: (d,) of `features_of`."""
        away = _distances(feature[None], self.train)[0]
        most = min(max(k, KTH), len(away))
        near = np.argpartition(away, most - 1)[:most]
        near = near[np.argsort(away[near], kind="stable")]
        distance = float(away[near[min(KTH, most) - 1]])
        share = [
            float((self.distances[rows] < distance).mean())
            for rows in (self.labels >= 0, self.labels == 0, self.labels == 1)
        ]
        return Nearest(near[:k], away[near[:k]], distance, share[0], (share[1], share[2]), len(self.distances))


def _distances(some: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Euclidean distances (n, N) of unit vectors."""
    return np.sqrt(np.maximum(2 - 2 * (some @ train.T), 0))


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
    features = features_of(detector, train.pixels, on_progress)
    distances = []
    for start in range(0, len(rows), 100):
        on_progress(start, len(rows), "Measuring held-out images")
        away = _distances(features_of(detector, held.pixels[rows[start : start + 100]]), features)
        kth = min(KTH, len(features)) - 1
        distances.append(np.partition(away, kth, axis=1)[:, kth])
    try:
        with artifacts.whole_folder(folder) as temporary:
            np.save(temporary / FILES[0], features.astype(np.float16), allow_pickle=False)
            np.save(temporary / FILES[1], np.concatenate(distances).astype(np.float32), allow_pickle=False)
            np.save(temporary / FILES[2], held.labels[rows], allow_pickle=False)
            record = {"run": run.id, "n": len(features), "held_out": len(rows), "features": features.shape[1]}
            record |= {"versions": runs.versions(), "created_at": runs.now()}
            artifacts.write_record(temporary, record, list(FILES))
    except Conflict:  # another process made the same meanwhile
        return


def folder_of(workspace: Workspace, run: Run) -> Path:
    """`features/<run>-<weights>-<version>`: other weights are other features."""
    return workspace.home / "features" / f"{run.id}-{run.record['sha256'][WEIGHTS][:10]}-{VERSION}"


def stored(workspace: Workspace, run: Run) -> FeatureIndex | None:
    """The run's index, if it was made. Raises Damaged."""
    record = folder_of(workspace, run) / artifacts.RECORD
    return _opened(record.parent, record.stat().st_mtime_ns) if record.exists() else None


@lru_cache(maxsize=4)
def _opened(folder: Path, _modified_ns: int) -> FeatureIndex:
    train, distances, labels = (np.load(artifacts.verify(folder, name), allow_pickle=False) for name in FILES)
    if len(distances) != len(labels) or train.ndim != 2:
        raise Damaged(
            f"The features in {folder.name!r} do not fit together; delete the folder and index the run again."
        )
    return FeatureIndex(train.astype(np.float32), distances, labels)
