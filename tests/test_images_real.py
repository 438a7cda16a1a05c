"""The real CIFAKE files: counts, duplicates, the official fingerprint, the cost of importing them."""

import resource
import subprocess
import sys
import time

import numpy as np
import pytest

from cifake_core.images.duplicates import seen_in
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE
from cifake_core.store.workspace import Workspace

pytestmark = [pytest.mark.data, pytest.mark.slow]

_IMPORT = """
import pathlib, re, sys
from cifake_core.images.importing import ImportImages
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace
ImportImages(tuple(sys.argv[2:]), "cifake").run(Context(Workspace(pathlib.Path(sys.argv[1]))))
status = pathlib.Path("/proc/self/status").read_text()  # getrusage would count the memory of the process that forked this
sys.exit(0 if int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) < 400 * 1024 else 3)
"""


@pytest.fixture(scope="module")
def cifake(real_data, tmp_path_factory) -> tuple[ImageSet, float]:
    """The official set, imported by a process of its own, and the CPU seconds it took."""
    home = tmp_path_factory.mktemp("real")
    sources = [str(real_data / f"cifake-{split}.parquet") for split in ("train", "test")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", _IMPORT, str(home), *sources], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ImageSet.open(Workspace(home), "cifake"), spent


def test_importing_costs_less_than_a_minute_of_one_core_and_400_megabytes(cifake):
    assert cifake[1] < 60


def test_counts_and_duplicates_are_the_published_ones(cifake):
    record = cifake[0].record
    assert record["counts"] == {"train": {"real": 50_000, "fake": 50_000}, "test": {"real": 10_000, "fake": 10_000}}
    assert record["duplicates"] == {"train-train": 920, "train-test": 378, "test-test": 38}
    assert set(record["classes"]["train"]["fake"].values()) == {5000}
    assert record["formats"] == {"JPEG": 120_000}
    assert record["official_cifake"] is True


def test_validation_is_a_tenth_of_every_class_and_shares_no_picture_with_train(cifake):
    started = time.perf_counter()
    data = cifake[0].training_data()
    assert time.perf_counter() - started < 20
    assert (len(data.train), len(data.validation)) == (90_000, 10_000)
    kinds, counts = np.unique(data.validation.labels * 10 + data.validation.class_labels, return_counts=True)
    assert kinds.tolist() == list(range(20))
    assert set(counts.tolist()) == {500}
    assert not seen_in(data.validation.image_ids, data.train.image_ids).any()


def test_all_duplicates_are_fakes_of_birds_dogs_and_frogs(cifake):
    test, train = cifake[0].part("test"), cifake[0].part("train+validation")
    seen = seen_in(test.image_ids, train.image_ids)
    assert seen.sum() == 378
    assert set(test.labels[seen]) == {FAKE}
    assert set(test.class_labels[seen]) == {2, 5, 6}


def test_other_sources_are_not_taken_for_the_official_files(real_data, workspace):
    from cifake_core.images.importing import ImportImages
    from cifake_core.step import Context

    result = ImportImages((str(real_data / "generators32.parquet"),), "generators").run(Context(workspace))
    made = ImageSet.open(workspace, "generators")
    assert result["counts"] == {"test": {"real": 0, "fake": 4316}}
    assert result["official_cifake"] is False
    assert len(made.record["generators"]) == 36
