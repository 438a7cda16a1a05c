"""Where a study lies while it grows and when it is done. Every unit of work is a file of its own, whole or absent.

`studies/unseen/<kind>-<digest>/` with `result.json` and, last, its record; until then `.unfinished` beside it holds the
units, so a killed study goes on where it was. It knows files, not what a unit means.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cifake_core import ray_cluster
from cifake_core.detectors import runs
from cifake_core.errors import Conflict, Damaged
from cifake_core.progress import Progress
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace
from cifake_core.studies.unseen import recipes
from cifake_core.studies.unseen.judging import FALSE_POSITIVE_RATE, Scores
from cifake_core.studies.unseen.pools import Pool, Source

VERSION = 2  # raise it whenever a study would come out differently
RESULT, SCORES = "result.json", "scores.parquet"
_KEPT_FILES = 120  # of measured features: about four pools, 100 MB each


@dataclass(frozen=True)
class Shelf:
    """The place of one study: the same request on the same images is the same study."""

    kind: str
    folder: Path

    @staticmethod
    def of(workspace: Workspace, kind: str, step: object, pool_digest: str, more: str = "") -> "Shelf":
        request = ray_cluster.asked(step)
        if not request.get("groups"):  # no groups: the same request as before there were any
            request.pop("groups", None)
        asked = [VERSION, kind, request, pool_digest, more]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=list).encode()).hexdigest()[:12]
        return Shelf(kind, workspace.home / "studies" / "unseen" / f"{kind}-{digest}")

    @property
    def units(self) -> Path:
        return self.folder.parent / ".unfinished" / self.folder.name

    @property
    def measured(self) -> Path:
        """Where what was measured of a pool lies, for the next study of the same pool; the oldest are removed."""
        folder = self.folder.parent / ".measured"
        folder.mkdir(parents=True, exist_ok=True)
        files = sorted(folder.glob("*.npy"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in files[_KEPT_FILES:]:
            old.unlink(missing_ok=True)
        return folder

    def found(self) -> dict | None:
        """The finished result, or None. Raises Damaged."""
        if not (self.folder / artifacts.RECORD).exists():
            return None
        return artifacts.read_json(artifacts.verify(self.folder, RESULT))

    def unit(self, name: str, make: Callable[[], Scores]) -> Scores:
        """The scores of that unit of work: kept from an earlier attempt, or made now and kept. A damaged file is made anew."""
        path = self.units / f"{name}.npz"
        if path.exists():
            try:
                with np.load(path, allow_pickle=False) as kept:
                    return Scores(kept["fakes"], kept["threshold_reals"], kept["test_reals"])
            except (ValueError, OSError, KeyError, EOFError):
                path.unlink()
        scores = make()
        with artifacts.whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, fakes=scores.fakes, threshold_reals=scores.threshold_reals, test_reals=scores.test_reals)
        return scores

    def keep(self, result: dict, scores: pd.DataFrame) -> dict:
        """Stores the result with a row for each scored image and unit, removes the units, gives the result back."""
        result = {**result, "study": self.folder.name}
        try:
            with artifacts.whole_folder(self.folder) as building:
                artifacts.write_json(building / RESULT, result)
                scores.to_parquet(building / SCORES, index=False)
                artifacts.write_record(building, {"kind": self.kind, "created_at": result["created_at"]}, [RESULT, SCORES])
        except Conflict:  # another process did the same study meanwhile
            pass
        shutil.rmtree(self.units, ignore_errors=True)
        return self.found() or result


def studies(workspace: Workspace, kind: str = "") -> list[dict]:
    """Results of all finished studies, newest first; of one kind if named. A damaged one is left out."""
    found = []
    for record in (workspace.home / "studies" / "unseen").glob(f"{kind or '*'}-*/{artifacts.RECORD}"):
        try:
            found.append(artifacts.read_json(artifacts.verify(record.parent, RESULT)))
        except Damaged:
            continue
    found = [study for study in found if kind in ("", study["kind"])]
    return sorted(found, key=lambda study: study["created_at"], reverse=True)


def scores_of(workspace: Workspace, study: str, unit: str) -> pd.DataFrame:
    """unit, split, row, generator, logit of the fakes one unit of a study was judged on. Raises NotFound, Damaged."""
    path = artifacts.verify(workspace.home / "studies" / "unseen" / study, SCORES)
    return pd.read_parquet(path, filters=[("unit", "==", unit)])


def scores_table(pool: Pool, unit: str, scores: Scores, rows: np.ndarray) -> pd.DataFrame:
    """One row a judged fake: which unit, where its image lies, whose it is, its logit."""
    split, row = pool.places[rows].T
    return pd.DataFrame(
        {"unit": unit, "split": split.astype(np.int8), "row": row.astype(np.int32), "generator": pool.generators[rows], "logit": scores.fakes[rows]}
    )


def described(kind: str, step: Source, pool: Pool) -> dict:
    """What every result says of itself: the request, the images, the machine."""
    from cifake_core import hardware  # loads torch: who only lists studies need not wait for it

    detector = getattr(step, "detector", "")
    return {
        "kind": kind,
        "request": ray_cluster.asked(step),
        "title": recipes.named(detector).title if detector else "",
        "codec": step.codec,
        "families": pool.families,
        "counts": pool.counts(),
        "n_reals": {"train": len(pool.train_reals), "threshold": len(pool.threshold_reals), "test": len(pool.test_reals)},
        "reals_from": pool.reals_from,
        "false_positive_rate": FALSE_POSITIVE_RATE,
        "hardware": hardware.description(hardware.chosen_device()),
        "versions": runs.versions(),
        "created_at": runs.now(),
    }


class Meter:
    """Progress in units of work, each with its own share."""

    def __init__(self, units: int, on_progress: Progress) -> None:
        self._units, self._done, self._on_progress = units, 0, on_progress

    def part(self, done: int, total: int, message: str) -> None:
        """A `Progress` of the unit under way."""
        within = min(done / max(1, total), 1.0)
        self._on_progress(int(1000 * (self._done + within)), 1000 * self._units, f"{message} ({self._done} of {self._units} done)")

    def finished(self) -> None:
        self._done += 1
        self._on_progress(1000 * self._done, 1000 * self._units, f"{self._done} of {self._units} done")
