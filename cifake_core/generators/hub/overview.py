"""What is known of samplings without doing any: which there are, how they stand, what one will cost. It loads nothing."""

import shutil
from dataclasses import dataclass

from cifake_core.errors import CifakeError, NotFound
from cifake_core.generators.hub import faults, frozen
from cifake_core.generators.hub.faults import Outcome, State
from cifake_core.generators.hub.sampling import TABLE, SampleCatalogue, stored_outcomes, work_folder
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name


@dataclass(frozen=True)
class Sampling:
    """A sampling begun or done. Models without an outcome still wait."""

    name: str
    catalogue: str
    models: int
    outcomes: tuple[Outcome, ...]
    step: dict  # the fields of SampleCatalogue


def samplings(workspace: Workspace) -> list[Sampling]:
    """All of them, newest first; one that is being removed this moment is left out."""
    found = []
    for file in (workspace.generators / ".sampling").glob("*/step.json"):
        try:
            step, when = artifacts.read_json(file), file.stat().st_mtime
            if (file.parent / TABLE).exists():
                known = stored_outcomes(file.parent)
            else:
                known = [
                    faults.read(folder, folder.name.replace("--", "/", 1)) for folder in sorted(file.parent.glob("*/"))
                ]
        except (CifakeError, OSError):
            continue
        tried = tuple(outcome for outcome in known if outcome.state != State.WAITING)
        found.append(
            (when, Sampling(step["step"]["name"], step["step"]["catalogue"], step["models"], tried, step["step"]))
        )
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])]


@dataclass(frozen=True)
class Cost:
    """What a sampling will take, from the catalogue and from the models already done."""

    models: int
    images: int
    download_bytes: int
    done: int
    seconds_a_model: float | None  # mean of those done; None before the first
    seconds_left: float | None


def cost(step: SampleCatalogue, workspace: Workspace) -> Cost:
    """Asks nobody. Before the first model is done there is no honest guess of the time."""
    catalogue = frozen.open_catalogue(workspace, step.catalogue)
    models = catalogue.models()[: step.models or None]
    folder = work_folder(workspace, step, catalogue)
    known = [faults.read(folder / model.id.replace("/", "--"), model.id) for model in models]
    done = [outcome for outcome in known if outcome.state != State.WAITING]
    mean = sum(outcome.seconds for outcome in done) / len(done) if done else None
    waiting = [model for model, outcome in zip(models, known, strict=True) if outcome.state == State.WAITING]
    left = mean * len(waiting) / step.workers if mean is not None else None
    return Cost(len(models), len(models) * step.per_model, sum(model.bytes for model in waiting), len(done), mean, left)


def forget(workspace: Workspace, name: str) -> None:
    """Removes what a sampling has made so far and not yet turned into a set. Raises NotFound."""
    folders = list((workspace.generators / ".sampling").glob(f"{checked_name(name)}-????????????"))
    if not folders:
        raise NotFound(f"Nothing is kept of a sampling named {name!r}; `catalogue samplings` lists those there are.")
    for folder in folders:
        shutil.rmtree(folder)
