"""Networks side by side: all runs that differ only in their seed are one row, with the mean and spread of its seeds.

The table a paper prints. Rows are ordered by validation: the test split chooses nothing. It does not train, and it does not
mix runs of different settings or images.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from cifake_core.detectors import runs, topology
from cifake_core.detectors.runs import Run, predictions_file
from cifake_core.errors import Damaged, NotFound
from cifake_core.evaluation.reference import paper_accuracy
from cifake_core.images.duplicates import seen_in
from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace


@dataclass(frozen=True)
class Spread:
    """Shares of 1, or seconds, over seeds. `sd` is the sample standard deviation; None for a single value."""

    n: int
    mean: float
    sd: float | None
    values: list[float]

    @staticmethod
    def of(values: Iterable[float]) -> "Spread | None":
        """None if there are no values."""
        found = np.array(list(values), np.float64)
        if not len(found):
            return None
        sd = float(found.std(ddof=1)) if len(found) > 1 else None
        return Spread(len(found), float(found.mean()), sd, found.tolist())


@dataclass(frozen=True)
class Repeated:
    """The runs of one request, a seed each, at least one."""

    runs: tuple[Run, ...]  # by seed

    @property
    def settings(self) -> dict:
        """Those of `TrainSettings` without the seed."""
        return {name: value for name, value in self.runs[0].record["settings"].items() if name != "seed"}

    def accuracy(self, split: str) -> Spread | None:
        """At threshold 0.5, as the runs were stored; None without such a split."""
        return Spread.of(run.record[split]["accuracy"] for run in self.runs if split in run.record)

    @property
    def hardware(self) -> list[str]:
        """One or several: seconds of different hardware do not compare."""
        return sorted({run.record.get("hardware", "") for run in self.runs})

    def seconds(self) -> Spread:
        return Spread.of(run.record["duration_s"] for run in self.runs)


def repeated(found: Iterable[Run]) -> list[Repeated]:
    """Each request with its seeds, the best on validation first; those without validation images last."""
    groups: dict[str, list[Run]] = {}
    for run in found:
        groups.setdefault(run.request, []).append(run)
    rows = [Repeated(tuple(sorted(group, key=lambda run: run.seed))) for group in groups.values()]
    return sorted(rows, key=lambda row: -validated.mean if (validated := row.accuracy("validation")) else 0)


def other_seeds(workspace: Workspace, run: Run, split: str) -> dict | None:
    """{"n", "mean", "sd", "runs": [{run, seed, accuracy}]} over all seeds of the same request at threshold 0.5; None for one seed."""
    same = [other for other in runs.runs(workspace) if other.request == run.request and split in other.record]
    if len(same) < 2:
        return None
    row = Repeated(tuple(sorted(same, key=lambda other: other.seed)))
    found = row.accuracy(split)
    named = [{"run": o.id, "seed": o.seed, "accuracy": a} for o, a in zip(row.runs, found.values, strict=True)]
    return {"n": found.n, "mean": found.mean, "sd": found.sd, "runs": named}


def network_table(workspace: Workspace, dataset: str) -> dict:
    """{"dataset", "digest", "paper_accuracy", "n_test", "n_seen", "rows": […]} of every run on exactly these images.

    A row: network, settings, preset (its numbers, None for another network), parameters, seeds, validation, test and
    without_duplicates (`Spread`; the latter on the test images that do not lie pixel by pixel in train or validation),
    seconds, best_epochs, hardware, precision, versions, runs.
    """
    image_set = ImageSet.open(workspace, dataset)
    on_it = [run for run in runs.runs(workspace) if run.record["dataset_digest"] == image_set.digest]
    fresh = _Fresh(image_set) if image_set.has("test") else None
    return {
        "dataset": image_set.name,
        "digest": image_set.digest,
        "paper_accuracy": paper_accuracy(image_set),
        "n_test": len(fresh.seen) if fresh else 0,
        "n_seen": int(fresh.seen.sum()) if fresh else 0,
        "rows": [_row(row, fresh) for row in repeated(on_it)],
    }


def of_grid(table: dict, name: str) -> dict:
    """The same table with the cells of a named grid alone, in its order, all trained alike: of all settings those under
    which most of the cells were trained, and "grid": {"name", "networks", "settings"}. Raises BadInput, or NotFound.
    """
    cells = list(dict.fromkeys(str(cell) for cell in topology.grid(name)))
    alike: dict[str, dict[str, dict]] = {}
    for row in table["rows"]:
        if row["network"] in cells:
            alike.setdefault(json.dumps(row["settings"], sort_keys=True), {}).setdefault(row["network"], row)
    if not alike:
        raise NotFound(f"No network of the grid {name!r} was trained on {table['dataset']!r}; train it, or leave the grid out.")
    settings, found = max(alike.items(), key=lambda item: (len(item[1]), sum(len(row["seeds"]) for row in item[1].values())))
    rows = [found[cell] for cell in cells if cell in found]
    return table | {"grid": {"name": name, "networks": len(cells), "settings": json.loads(settings)}, "rows": rows}


def _row(row: Repeated, fresh: "_Fresh | None") -> dict:
    records = [run.record for run in row.runs]
    spreads = {
        "validation": row.accuracy("validation"),
        "test": row.accuracy("test"),
        "without_duplicates": Spread.of(fresh.accuracies(row.runs)) if fresh else None,
        "seconds": row.seconds(),
    }
    return {
        "network": row.runs[0].topology,
        "settings": {name: value for name, value in row.settings.items() if name != "topology"},
        "preset": records[0].get("preset"),
        "parameters": records[0]["parameters"],
        "seeds": [run.seed for run in row.runs],
        **{name: asdict(spread) if spread else None for name, spread in spreads.items()},
        "best_epochs": [record["best_epoch"] for record in records],
        "hardware": row.hardware,
        "precision": sorted({record.get("precision", "") for record in records}),
        "versions": records[0].get("versions", {}),
        "runs": [run.id for run in row.runs],
    }


class _Fresh:
    """The test images that no training can have seen, found once for all runs."""

    def __init__(self, image_set: ImageSet) -> None:
        test = image_set.manifest("test")
        self.image_ids, self.labels = test["image_id"].to_numpy(), test["label"].to_numpy()
        train = image_set.manifest("train+validation")["image_id"] if image_set.has("train") else []
        self.seen = seen_in(self.image_ids, train)

    def accuracies(self, found: Iterable[Run]) -> list[float]:
        """At threshold 0.5; none if every test image lies in train. Raises Damaged."""
        kept = ~self.seen
        return [self._accuracy(run, kept) for run in found if predictions_file("test") in run.record["sha256"]] if kept.any() else []

    def _accuracy(self, run: Run, kept: np.ndarray) -> float:
        try:
            table = run.predictions("test")
        except NotFound as error:
            raise Damaged(f"The test predictions of run {run.id!r} are missing; delete the run and train it again.") from error
        if not np.array_equal(table["image_id"].to_numpy(), self.image_ids):
            raise Damaged(f"The test predictions of run {run.id!r} are of other images; delete the run and train it again.")
        return float(((table["logit"].to_numpy() >= 0) == (self.labels == 1))[kept].mean())
