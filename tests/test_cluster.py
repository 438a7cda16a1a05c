"""The grid on a Ray cluster of two nodes on this machine, one of which dies: every cell done, and the same bits as here."""

import shutil
import threading

import pytest

from cifake_core.detectors import runs
from cifake_core.detectors.grid import TrainGrid
from cifake_core.errors import BadInput, Refused
from cifake_core.step import Context
from cifake_core.store import artifacts
from tests.ray_nodes import two_nodes

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
def test_a_node_is_killed_mid_grid_and_all_cells_are_done_with_the_bits_of_one_machine(lab, monkeypatch):
    killed = threading.Event()
    with two_nodes(monkeypatch) as (cluster, doomed):

        def on_progress(done: int, total: int, message: str) -> None:
            if done and not killed.is_set():  # some cell is under way or done
                killed.set()
                cluster.remove_node(doomed, allow_graceful=False)

        there = TrainGrid("tiny", CELLS, epochs=3, patience=0, executor="ray", address=cluster.address)
        result = there.run(Context(lab, on_progress))
    found = _digests(lab, result)
    for name in found:
        shutil.rmtree(lab.runs / name)
    expected = _digests(lab, TrainGrid("tiny", CELLS, epochs=3, workers=1, patience=0).run(Context(lab)))
    assert killed.is_set()
    assert not result["failed"]
    assert found == expected


def _digests(lab, result: dict) -> dict[str, str]:
    return {run["run"]: artifacts.sha256(lab.runs / run["run"] / runs.WEIGHTS) for run in result["runs"]}
