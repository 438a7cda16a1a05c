"""A Ray cluster of two nodes on this machine, for tests that kill one of them."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


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
