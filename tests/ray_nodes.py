"""A Ray cluster of two nodes on this machine, for tests that kill one of them; and a stand-in for tests without Ray."""

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from cifake_core.errors import CifakeError


@contextmanager
def two_nodes(monkeypatch) -> Iterator[tuple]:
    """(the cluster, the node that may be killed), one core each, with a token of their own."""
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # a socket's path holds 107 characters: pytest's folders are too long
    with monkeypatch.context() as nodes:
        nodes.setenv("TMPDIR", folder)  # of the nodes' scratch folders
        nodes.setattr(tempfile, "tempdir", folder)
        nodes.setenv("RAY_AUTH_MODE", "token")
        nodes.setenv("RAY_AUTH_TOKEN", "a-token-of-these-tests-alone-0123456789abcdef")
        nodes.setenv("RAY_worker_niceness", "0")  # a busy machine would let niced workers starve
        pytest.importorskip("ray", reason="Ray is not installed (requirements-ray.txt)")  # it reads the mode as it is loaded
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0})
        try:
            doomed = cluster.add_node(num_cpus=1, num_gpus=0)
            cluster.wait_for_nodes()
            yield cluster, doomed
        finally:
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


class InThisProcess:
    """What `ray_cluster.hand_out` asks of Ray, without Ray: each task is done here when it is waited for, the oldest first."""

    class exceptions:
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            def __init__(self, cause: Exception) -> None:
                super().__init__(str(cause))
                self.cause = cause

    def __init__(self, cores: int = 1) -> None:
        self.cores, self.cancelled, self.most_waiting = cores, [], 0
        nothing = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: None)
        self.util = SimpleNamespace(scheduling_strategies=nothing)

    def remote(self, **_options: object):
        return lambda thing: SimpleNamespace(remote=lambda *given: _Actor(thing) if isinstance(thing, type) else _Task(thing, given))

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cores}

    def get_runtime_context(self) -> SimpleNamespace:
        return SimpleNamespace(get_node_id=lambda: "here")

    def put(self, value: object) -> object:
        return value

    def wait(self, tasks: list, timeout: float) -> tuple[list, list]:
        self.most_waiting = max(self.most_waiting, len(tasks))
        return tasks[:1], tasks[1:]

    def get(self, task: object) -> object:
        if not isinstance(task, _Task):
            return task
        if self.is_lost(task):
            raise self.exceptions.RayError
        try:
            return pickle.loads(pickle.dumps(task.work(*pickle.loads(pickle.dumps(task.given[:2])), *task.given[2:])))
        except CifakeError:
            raise
        except Exception as error:
            raise self.exceptions.RayTaskError(error) from error

    def is_lost(self, task: object) -> bool:
        return False

    def cancel(self, task: object, force: bool) -> None:
        self.cancelled.append(task)


class _Task:
    def __init__(self, work, given: tuple) -> None:
        self.work, self.given = work, given


class _Actor:
    def __init__(self, kind: type) -> None:
        thing = kind()
        for name in ("tell", "read"):
            setattr(self, name, SimpleNamespace(remote=getattr(thing, name)))
