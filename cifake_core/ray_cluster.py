"""A Ray cluster, connected to safely: token authentication on, this project's code sent along, a private folder on each node.

Units of work are handed out as tasks, each tried again where its process or machine dies. What a unit is, is the
caller's. Ray is optional, and loaded only here and by what runs on it.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cifake_core
from cifake_core.errors import BadInput, Conflict, Refused
from cifake_core.outcomes import Meter, Outcome, attempt
from cifake_core.settings import Settings
from cifake_core.store import artifacts

EXECUTORS = ("local", "ray")
_RETRIES = 3  # of a unit whose process or machine was lost
_POLL_S, _TELL_EVERY_S = 0.5, 0.5
_AHEAD = 2  # units that wait in the cluster for each one under way: their data lie in its memory


def checked(executor: str, address: str) -> None:
    """Raises BadInput for an unknown executor, and for an address without Ray."""
    if executor not in EXECUTORS:
        raise BadInput(f"There is no executor {executor[:40]!r}; take {' or '.join(EXECUTORS)}.")
    if address and executor != "ray":
        raise BadInput(f"The address {address[:80]!r} is of no use without Ray; add --executor ray.")


def asked(step: Any) -> dict:
    """What a step asks for, without where it is to be done: that decides no result, so it is part of no digest."""
    return {key: value for key, value in asdict(step).items() if key not in ("executor", "address")}


@contextmanager
def joined(executor: str, address: str) -> Iterator[Any]:
    """Ray, connected within the block, or None for the executor "local". Raises what `connected` raises."""
    if executor == "local":
        yield None
        return
    ray = connected(address)
    try:
        yield ray
    finally:
        ray.shutdown()


def connected(address: str) -> Any:
    """Ray, connected to the cluster at `address`, "" = this machine alone. Token authentication is on before it starts.

    Raises BadInput where Ray is not installed or the cluster does not answer, Refused without authentication.
    """
    if os.environ.get("RAY_AUTH_MODE", "token") != "token":
        raise Refused("RAY_AUTH_MODE turns Ray's authentication off, and anybody could run code here; set it to token.")
    os.environ.update(RAY_AUTH_MODE="token", RAY_USAGE_STATS_ENABLED="0")
    try:
        import ray
    except ImportError as error:
        raise BadInput("Ray is not installed; install it with: pip install -r requirements-ray.txt") from error
    code = {"py_modules": [str(Path(cifake_core.__file__).parent)]}
    try:
        ray.init(
            address=address or "local",
            runtime_env=code,
            include_dashboard=None if address else False,
            log_to_driver=False,
        )
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        where = address or "this machine"
        raise BadInput(
            f"Ray on {where} does not answer ({str(error)[:120]}); check the address and the token."
        ) from error
    return ray


def private_folder() -> Path:
    """On a node: a folder of this user alone; others must not put images or checkpoints there. Raises Refused."""
    folder = Path(tempfile.gettempdir()) / f"cifake-lab-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise Refused(f"{folder} on {os.uname().nodename} is not private to this user; remove it and start again.")
    return folder


@dataclass(frozen=True)
class Files:
    """A folder's files on their way to the nodes: sent once, and fetched by a node only if it wants them."""

    contents: dict[str, np.ndarray]  # path in the folder → bytes; empty where `reference` is
    reference: tuple = ()  # Ray's to the contents; not bare, or every task would fetch them before it begins

    @staticmethod
    def of(folder: Path, names: Iterable[str]) -> "Files":
        return Files({name: np.fromfile(folder / name, np.uint8) for name in names})

    def sent(self, ray: Any) -> "Files":
        return Files({}, (ray.put(self.contents),))

    def fetched(self) -> dict[str, np.ndarray]:
        if not self.reference:
            return self.contents
        import ray

        return ray.get(self.reference[0])

    def written(self, folder: Path) -> None:
        """Puts the files there, whole, unless that folder is there already."""
        if folder.exists():
            return
        try:
            with artifacts.whole_folder(folder) as building:
                for name, content in self.fetched().items():
                    (building / name).parent.mkdir(parents=True, exist_ok=True)
                    content.tofile(building / name)
        except Conflict:  # another task of this node was first
            pass


def threads_a_unit() -> int:
    """The cores a unit takes there. Where bits must agree with what is computed here, give CIFAKE_THREADS."""
    return Settings.from_environment().threads or 1


def hand_out(ray: Any, work: Callable, units: Iterable[tuple[int, Any]], meter: Meter) -> Iterator[tuple[int, Outcome]]:
    """work(unit, on_progress) of each (number, unit) as a task; yields (number, outcome) as they end.

    `work` is a module's function, or a partial of one. `units` is read only as fast as the cluster takes them. Leaving
    early, by an error or a Cancelled of the meter's, ends every task.
    """
    threads, gpu = threads_a_unit(), bool(ray.cluster_resources().get("GPU"))
    task = ray.remote(max_retries=_RETRIES, num_cpus=threads, num_gpus=int(gpu))(_unit)
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    board = ray.remote(num_cpus=0, scheduling_strategy=here)(_Board).remote()  # it outlives every other node
    given: dict[Any, tuple[int, Any]] = {}
    coming = iter(units)
    try:
        while True:
            has = ray.cluster_resources()  # anew: nodes come and go
            slots = int(has.get("GPU", 0) if gpu else has.get("CPU", 0) // threads)
            while len(given) < max(1, slots) * (1 + _AHEAD) and (following := next(coming, None)) is not None:
                number, unit = following
                given[task.remote(work, unit, board, number)] = following
            if not given:
                return
            ended, _ = ray.wait(list(given), timeout=_POLL_S)
            for number, share in ray.get(board.read.remote()).items():
                meter.shares[number] = max(meter.shares[number], share)
            for reference in ended:
                number, unit = given.pop(reference)
                meter.shares[number] = 1.0
                yield number, _outcome(ray, unit, reference)
            meter.report(meter.finished())
    except BaseException:
        for reference in given:
            ray.cancel(reference, force=True)
        raise


def _outcome(ray: Any, unit: Any, reference: Any) -> Outcome:
    try:
        result, reason = ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # the unit's own: it would come again
        said = str(error.cause).strip().splitlines() or [""]
        result, reason = None, f"It ended with {type(error.cause).__name__}: {said[0][:200]}"
    except ray.exceptions.RayError as error:
        result = None
        reason = f"Its process or machine was lost {_RETRIES + 1} times ({type(error).__name__}); take a smaller network or batch."
    return Outcome(unit, result, reason)


class _Board:
    """Where running tasks write how far they are: the driver looks at it when it likes."""

    def __init__(self) -> None:
        self._shares: dict[int, float] = {}

    def tell(self, number: int, share: float) -> None:
        self._shares[number] = share

    def read(self) -> dict[int, float]:
        return self._shares


def _unit(work: Callable, unit: Any, board: Any, number: int) -> tuple[Any, str | None]:
    """On a node: the unit's result and, where it failed, the reason."""
    told = [0.0]

    def on_progress(done: int, total: int, _message: str) -> None:
        if time.monotonic() - told[0] > _TELL_EVERY_S:
            told[0] = time.monotonic()
            board.tell.remote(number, done / max(1, total))

    outcome = attempt(work, unit, on_progress)
    return outcome.result, outcome.reason
