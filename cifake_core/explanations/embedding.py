"""A map of images: what a network has made of each just before it decides, or its pixels, laid out on a plane.

Neighbours stay neighbours; distances between far groups mean nothing. Layouts: t-SNE (van der Maaten and Hinton 2008; from
openTSNE, Poličar et al. 2024, whose interpolation makes it linear in the number of images) and principal components. Clusters of
mistakes are found by HDBSCAN (Campello et al. 2013; scikit-learn) in the layout. It knows no pages.

Cost: 20,000 images by t-SNE take a few minutes of one core, principal components seconds. `python -m cifake_core embed --run RUN`
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cifake_core.detectors import loading, runs
from cifake_core.detectors.places import AFTER_RELU
from cifake_core.detectors.presets import PRESETS
from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.errors import BadInput, Conflict, Damaged
from cifake_core.evaluation.robustness import balanced_rows
from cifake_core.explanations.features import features_of
from cifake_core.images.image_set import ImageSet
from cifake_core.progress import Progress
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

VERSION = 1
POINTS, KIND = "points.parquet", "embedding"
SOURCES = {"features": "what the network sees last", "pixels": "pixels"}
LAYOUTS = ("t-SNE", "PCA")
ITERATIONS = (250, 500)  # of t-SNE: exaggerated, then plain
COMPONENTS = 50  # of the data that t-SNE is given
SMALLEST_CLUSTER = 8  # mistakes


@dataclass(frozen=True)
class Embed:
    """Lay out the images of a run's test or validation part on a plane."""

    run_id: str
    split: str = "test"
    of: str = "features"  # or pixels
    layout: str = "t-SNE"  # or PCA
    limit: int = 0  # images, half of each label; 0 = all
    seed: int = 0

    def __post_init__(self) -> None:
        checked_name(self.run_id)
        for name, value, known in (
            ("split", self.split, ("validation", "test")),
            ("source", self.of, tuple(SOURCES)),
            ("layout", self.layout, LAYOUTS),
        ):
            if value not in known:
                raise BadInput(f"The {name} is {str(value)[:40]!r}; take {' or '.join(known)}.")
        if self.limit < 0:
            raise BadInput(f"The limit is {self.limit}; give the number of images, or 0 for all.")

    def run(self, context: Context) -> dict:
        """The record: run, split, of, layout, n, seconds …; points are read by `points`. Made once, then read."""
        run = runs.open_run(context.workspace, self.run_id)
        folder = folder_of(context.workspace, run, self)
        if not (folder / artifacts.RECORD).exists():
            _keep(folder, run, self, _points(context.workspace, run, self, context.on_progress))
        context.on_progress(100, 100, "Laid out")
        return artifacts.read_json(folder / artifacts.RECORD)


def folder_of(workspace: Workspace, run: Run, asked: Embed) -> Path:
    """Where this layout lies: the same request on the same weights and images is the same layout."""
    request = [VERSION, run.record["dataset_digest"], run.record["sha256"][WEIGHTS], asdict(asked)]
    request += [AFTER_RELU] if _of_residual(run, asked.of) else []
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    return workspace.home / "studies" / KIND / f"{run.id}-{digest[:10]}"


def _of_residual(run: Run, source: str) -> bool:
    """Whether a layout rests on features of a preset: those of earlier versions were of the raw convolution output, before
    normalisation, sum and ReLU, and their records have no "feature_map".
    """
    return source == "features" and run.topology in PRESETS


def embeddings(workspace: Workspace, run: Run) -> list[dict]:
    """The records of all layouts of a run, newest first, each with its "folder"; without those that `_of_residual` rules out."""
    found = []
    for record in (workspace.home / "studies" / KIND).glob(f"{run.id}-*/{artifacts.RECORD}"):
        try:
            found.append({**artifacts.read_json(record), "folder": record.parent.name})
        except Damaged:
            continue
    current = [one for one in found if one["weights"] == run.record["sha256"][WEIGHTS]]
    current = [one for one in current if "feature_map" in one or not _of_residual(run, one["of"])]
    return sorted(current, key=lambda one: one["created_at"], reverse=True)


