"""Runs: one trained network each, a folder in the workspace. The id is derived from what was asked.

The same data, topology, settings and seed are the same run: asking again gives the one that is there. A folder with a
record is complete; its weights and predictions are compared with their checksums before they are used.
"""

import hashlib
import json
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cifake_core import __version__
from cifake_core.detectors import run_index
from cifake_core.detectors.presets import PRESETS
from cifake_core.errors import BadInput, Damaged, NotFound
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

WEIGHTS, HISTORY = "weights.safetensors", "history.json"
_UNFINISHED = ".unfinished"
_LISTED = {"created_at", "dataset", "dataset_digest", "parameters", "duration_s", "settings", "sha256"}  # of every record
IDENTITY = re.compile(r"(?P<topology>.+)-s(?P<seed>\d+)-[0-9a-f]{10}")  # of `run_id`


@dataclass(frozen=True)
class Run:
    """A finished training. `record` holds the settings, the data's digest, validation and test figures and versions."""

    id: str
    folder: Path
    record: dict

    @property
    def topology(self) -> str:
        return self.record["settings"]["topology"]

    @property
    def seed(self) -> int:
        return self.record["settings"]["seed"]

    @property
    def dataset(self) -> str:
        return self.record["dataset"]

    @property
    def request(self) -> str:
        """What two runs have in common that differ in nothing but their seed: images, settings, a preset's numbers."""
        return json.dumps(self._asked(), sort_keys=True)

    def is_another_seed_of(self, other: "Run") -> bool:
        """Whether the two have the same `request`, told faster."""
        return self._asked() == other._asked()

    def _asked(self) -> list:
        settings = {name: value for name, value in self.record["settings"].items() if name != "seed"}
        return [self.record["dataset_digest"], settings, self.record.get("preset")]

    @property
    def recipe(self) -> dict:
        """How a preset was trained besides its settings, the fields of `Recipe`; empty for a cell of the grid."""
        return (self.record.get("preset") or {}).get("recipe") or {}

    def history(self) -> list[dict]:
        """One dictionary an epoch; see `state.Epoch`."""
        return artifacts.read_json(artifacts.verify(self.folder, HISTORY))["epochs"]

    def predictions(self, split: str = "test") -> pd.DataFrame:
        """Columns image_id and logit, in the order of that part of the image set. Raises NotFound or Damaged."""
        if split not in ("validation", "test"):
            raise BadInput(f"A run has predictions for validation and test, not for {split[:40]!r}.")
        return pd.read_parquet(artifacts.verify(self.folder, predictions_file(split)))


def predictions_file(split: str) -> str:
    return f"predictions-{split}.parquet"


def run_id(dataset_digest: str, settings: object) -> str:
    """Topology and seed for the eye, then 10 digits of the SHA-256 of the request; a preset's own numbers are part of it."""
    request = {"data": dataset_digest, **asdict(settings), **preset_of(settings.topology)}
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    return f"{settings.topology}-s{settings.seed}-{digest[:10]}"


def preset_of(topology: str) -> dict:
    """{"preset": what it is made of and how it is trained}, or {} for any other network."""
    if topology not in PRESETS:
        return {}
    return {"preset": {name: value for name, value in asdict(PRESETS[topology]).items() if name != "title"}}


def of_todays_preset(run: Run) -> bool:
    """Whether asking for the run again gives a run like it: false if its preset has other numbers in this version."""
    today = json.loads(json.dumps(preset_of(run.topology)))
    return today.get("preset") == run.record.get("preset")


def unfinished_folder(workspace: Workspace, identity: str) -> Path:
    """Where a training keeps its checkpoint and live history until it is a run."""
    return workspace.runs / _UNFINISHED / checked_name(identity)


@dataclass(frozen=True)
class Unfinished:
    """A training under way or interrupted, as far as its last whole epoch. `history` is that of `Run.history`."""

    id: str
    topology: str
    seed: int
    history: list[dict]


def unfinished(workspace: Workspace) -> list[Unfinished]:
    """All trainings with at least one epoch behind them that are no run yet, by id."""
    found = []
    for folder in sorted((workspace.runs / _UNFINISHED).glob(f"*/{HISTORY}")):
        identity = folder.parent.name
        named = IDENTITY.fullmatch(identity)
        try:
            epochs = artifacts.read_json(folder)["epochs"] if named else []
        except (Damaged, NotFound, KeyError):  # removed this moment, because it became a run
            continue
        if epochs:
            found.append(Unfinished(identity, named["topology"], int(named["seed"]), epochs))
    return found


def open_run(workspace: Workspace, identity: str) -> Run:
    """The run of that id; raises NotFound."""
    folder = workspace.runs / checked_name(identity)
    if not (folder / artifacts.RECORD).exists():
        raise NotFound(f"There is no run {identity!r}; list the runs and choose one of them.")
    record = artifacts.read_json(folder / artifacts.RECORD)
    if not _is_whole(record):
        raise Damaged(f"The record of run {identity!r} is damaged; delete its folder and train it again.")
    return Run(folder.name, folder, record)


def _is_whole(record: dict) -> bool:
    """Whether it has what every page reads of every run."""
    settings = record.get("settings")
    judged = any("accuracy" in (record.get(split) or {}) for split in ("validation", "test"))
    return record.keys() >= _LISTED and isinstance(settings, dict) and settings.keys() >= {"topology", "seed"} and judged


def runs(workspace: Workspace) -> list[Run]:
    """All complete runs, newest first. A damaged record is skipped here and named when it is opened."""
    listed = run_index.records(workspace.runs).items()
    found = [Run(name, workspace.runs / name, record) for name, record in listed if _is_whole(record)]
    return sorted(found, key=lambda run: run.record["created_at"], reverse=True)


def write_predictions(folder: Path, split: str, image_ids: Iterable[str], logits: np.ndarray) -> None:
    table = pd.DataFrame({"image_id": list(image_ids), "logit": logits.astype(np.float32)})
    table.to_parquet(folder / predictions_file(split), index=False)


def versions() -> dict[str, str]:
    """What made a result: our version and those of Python and torch."""
    import torch

    return {"cifake_lab": __version__, "python": platform.python_version(), "torch": torch.__version__}


def now() -> str:
    """The present moment as ISO 8601 in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat()


def summary(run: Run) -> dict:
    """What a list of runs shows of one: figures, settings and cost, JSON-able."""
    record = run.record
    shown = ("dataset", "validation", "test", "parameters", "best_epoch", "epochs", "duration_s")
    return {
        "run": run.id,
        "topology": run.topology,
        "seed": run.seed,
        **{name: record[name] for name in shown if name in record},
    }
