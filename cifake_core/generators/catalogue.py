"""Which generators there are and what is known of them, read from their records alone: no weights are loaded or checked.

Light on purpose: pages list generators without loading torch. Finding one for use, with every checksum, is `pipelines.find`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cifake_core.errors import CifakeError
from cifake_core.generators import checking, local
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

BUNDLED_FOLDER = Path(__file__).parents[2] / "assets" / "generators"
BUNDLED = ("demo", "cifar10-ldm")
CURVE, SHEET = "curve.json", "samples.png"


@dataclass(frozen=True)
class Listed:
    """One generator by name. `record` is None where the program came without its files."""

    name: str
    kind: str  # bundled or trained
    folder: Path
    record: dict | None

    @property
    def sheet(self) -> bytes | None:
        """The PNG of samples made at the end of its training."""
        path = self.folder / SHEET
        return path.read_bytes() if path.is_file() else None

    @property
    def curves(self) -> dict[str, list[dict]]:
        """Its loss curves: {"autoencoder" | "transformer": [{"step", "loss", …}]}; empty where it has none."""
        try:
            return artifacts.read_json(self.folder / CURVE)
        except CifakeError:
            return {}


@dataclass(frozen=True)
class Begun:
    """A set whose making was stopped: `made` of `asked` images are finished and wait."""

    name: str
    made: int
    asked: int
    step: dict  # the fields of `generating.Generate`


def bundled() -> list[Listed]:
    """The generators that belong to this program, also those this copy came without."""
    return [Listed(name, "bundled", BUNDLED_FOLDER / name, _record(BUNDLED_FOLDER / name)) for name in BUNDLED]


def trained(workspace: Workspace) -> list[Listed]:
    """Those of the workspace, newest first. One whose record is damaged is left out; using it by name says so."""
    folders = sorted(workspace.generators.glob(f"[!.]*/{artifacts.RECORD}"), key=lambda path: -path.stat().st_mtime)
    found = [Listed(path.parent.name, "trained", path.parent, _record(path.parent)) for path in folders]
    return [one for one in found if one.record is not None and one.name not in BUNDLED]


def asked_by(path: Path) -> str:
    """How the pipeline of that folder or file is asked: by "class", by "words", or for "nothing". Raises BadInput or Damaged."""
    found = local.located(path)
    pipeline = checking.checked_class(found.folder) if found.checkpoint else checking.checked_pipeline(found.folder)
    return "class" if pipeline in checking.BY_CLASS else "nothing" if pipeline in checking.UNCONDITIONAL else "words"


def begun(workspace: Workspace) -> list[Begun]:
    """The sets in the making, stopped or not, that have finished images but are no image sets yet; by name."""
    found = []
    for file in sorted((workspace.generators / ".making").glob("*/step.json")):
        try:
            step = artifacts.read_json(file)["step"]
            made = sum(_rows(path) for path in file.parent.glob("[0-9]*.parquet"))
            asked = sum(step["counts"].get(name, step["per_class"]) for name in step["classes"])
        except (CifakeError, KeyError, TypeError, AttributeError):  # taken away this moment, or written by somebody else
            continue
        if made:
            found.append(Begun(step["name"], made, asked, step))
    return found


def generated(record: dict) -> bool:
    """Whether an image set (its record) was made here by a generator, so that it knows the request that made it."""
    return isinstance(record["source"].get("step"), dict)


def provenance_of(text: object) -> dict:
    """The provenance column of one image as a dictionary; empty for one that has none."""
    try:
        read = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        read = {}
    return read if isinstance(read, dict) else {}


def _record(folder: Path) -> dict | None:
    try:
        return artifacts.read_json(folder / artifacts.RECORD)
    except CifakeError:
        return None


def _rows(path: Path) -> int:
    try:
        return pq.read_metadata(path).num_rows
    except (pa.ArrowException, OSError):
        return 0
