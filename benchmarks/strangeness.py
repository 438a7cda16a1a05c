"""How often Try an image warns of images far from the training data: python -m benchmarks.strangeness RUN [images]

Test images say how often the warning is false; flat, graded, noisy, negative, recoloured and upturned ones how often odd
images are noticed. All go through CIFAKE's JPEG path, as the page does. The run is indexed first if it was not.
"""

import sys

import numpy as np

from cifake_core.detectors import loading, runs
from cifake_core.explanations import features
from cifake_core.explanations.studies import sample
from cifake_core.images import codec
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace


def main() -> None:
    workspace = Workspace.current()
    run = runs.open_run(workspace, sys.argv[1])
    features.IndexFeatures(run.id).run(Context(workspace))
    index, detector = features.stored(workspace, run), loading.load(run)
    part = ImageSet.open(workspace, run.dataset).part("test")
    test = np.ascontiguousarray(part.pixels[sample(part.labels, int((sys.argv[2:] or ["1000"])[0]), seed=1)])
    for name, pixels in {"test images": test, **odd(test)}.items():
        placed = features.features_of(detector, pixels)
        found = [index.nearest(one, pixels=image).strange for one, image in zip(placed, pixels, strict=True)]
        ways = ", ".join(f"{words} {np.mean([getattr(one, way) >= 0.99 for one in found]):.1%}" for way, words in (("seen", "as seen"), ("looks", "by looks")))
        print(f"{name:<14} n = {len(found):>5}: far {np.mean([one.is_far for one in found]):.1%} ({ways})")


def odd(test: np.ndarray) -> dict[str, np.ndarray]:
    """uint8 (m, 3, 32, 32) by what is odd about them."""
    random, n = np.random.default_rng(0), len(test) // 4
    ends, ramp = random.uniform(0, 255, (2, n, 3, 1, 1)), np.linspace(0, 1, 32)
    found = {
        "one colour": np.broadcast_to(random.integers(0, 256, (n, 3, 1, 1)), (n, 3, 32, 32)),
        "gradients": np.broadcast_to(ends[0] * (1 - ramp) + ends[1] * ramp, (n, 3, 32, 32)),
        "noise": random.integers(0, 256, (n, 3, 32, 32)),
        "faint noise": random.normal(128, 30, (n, 3, 32, 32)).clip(0, 255),
        "negatives": 255 - test,
        "blue for red": test[:, ::-1],
        "upside down": test[:, :, ::-1],
    }
    return {name: _as_stored(pixels.astype(np.uint8)) for name, pixels in found.items()}


def _as_stored(pixels: np.ndarray) -> np.ndarray:
    through = [codec.decode(codec.encode_jpeg(np.ascontiguousarray(image.transpose(1, 2, 0)))) for image in pixels]
    return np.ascontiguousarray(np.stack(through).transpose(0, 3, 1, 2))


if __name__ == "__main__":
    main()
