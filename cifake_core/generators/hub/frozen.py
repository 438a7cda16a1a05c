"""Catalogues as they lie in the workspace: `CIFAKE_HOME/catalogues/<name>/` with `models.json`, readable, and `record.json`.

A catalogue names commits, so sampling it next year samples the same weights. It does not ask the Hub anything.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cifake_core.errors import CifakeError, Conflict, NotFound
from cifake_core.generators.hub.models import HubModel
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

MODELS = "models.json"


@dataclass(frozen=True)
class Catalogue:
    """A frozen catalogue. Opening it reads only its record."""

    folder: Path
    record: dict  # frozen_at, endpoint, request, looked_at, left_out, models, bytes, families

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def digest(self) -> str:
        """SHA-256 of the list of models: what was sampled."""
        return self.record["sha256"][MODELS]

    def models(self) -> list[HubModel]:
        """The models, most downloaded first; the file is compared with its checksum. Raises Damaged."""
        return [HubModel(**entry) for entry in artifacts.read_json(artifacts.verify(self.folder, MODELS))["models"]]


def _home(workspace: Workspace) -> Path:
    return workspace.home / "catalogues"


def open_catalogue(workspace: Workspace, name: str) -> Catalogue:
    """Raises NotFound, naming those there are."""
    folder = _home(workspace) / checked_name(name)
    if not (folder / artifacts.RECORD).exists():
        known = ", ".join(one.name for one in catalogues(workspace)) or "none yet"
        raise NotFound(f"There is no catalogue {name!r}; there are: {known}; make one with `catalogue freeze`.")
    return Catalogue(folder, artifacts.read_json(folder / artifacts.RECORD))


def catalogues(workspace: Workspace) -> list[Catalogue]:
    """All catalogues, newest first; a damaged one is left out, and named when it is opened."""
    found = []
    for record in _home(workspace).glob(f"[!.]*/{artifacts.RECORD}"):
        try:
            found.append(Catalogue(record.parent, artifacts.read_json(record)))
        except CifakeError:
            continue
    return sorted(found, key=lambda one: one.record["frozen_at"], reverse=True)


def existing(workspace: Workspace, name: str, request: dict) -> Catalogue | None:
    """The catalogue of that name if this very request made it; Conflict if another did."""
    folder = _home(workspace) / checked_name(name)
    if not (folder / artifacts.RECORD).exists():
        return None
    there = open_catalogue(workspace, name)
    if there.record["request"] != request:
        raise Conflict(
            f"There is another catalogue named {name!r} already; a catalogue never changes, choose another name."
        )
    return there


def freeze(
    workspace: Workspace,
    name: str,
    models: Sequence[HubModel],
    request: dict,
    looked_at: int,
    left_out: dict[str, int],
    endpoint: str | None,
) -> Catalogue:
    """Stores a catalogue whole. Raises NotFound if no model fits."""
    if not models:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "the Hub listed none"
        raise NotFound(f"None of {looked_at:,} models fits ({reasons}); widen the filters.")
    folder = _home(workspace) / checked_name(name)
    with artifacts.whole_folder(folder) as building:
        artifacts.write_json(building / MODELS, {"models": [asdict(model) for model in models]})
        record = {
            "name": name,
            "frozen_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "endpoint": endpoint or "https://huggingface.co",
            "request": request,
            "looked_at": looked_at,
            "left_out": left_out,
            "models": len(models),
            "bytes": sum(model.bytes for model in models),
            "families": dict(Counter(model.family for model in models).most_common()),
        }
        artifacts.write_record(building, record, [MODELS])
    return Catalogue(folder, record | {"sha256": artifacts.read_json(folder / artifacts.RECORD)["sha256"]})


def described(catalogue: Catalogue) -> dict:
    shown = ("frozen_at", "endpoint", "looked_at", "left_out", "models", "bytes", "families")
    return {"catalogue": catalogue.name, "digest": catalogue.digest, **{key: catalogue.record[key] for key in shown}}