def points(workspace: Workspace, folder: str) -> pd.DataFrame:
    """image_id, row (in the part), x, y: one row an image. Raises NotFound or Damaged."""
    return pd.read_parquet(artifacts.verify(workspace.home / "studies" / KIND / checked_name(folder), POINTS))


def clusters(x: np.ndarray, y: np.ndarray, smallest: int = SMALLEST_CLUSTER) -> np.ndarray:
    """The cluster of each point, (n,) int: 0 is the largest, −1 belongs to none."""
    from sklearn.cluster import HDBSCAN

    if len(x) < max(2, smallest):
        return np.full(len(x), -1)
    found = HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(np.stack([x, y], axis=1))
    sizes = np.bincount(found[found >= 0], minlength=1)
    rank = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    return np.where(found >= 0, rank[found], -1)


def _points(workspace: Workspace, run: Run, asked: Embed, on_progress: Progress) -> pd.DataFrame:
    part = ImageSet.open(workspace, run.dataset).part(asked.split)
    chosen = balanced_rows(part.labels, asked.limit)
    if len(chosen) < 4:
        raise BadInput(f"A map needs at least four images; there are {len(chosen)} here.")
    pixels = np.ascontiguousarray(part.split_pixels[part.rows[chosen]])
    if asked.of == "pixels":
        features = pixels.reshape(len(pixels), -1).astype(np.float32)
    else:
        features = features_of(
            loading.load(run),
            pixels,
            lambda done, total, message: on_progress(30 * done // max(total, 1), 100, message),
        )
    xy = _laid_out(features, asked, on_progress)
    return pd.DataFrame({"image_id": part.image_ids[chosen], "row": chosen, "x": xy[:, 0], "y": xy[:, 1]})


def _laid_out(features: np.ndarray, asked: Embed, on_progress: Progress) -> np.ndarray:
    """float32 (n, 2)."""
    from sklearn.decomposition import PCA

    on_progress(30, 100, "Finding the principal components")
    kept = 2 if asked.layout == "PCA" else min(COMPONENTS, *features.shape)
    small = PCA(
        kept, svd_solver="randomized" if kept < min(features.shape) else "full", random_state=asked.seed
    ).fit_transform(features)
    if asked.layout == "PCA":
        return small.astype(np.float32)
    from openTSNE import TSNE

    early, plain = ITERATIONS
    done = 0

    def told(_iteration: int, _error: float, _embedding: np.ndarray) -> None:
        nonlocal done
        done += 10
        on_progress(40 + 60 * done // (early + plain), 100, "Laying out the images")

    on_progress(35, 100, "Finding each image's neighbours")
    layout = TSNE(
        perplexity=min(30, (len(small) - 1) / 3), early_exaggeration_iter=early, n_iter=plain, initialization="pca", n_jobs=1,
        random_state=asked.seed, callbacks=told, callbacks_every_iters=10, neighbors="exact" if len(small) < 1000 else "annoy",
        negative_gradient_method="bh" if len(small) < 1000 else "fft",
    )  # fmt: skip
    return np.asarray(layout.fit(small), np.float32)


def _keep(folder: Path, run: Run, asked: Embed, found: pd.DataFrame) -> None:
    record = {**asdict(asked), "run": run.id, "weights": run.record["sha256"][WEIGHTS], "n": len(found)}
    record |= {"feature_map": AFTER_RELU} if _of_residual(run, asked.of) else {}
    record |= {"versions": runs.versions(), "created_at": runs.now()}
    try:
        with artifacts.whole_folder(folder) as building:
            found.to_parquet(building / POINTS, index=False)
            artifacts.write_record(building, record, [POINTS])
    except Conflict:  # another process laid out the same meanwhile
        return
