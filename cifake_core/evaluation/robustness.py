"""What a run is still worth when its images were recompressed, shrunk, blurred … : a sweep over transforms and strengths.

Real and fake accuracy are told apart, and a threshold that no longer fits from a signal that is gone. It writes a study
beside the runs, never into them. Command: `python -m cifake_core robustness --run RUN`.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cifake_core import hardware, ray_cluster
from cifake_core.detectors import runs, scoring, shards
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.runs import Run
from cifake_core.detectors.shards import Shard
from cifake_core.errors import BadInput, Conflict, Damaged
from cifake_core.evaluation import transforms
from cifake_core.evaluation.harm import failure, judged, meaning
from cifake_core.evaluation.transforms import Transform
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.metrics import scores
from cifake_core.metrics.intervals import share
from cifake_core.progress import Progress
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

VERSION = 1
RESULT, LOGITS = "robustness.json", "logits.parquet"
CHUNK = 1000  # images transformed and scored at once: the shard of a cluster; noise is seeded by its first image


@dataclass(frozen=True)
class Robustness:
    """Score a run on transformed images of its own image set."""

    run_id: str
    split: str = "test"  # or validation
    limit: int = 0  # images, as many real as fake where possible; 0 = all
    transforms: tuple[str, ...] = ()  # names of transforms.ALL, "blur" or with strengths "blur:0.6:1.2"; none = all
    threshold: float = 0.5
    executor: str = "local"  # or "ray": on the machines of a Ray cluster
    address: str = ""  # of the Ray cluster, host:port or auto; "" = Ray on this machine alone

    def __post_init__(self) -> None:
        ray_cluster.checked(self.executor, self.address)
        given = (self.transforms,) if isinstance(self.transforms, str) else tuple(self.transforms)
        object.__setattr__(self, "transforms", given)
        checked_name(self.run_id)
        if self.split not in ("validation", "test"):
            raise BadInput(f"The split is {self.split[:40]!r}; take validation or test.")
        if self.limit < 0:
            raise BadInput(f"The limit is {self.limit}; give the number of images, or 0 for all.")
        if not 0 < self.threshold < 1:
            raise BadInput(f"The threshold is {self.threshold:g}; it lies between 0 and 1.")
        self.plan()

    def plan(self) -> list[tuple[Transform, float]]:
        """Every (transform, strength), in order, without repetition."""
        asked = [_parsed(text) for text in self.transforms] or [(t, t.strengths) for t in transforms.ALL]
        return list(dict.fromkeys((transform, float(strength)) for transform, values in asked for strength in values))

    def run(self, context: Context) -> dict:
        """The study: see `measured`. Taken from the workspace where it was made before."""
        run = runs.open_run(context.workspace, self.run_id)
        folder = study_folder(context.workspace, run, self)
        if not (folder / artifacts.RECORD).exists():
            result, logits = measured(context.workspace, run, self, context.on_progress)
            _store(folder, run, result, logits)
        return artifacts.read_json(artifacts.verify(folder, RESULT))


def study_folder(workspace: Workspace, run: Run, asked: Robustness) -> Path:
    """Where this study lies: the name is for the eye, the digest is of the weights, the images and all that was asked."""
    request = {
        "version": VERSION,
        "run": run.record["sha256"],
        "images": run.record["dataset_digest"],
        "split": asked.split,
        "limit": asked.limit,
        "threshold": asked.threshold,
        "plan": [[transform.name, strength] for transform, strength in asked.plan()],
    }
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    return workspace.home / "studies" / f"robustness-{run.id}-{digest[:10]}"


def studies(workspace: Workspace, run_id: str) -> list[dict]:
    """All finished studies of a run, newest first; a damaged one is left out."""
    found = []
    for record in (workspace.home / "studies").glob(f"robustness-{checked_name(run_id)}-*/{artifacts.RECORD}"):
        try:
            found.append(artifacts.read_json(artifacts.verify(record.parent, RESULT)))
        except Damaged:
            continue
    return sorted((study for study in found if study["run"] == run_id), key=lambda study: study["created_at"], reverse=True)


def logits_of_study(workspace: Workspace, run: Run, asked: Robustness) -> pd.DataFrame:
    """image_id, row (in the part), label, "as stored" and a column "blur 0.6" for each row of the study. Raises NotFound."""
    return pd.read_parquet(artifacts.verify(study_folder(workspace, run, asked), LOGITS))


def measured(workspace: Workspace, run: Run, asked: Robustness, on_progress: Progress) -> tuple[dict, pd.DataFrame]:
    """{"run", "dataset", "split", "n", "threshold", "baseline", "rows", "always_right", "worst", "meaning", …} and the logits.

    "baseline" and each of "rows" hold transform, strength, unit and what `judged` gives; rows add "failure" (none,
    threshold or signal, see `failure`). "always_right" is the share of images right as stored and under every row.
    """
    part = ImageSet.open(workspace, run.dataset).part(asked.split)
    chosen = balanced_rows(part.labels, asked.limit)
    logits = _scored(run, part, chosen, asked, on_progress)
    labels = part.labels[chosen]
    columns = logits.columns[3:]
    plan = [None, *asked.plan()]
    made = [_row(item, logits[name].to_numpy(np.float64), labels, asked.threshold) for item, name in zip(plan, columns, strict=True)]
    baseline, rows = made[0], made[1:]
    rows = [{**row, "failure": failure(baseline, row)} for row in rows]
    right = np.stack([scores.verdicts(logits[name], asked.threshold) == labels for name in columns])
    worst = min(rows, key=lambda row: row["accuracy"]["value"]) if rows else None
    result = {
        "run": run.id,
        "dataset": run.dataset,
        "split": asked.split,
        "n": len(labels),
        "threshold": asked.threshold,
        "baseline": baseline,
        "rows": rows,
        "always_right": share(int(right.all(axis=0).sum()), len(labels)).as_dict(),
        "worst": worst,
        "meaning": meaning(baseline, rows),
        "hardware": hardware.description(hardware.chosen_device()),
        "versions": runs.versions(),
        "created_at": runs.now(),
    }
    return result, logits


def balanced_rows(labels: np.ndarray, limit: int) -> np.ndarray:
    """Rising row numbers of at most `limit` images, half of each label where there are enough; 0 = all. Always the same."""
    if not limit or limit >= len(labels):
        return np.arange(len(labels))
    random = np.random.default_rng(0)
    shuffled = [random.permutation(np.flatnonzero(labels == label)) for label in (0, 1)]
    fewer = min(shuffled, key=len)
    n_fewer = min(len(fewer), limit // 2)
    more = shuffled[1] if fewer is shuffled[0] else shuffled[0]
    return np.sort(np.concatenate([fewer[:n_fewer], more[: limit - n_fewer]]))


def _parsed(text: str) -> tuple[Transform, tuple[float, ...]]:
    name, *values = text.split(":")
    transform = transforms.named(name)
    try:
        strengths = tuple(float(value) for value in values)
    except ValueError as error:
        raise BadInput(f"{text[:60]!r} is no transform with strengths; write it as blur:0.6:1.2.") from error
    return transform, transforms.checked_strengths(transform, strengths)


def _scored(run: Run, part: Part, chosen: np.ndarray, asked: Robustness, on_progress: Progress) -> pd.DataFrame:
    """One column of logits for the stored images and one for each step of the plan."""
    plan: list[tuple[Transform, float] | None] = [None, *asked.plan()]
    with ray_cluster.joined(asked.executor, asked.address) as ray:
        parts = shards.over(ray, run, part.split_pixels, part.rows[chosen], CHUNK, partial(_logits, asked), on_progress)
    logits = dict(zip(map(column_name, plan), np.concatenate(parts, axis=1), strict=True))
    return pd.DataFrame({"image_id": part.image_ids[chosen], "row": chosen, "label": part.labels[chosen], **logits})


def _logits(asked: Robustness, detector: Detector, shard: Shard, on_progress: Progress) -> np.ndarray:
    """float32 (1 + steps of the plan, n): of a shard's images as they are stored, then of each transformed."""
    plan, found = [None, *asked.plan()], []
    for number, item in enumerate(plan):
        on_progress(number, len(plan), f"Scoring images: {column_name(item)}")
        pixels = shard.pixels if item is None else item[0](shard.pixels, item[1], seed=shard.first)
        images = scoring.on_device(np.ascontiguousarray(pixels), detector.device)
        found.append(scoring.logits_of(detector.network, images))
    on_progress(len(plan), len(plan), "Scoring images")
    return np.stack(found)


def column_name(item: tuple[Transform, float] | None) -> str:
    """ "as stored", or "blur 0.6"."""
    return "as stored" if item is None else f"{item[0].name} {item[1]:g}"


def _row(item: tuple[Transform, float] | None, logits: np.ndarray, labels: np.ndarray, threshold: float) -> dict:
    named = {"transform": "", "strength": None, "unit": ""}
    if item is not None:
        named = {"transform": item[0].name, "strength": item[1], "unit": item[0].unit}
    return {**named, "n": len(labels), **judged(logits, labels, threshold)}


def _store(folder: Path, run: Run, result: dict, logits: pd.DataFrame) -> None:
    try:
        with artifacts.whole_folder(folder) as building:
            artifacts.write_json(building / RESULT, result)
            logits.to_parquet(building / LOGITS, index=False)
            artifacts.write_record(building, {"kind": "robustness", "run": run.id}, [RESULT, LOGITS])
    except Conflict:  # somebody else measured the same meanwhile; theirs is the same
        pass
