"""The units of a grid on more than one machine, as Ray tasks; what they make comes back to this workspace.

A unit is what it is everywhere: the images' digest, topology, settings, seed. A node trains it in a scratch folder of
its own and hands the run's files back; they count here only if every checksum of their record holds. A node that dies
costs the units it was at: Ray gives them to another, which reaches the same bits. Nodes need the packages of
requirements.txt and requirements-ray.txt; this project's code and the images travel with the tasks.
"""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cifake_core import ray_cluster
from cifake_core.detectors import runs
from cifake_core.detectors.request import TrainSettings
from cifake_core.errors import Conflict, Damaged
from cifake_core.images.image_set import ImageSet
from cifake_core.outcomes import Meter, Outcome
from cifake_core.progress import Progress
from cifake_core.ray_cluster import Files
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace


def run_all(
    workspace: Workspace,
    image_set: ImageSet,
    units: Sequence[TrainSettings],
    costs: Sequence[int],
    address: str,
    on_progress: Progress,
) -> list[Outcome]:
    """As `workers.run_all`, with the id of a run as each unit's result. `address` is a cluster's, "" = this machine alone.

    Raises BadInput where Ray is not installed or the cluster does not answer, Refused without authentication.
    """
    with ray_cluster.joined("ray", address) as ray:
        meter = Meter(costs, on_progress)
        outcomes = {
            n: Outcome(unit, found) for n, unit in enumerate(units) if (found := _finished(workspace, image_set, unit))
        }
        for number in outcomes:
            meter.shares[number] = 1.0
        left = [(number, unit) for number, unit in enumerate(units) if number not in outcomes]
        if left:
            names = [file.name for file in image_set.folder.iterdir() if file.is_file()]
            files = Files.of(image_set.folder, names).sent(ray)
            work = partial(_trained, files, image_set.name, image_set.digest, ray_cluster.threads_a_unit())
            for number, outcome in ray_cluster.hand_out(ray, work, left, meter):
                outcomes[number] = _counted(workspace, outcome)
        return [outcomes[number] for number in range(len(units))]


def _finished(workspace: Workspace, image_set: ImageSet, unit: TrainSettings) -> str | None:
    identity = runs.run_id(image_set.digest, unit)
    return identity if (workspace.runs / identity / artifacts.RECORD).exists() else None


def _counted(workspace: Workspace, outcome: Outcome) -> Outcome:
    if outcome.reason:
        return outcome
    try:
        return Outcome(outcome.unit, _taken_in(workspace, *outcome.result))
    except Damaged as error:
        return Outcome(outcome.unit, reason=str(error))


def _taken_in(workspace: Workspace, identity: str, files: dict[str, bytes]) -> str:
    """Writes a run's files as they came, whole, once their checksums hold. Raises Damaged."""
    try:
        with artifacts.whole_folder(workspace.runs / identity) as building:
            for name, content in files.items():
                (building / Path(name).name).write_bytes(content)
            for name in artifacts.read_json(building / artifacts.RECORD)["sha256"]:
                artifacts.verify(building, name)
    except Conflict:  # somebody else has made the same run meanwhile
        pass
    return identity


def _trained(
    files: Files, name: str, digest: str, threads: int, unit: TrainSettings, on_progress: Progress
) -> tuple[str, dict[str, bytes]]:
    """On a node: (run id, {file name: content}).

    It trains in a scratch workspace that the node keeps, so that an interrupted unit goes on if it comes back here.
    """
    from cifake_core.detectors import units

    scratch = Workspace(ray_cluster.private_folder() / digest[:16])
    files.written(scratch.image_sets / name)
    identity = units.train_unit(scratch, name, digest, threads, unit, on_progress)
    made = {file.name: file.read_bytes() for file in (scratch.runs / identity).iterdir()}
    shutil.rmtree(scratch.runs / identity, ignore_errors=True)
    return identity, made
