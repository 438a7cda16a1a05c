"""The units of a grid on more than one machine, as Ray tasks; what they make comes back to this workspace.

A unit is what it is everywhere: the images' digest, topology, settings, seed. A node trains it in a scratch folder of
its own and hands the run's files back; they count here only if every checksum of their record holds. A node that dies
costs the units it was at: Ray gives them to another, which reaches the same bits. Nodes need the packages of
requirements.txt and requirements-ray.txt; this project's code and the images travel with the tasks.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cifake_core import ray_cluster
from cifake_core.detectors import runs, workers
from cifake_core.detectors.request import TrainSettings
from cifake_core.detectors.workers import Outcome
from cifake_core.errors import Conflict, Damaged
from cifake_core.images.image_set import ImageSet
from cifake_core.progress import Progress
from cifake_core.settings import Settings
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

_RETRIES = 3  # of a unit whose process or machine was lost
_POLL_S, _TELL_EVERY_S = 0.5, 0.5


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
    ray = ray_cluster.connected(address)
    try:
        meter = workers.Meter(costs, on_progress)
        outcomes = {
            n: Outcome(unit, found) for n, unit in enumerate(units) if (found := _finished(workspace, image_set, unit))
        }
        for number in outcomes:
            meter.shares[number] = 1.0
        left = [(number, unit) for number, unit in enumerate(units) if number not in outcomes]
        if left:
            _hand_out(ray, workspace, image_set, left, meter, outcomes)
        return [outcomes[number] for number in range(len(units))]
    finally:
        ray.shutdown()


def _finished(workspace: Workspace, image_set: ImageSet, unit: TrainSettings) -> str | None:
    identity = runs.run_id(image_set.digest, unit)
    return identity if (workspace.runs / identity / artifacts.RECORD).exists() else None


def _hand_out(
    ray: Any,
    workspace: Workspace,
    image_set: ImageSet,
    left: list[tuple[int, TrainSettings]],
    meter: workers.Meter,
    outcomes: dict[int, Outcome],
) -> None:
    """Fills `outcomes`; whatever ends it early, no task goes on."""
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    board = ray.remote(num_cpus=0, scheduling_strategy=here)(_Board).remote()  # it outlives every other node
    threads = Settings.from_environment().threads or 1
    wants = {"num_cpus": threads, "num_gpus": 1 if ray.cluster_resources().get("GPU") else 0}
    task = ray.remote(max_retries=_RETRIES, **wants)(_unit)
    files = [ray.put({file.name: np.fromfile(file, np.uint8) for file in image_set.folder.iterdir() if file.is_file()})]
    there = partial(task.remote, files, str(image_set.folder), image_set.digest, threads)
    asked = {there(unit, board, number): (number, unit) for number, unit in left}
    try:
        waiting = list(asked)
        while waiting:
            ended, waiting = ray.wait(waiting, timeout=_POLL_S)
            for number, share in ray.get(board.read.remote()).items():
                meter.shares[number] = max(meter.shares[number], share)
            for reference in ended:
                number, unit = asked[reference]
                outcomes[number] = _outcome(ray, workspace, unit, reference)
                meter.shares[number] = 1.0
            meter.report(meter.finished())
    except BaseException:
        for reference in asked:
            ray.cancel(reference, force=True)
        raise


def _outcome(ray: Any, workspace: Workspace, unit: TrainSettings, reference: Any) -> Outcome:
    try:
        outcome = ray.get(reference)
        return outcome if outcome.reason else Outcome(unit, _taken_in(workspace, *outcome.result))
    except Damaged as error:
        return Outcome(unit, reason=str(error))
    except ray.exceptions.RayError as error:
        reason = f"Its process or machine was lost {_RETRIES + 1} times ({type(error).__name__}); take a smaller network or batch."
        return Outcome(unit, reason=reason)


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


class _Board:
    """Where running tasks write how far they are: the driver looks at it when it likes."""

    def __init__(self) -> None:
        self._shares: dict[int, float] = {}

    def tell(self, number: int, share: float) -> None:
        self._shares[number] = share

    def read(self) -> dict[int, float]:
        return self._shares


def _unit(files: list, folder: str, digest: str, threads: int, unit: TrainSettings, board: Any, number: int) -> Outcome:
    """On a node: the outcome whose result is (run id, {file name: content})."""
    told = [0.0]

    def on_progress(done: int, total: int, _message: str) -> None:
        if time.monotonic() - told[0] > _TELL_EVERY_S:
            told[0] = time.monotonic()
            board.tell.remote(number, done / max(1, total))

    def work(unit: TrainSettings, on_progress: Progress) -> tuple[str, dict[str, bytes]]:
        return _trained(lambda: _fetched(files), Path(folder), digest, threads, unit, on_progress)

    return workers.attempt(work, unit, on_progress)


def _fetched(files: list) -> dict[str, np.ndarray]:
    import ray

    return ray.get(files[0])


def _trained(
    fetch: Callable[[], dict], folder: Path, digest: str, threads: int, unit: TrainSettings, on_progress: Progress
) -> tuple[str, dict[str, bytes]]:
    """Trains in a scratch workspace that this node keeps, so that an interrupted unit goes on if it comes back here."""
    from cifake_core.detectors import units

    scratch = Workspace(ray_cluster.private_folder() / digest[:16])
    if not (scratch.image_sets / folder.name / artifacts.RECORD).exists():
        try:
            with artifacts.whole_folder(scratch.image_sets / folder.name) as building:
                for name, content in fetch().items():
                    content.tofile(building / name)
        except Conflict:  # another task of this node was first
            pass
    identity = units.train_unit(scratch, folder.name, digest, threads, unit, on_progress)
    made = {file.name: file.read_bytes() for file in (scratch.runs / identity).iterdir()}
    shutil.rmtree(scratch.runs / identity, ignore_errors=True)
    return identity, made
