"""Finished runs on generators they have never met: the share of fakes found, next to what they reach on their own test set.

The question of Park and Owens 2025 put to a CIFAKE detector. Command: `python -m cifake_core study transfer`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cifake_core import ray_cluster
from cifake_core.detectors import runs, scoring, shards
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.runs import Run
from cifake_core.detectors.shards import Shard
from cifake_core.errors import BadInput, NotFound, Refused
from cifake_core.evaluation import evaluating
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE
from cifake_core.metrics.intervals import share
from cifake_core.progress import Progress
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace
from cifake_core.studies.unseen import judging
from cifake_core.studies.unseen.judging import Scores
from cifake_core.studies.unseen.pools import Pool, Source, open_pool
from cifake_core.studies.unseen.shelves import Meter, Shelf, described, scores_table

SHARD = 4 * scoring.BATCH  # images


@dataclass(frozen=True)
class StudyTransfer(Source):
    """Score runs of `dataset` on the fakes of every generator of `generators`; reals are the dataset's test photographs."""

    run_ids: tuple[str, ...] = ()  # (): all runs trained on the dataset
    executor: str = "local"  # or "ray": on the machines of a Ray cluster
    address: str = ""  # of the Ray cluster, host:port or auto; "" = Ray on this machine alone

    def __post_init__(self) -> None:
        super().__post_init__()
        ray_cluster.checked(self.executor, self.address)
        given = (self.run_ids,) if isinstance(self.run_ids, str) else tuple(self.run_ids)
        object.__setattr__(self, "run_ids", given)

    def run(self, context: Context) -> dict:
        """{"runs": [{"run", "own": its test accuracy, "own_recall": of its test fakes at 0.5, "generators", "macro", "pooled"}], "generators": each over all runs, "spread"}."""
        chosen = self._runs(context)
        pool = open_pool(context.workspace, self, context.on_progress)
        shelf = Shelf.of(context.workspace, "transfer", self, pool.digest, " ".join(run.record["sha256"]["weights.safetensors"] for run in chosen))
        if (there := shelf.found()) is not None:
            return there
        groups, meter = {name: pool.rows([name]) for name in pool.names}, Meter(len(chosen), context.on_progress)
        rows, tables = [], []
        with ray_cluster.joined(self.executor, self.address) as ray:
            for run in chosen:
                scores = shelf.unit(run.id, lambda run=run: scored(ray, run, pool, meter.part))
                own = run.record.get("test")
                rows.append({"run": run.id, "topology": run.topology, "seed": run.seed, "own": own, "own_recall": _own_recall(context.workspace, run), **judging.summary(scores, groups)})
                tables.append(scores_table(pool, run.id, scores, np.arange(len(pool.fakes))))
                meter.finished()
        result = {**described("transfer", self, pool), "runs": rows, "spread": _spread(rows)}
        return shelf.keep(result, pd.concat(tables, ignore_index=True))

    def _runs(self, context: Context) -> list[Run]:
        if self.run_ids:
            found = [runs.open_run(context.workspace, identity) for identity in self.run_ids]
        else:
            digest = ImageSet.open(context.workspace, self.dataset).digest
            found = [run for run in runs.runs(context.workspace) if run.record["dataset_digest"] == digest]
        if not found:
            raise Refused(f"No network has been trained on {self.dataset!r}; train one first: train --dataset {self.dataset}.")
        strangers = [run.id for run in found if run.dataset != self.dataset]
        if strangers:
            raise BadInput(f"The run {strangers[0]} was not trained on {self.dataset!r}; name runs of one image set.")
        return sorted(found, key=lambda run: run.id)


def _own_recall(workspace: Workspace, run: Run) -> dict | None:
    """The share of fakes of its own test set that the run calls fake at probability 0.5; None where it stored no such predictions."""
    try:
        own = evaluating.predictions(workspace, run, "test")
    except NotFound:
        return None
    fakes = own["logit"].to_numpy()[own["label"].to_numpy() == FAKE]
    return share(int((fakes >= 0).sum()), len(fakes)).as_dict() if len(fakes) else None


def scored(ray: Any, run: Run, pool: Pool, on_progress: Progress) -> Scores:
    """The run's logits for a whole pool; `ray` as in `shards.over`."""
    parts = (pool.fakes, pool.threshold_reals, pool.test_reals)
    return Scores(*(np.concatenate(shards.over(ray, run, part, None, SHARD, _logits, on_progress)) for part in parts))


def _logits(detector: Detector, shard: Shard, on_progress: Progress) -> np.ndarray:
    images = scoring.on_device(shard.pixels, detector.device)
    return scoring.logits_of(detector.network, images, on_progress=on_progress)


def _spread(rows: list[dict]) -> dict:
    """Mean and sample standard deviation over runs: own accuracy, fakes found at 0.5, reals accused, AUC (macro and pooled)."""
    columns = {
        "own_accuracy": [row["own"]["accuracy"] for row in rows if row["own"]],
        "found": [row["pooled"]["recall_at_half"]["value"] for row in rows],
        "found_macro": [row["macro"]["recall_at_half"]["value"] for row in rows],
        "accused": [row["false_positives"]["at_half"]["value"] for row in rows],
        "auc_macro": [row["macro"]["auc"]["value"] for row in rows],
        "auc_pooled": [row["pooled"]["auc"]["value"] for row in rows],
    }
    return {
        name: {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None, "n": len(values)}
        for name, values in columns.items()
        if values
    }
