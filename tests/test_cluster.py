"""The grid on a Ray cluster of two nodes on this machine, one of which dies: every cell done, and the same bits as here."""

import shutil
import threading

import pytest

from cifake_core.detectors import runs
from cifake_core.detectors.grid import TrainGrid
from cifake_core.errors import BadInput, Refused
from cifake_core.step import Context
from cifake_core.store import artifacts

CELLS = ("16x1-32x1", "16x2-32x1", "16x3-32x1", "32x1-32x1")


def test_an_unknown_executor_and_an_address_without_ray_are_refused():
    with pytest.raises(BadInput, match="no executor 'slurm'"):
        TrainGrid("tiny", CELLS, executor="slurm")
    with pytest.raises(BadInput, match="add --executor ray"):
        TrainGrid("tiny", CELLS, address="head:6379")


def test_a_cluster_without_authentication_is_refused(lab, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(Refused, match="set it to token"):
        TrainGrid("tiny", CELLS, executor="ray").run(Context(lab))


def test_without_ray_one_sentence_says_how_to_get_it(lab, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(BadInput, match=r"pip install -r requirements-ray\.txt"):
        TrainGrid("tiny", CELLS, executor="ray").run(Context(lab))


@pytest.mark.slow
def test_a_node_is_killed_mid_grid_and_all_cells_are_done_with_the_bits_of_one_machine(lab, monkeypatch, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (requirements-ray.txt)")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a-token-of-this-test-alone-0123456789abcdef")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # of the nodes' scratch folders
    monkeypatch.setenv("RAY_worker_niceness", "0")  # a busy machine would let niced workers starve
    from ray.cluster_utils import Cluster

    step = TrainGrid("tiny", CELLS, epochs=3, workers=1, patience=0)
    expected = _digests(lab, step.run(Context(lab)))
    for name in expected:
        shutil.rmtree(lab.runs / name)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0})
    try:
        doomed = cluster.add_node(num_cpus=1, num_gpus=0)
        cluster.wait_for_nodes()
        killed = threading.Event()

        def on_progress(done: int, total: int, message: str) -> None:
            if done and not killed.is_set():  # some cell is under way or done
                killed.set()
                cluster.remove_node(doomed, allow_graceful=False)

        there = TrainGrid("tiny", CELLS, epochs=3, patience=0, executor="ray", address=cluster.address)
        result = there.run(Context(lab, on_progress))
    finally:
        cluster.shutdown()
    assert killed.is_set()
    assert not result["failed"]
    assert _digests(lab, result) == expected


def _digests(lab, result: dict) -> dict[str, str]:
    return {run["run"]: artifacts.sha256(lab.runs / run["run"] / runs.WEIGHTS) for run in result["runs"]}
