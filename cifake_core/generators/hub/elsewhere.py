"""A crew on the machines of a Ray cluster: what crew.Crew does here, done there; the images come back as files.

A node fetches a model, samples it in a process that ends with it, and keeps nothing. A node that dies costs the models
it was at: infrastructure faults, tried again by whoever hands the units out.
"""

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cifake_core import ray_cluster
from cifake_core.generators.hub import faults
from cifake_core.generators.hub.crew import Crew
from cifake_core.generators.hub.unit import Unit
from cifake_core.settings import Settings

_POLL_S = 0.2


@dataclass(frozen=True)
class _Running:
    unit: Unit
    task: Any  # Ray's reference to what it will give
    began: float


class Elsewhere:
    """As many units at a time as the cluster has GPUs, or without any, shares of `CIFAKE_THREADS` cores.

    Leaving the block ends whatever still runs. Raises what ray_cluster.connected raises.
    """

    def __init__(self, address: str, timeout_s: float) -> None:
        self.address, self.timeout_s = address, timeout_s
        self.running: list[_Running] = []

    def __enter__(self) -> "Elsewhere":
        self.ray = ray_cluster.connected(self.address)
        self.threads = Settings.from_environment().threads or 1
        self.gpus = bool(self.ray.cluster_resources().get("GPU"))
        wants = {"num_cpus": self.threads, "num_gpus": int(self.gpus)}
        self.task = self.ray.remote(max_retries=0, **wants)(_sampled_there)
        return self

    def __exit__(self, *_error: object) -> None:
        for one in self.running:
            self.ray.cancel(one.task, force=True)
        self.ray.shutdown()

    @property
    def free(self) -> int:
        """Never more than runs at once: the time a unit may take begins when it is handed out."""
        has = self.ray.cluster_resources()  # anew: nodes come and go
        size = has.get("GPU", 0) if self.gpus else has.get("CPU", 0) // self.threads
        return int(size) - len(self.running)

    def start(self, unit: Unit) -> None:
        shutil.rmtree(unit.folder, ignore_errors=True)  # shards of another batch size would be in the way of its own
        Path(unit.folder).mkdir(parents=True)
        self.running.append(_Running(unit, self.task.remote(replace(unit, device=""), self.timeout_s), time.monotonic()))

    def ended(self, tick: Callable[[], None]) -> list[tuple[Unit, faults.Outcome]]:
        """The units that have ended since, each with its outcome; waits a moment if none has. `tick` may raise."""
        tick()
        if not self.running:  # every node is gone for the moment
            time.sleep(_POLL_S)
            return []
        over, _ = self.ray.wait([one.task for one in self.running], num_returns=len(self.running), timeout=_POLL_S)
        done = []
        for one in list(self.running):
            late = time.monotonic() - one.began > self.timeout_s
            if one.task in over or late:
                self.running.remove(one)
                done.append((one.unit, self._outcome(one, late and one.task not in over)))
        return done

    def _outcome(self, one: _Running, late: bool) -> faults.Outcome:
        folder, name = Path(one.unit.folder), one.unit.model.id
        if late:
            self.ray.cancel(one.task, force=True)
            found = faults.late(name, self.timeout_s)
        else:
            try:
                return _taken_in(folder, name, self.ray.get(one.task))
            except self.ray.exceptions.OutOfMemoryError:
                found = faults.fault(name, "memory", "Its machine ran out of memory; give the cluster larger machines.")
            except self.ray.exceptions.RayError as error:
                found = faults.fault(name, "killed", f"Its process or machine was lost ({type(error).__name__}).")
        found = replace(found, attempts=one.unit.attempt, seconds=round(time.monotonic() - one.began, 2))
        faults.write(folder, found)
        return found


def _taken_in(folder: Path, name: str, files: dict[str, bytes]) -> faults.Outcome:
    """Writes what came back, the outcome last: without it the model counts as not done."""
    outcome = files.pop(faults.OUTCOME)
    for file, content in files.items():
        (folder / Path(file).name).write_bytes(content)
    (folder / faults.OUTCOME).write_bytes(outcome)
    return faults.read(folder, name)


def _sampled_there(unit: Unit, timeout_s: float) -> dict[str, bytes]:
    """On a node: {file name: content} of the shards and the outcome, made in a process that ends with the model.

    The same unit uses the same place, so no rubbish gathers.
    """
    place = ray_cluster.private_folder() / f"model-{hashlib.sha256(unit.folder.encode()).hexdigest()[:16]}"
    shutil.rmtree(place, ignore_errors=True)
    made = place / "made"
    made.mkdir(parents=True)
    try:
        with Crew(1, timeout_s) as crew:
            crew.start(replace(unit, folder=str(made), home=str(place / "home"), cache=str(place / "cache")))
            while not crew.ended(lambda: None):
                pass
        return {file.name: file.read_bytes() for file in made.iterdir() if file.is_file()}
    finally:
        shutil.rmtree(place, ignore_errors=True)
