"""Shared by all tests: a fresh workspace, and a small image set and runs made once a session from images of our own.

The images are drawn here: reals are smooth colour fields with noise, fakes carry a faint checkerboard. They are easy
on purpose: a network learns them in seconds.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from cifake_core.store.workspace import Workspace

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the networks here are tiny; threads would only wait for one another
DATA = Path(os.environ.get("CIFAKE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    """No test touches the user's workspace or depends on the user's settings."""
    for name in [name for name in os.environ if name.startswith("CIFAKE_") and name != "CIFAKE_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CIFAKE_THREADS", "1")
    monkeypatch.setenv("CIFAKE_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _own_main_module():
    """AppTest leaves the page it ran as `__main__`, and a process spawned later would run that page at its start."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """An empty workspace, also the one of CIFAKE_HOME."""
    return Workspace(tmp_path / "home")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real CIFAKE files; the test is skipped where they are absent."""
    if not (DATA / "cifake-test.parquet").exists():
        pytest.skip(f"the real data is not in {DATA}; set CIFAKE_DATA to its folder")
    return DATA


def drawn(label: int, class_label: int, seed: int) -> np.ndarray:
    """One image of our own, uint8 (32, 32, 3). Its class tints it; a fake has a checkerboard of period 2."""
    random = np.random.default_rng([label, class_label, seed])
    y, x = np.mgrid[0:32, 0:32] / 31
    field = random.uniform(40, 215, 3) + (random.uniform(-60, 60, 3) * x[..., None]) + (random.uniform(-60, 60, 3) * y[..., None])
    field[..., class_label % 3] += 4 * class_label
    if label:
        field += 14 * ((np.indices((32, 32)).sum(0) % 2) * 2 - 1)[..., None]
    return np.clip(field + random.normal(0, 6, (32, 32, 3)), 0, 255).astype(np.uint8)


def drawn_images(per_class: dict[str, int]):
    """NewImage rows: `per_class` of each label and class for each split, as PNG (JPEG would wash out the checkerboard)."""
    from cifake_core.images.codec import encode_png
    from cifake_core.images.schema import NewImage

    for split, count in per_class.items():
        for label in (0, 1):
            for class_label in range(10):
                for number in range(count):
                    seed = number + (10_000 if split == "test" else 0)
                    yield NewImage(
                        encode_png(drawn(label, class_label, seed)), label, class_label, split,
                        path=f"{split}/{('REAL', 'FAKE')[label]}/{class_label}-{number:04d}.png",
                        generator="checkerboard" if label else "",
                    )  # fmt: skip


@pytest.fixture(scope="session")
def _lab(tmp_path_factory) -> Workspace:
    """A workspace with the set "tiny" (600 train, 200 test images) and two runs; copy it before you change it."""
    from cifake_core.detectors.grid import TrainGrid
    from cifake_core.images.building import new_image_set
    from cifake_core.step import Context

    home = Workspace(tmp_path_factory.mktemp("lab"))
    new_image_set(home, "tiny", drawn_images({"train": 30, "test": 10}), kind="generated", note="Drawn by the tests.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIFAKE_THREADS", "1")  # this is made before a test's own environment
        TrainGrid("tiny", ("16x1-64x1", "16x2-64x1"), epochs=6, batch_size=16, workers=1).run(Context(home))
    return home


@pytest.fixture
def lab(_lab, workspace) -> Workspace:
    """A copy of that workspace, also CIFAKE_HOME, free to be changed."""
    shutil.copytree(_lab.home, workspace.home)
    return workspace
