"""Fakes of eight generators of two families, each with a trace that a detector can learn."""

import numpy as np

from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import NewImage
from cifake_core.store.workspace import Workspace
from tests.conftest import drawn

GENERATORS = {"board-a": "board", "board-b": "board", "board-c": "board", "board-d": "board", "stripe-a": "stripe", "stripe-b": "stripe", "stripe-c": "stripe", "stripe-d": "stripe"}


def fake(generator: str, seed: int) -> np.ndarray:
    """A drawn photograph with the trace of its family: a checkerboard, or stripes two rows wide."""
    picture = drawn(0, seed % 10, 100_000 + seed + 1000 * sorted(GENERATORS).index(generator)).astype(int)
    i, j = np.indices((32, 32))
    trace = (i + j) % 2 if GENERATORS[generator] == "board" else (i // 2) % 2
    return np.clip(picture + 12 * (2 * trace - 1)[..., None], 0, 255).astype(np.uint8)


def many_images(workspace: Workspace, each: int = 24) -> ImageSet:
    """The set "many" of `each` fakes of every generator, all of them test images."""
    fakes = [NewImage(encode_png(fake(name, n)), 1, split="test", generator=name, family=family) for name, family in GENERATORS.items() for n in range(each)]
    return new_image_set(workspace, "many", fakes)
