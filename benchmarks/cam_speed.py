"""Grad-CAM of many images: ours against the `grad-cam` package's best batch size, on the same network in one process.

    python -m benchmarks.cam_speed [images] [topology] [threads]

Prints one JSON object, by layer and by place of its feature map (after the ReLU, before it): images a second of wall
clock and of CPU time, ours to the package's best batch size, and the largest difference of maps. The package looks at the
network in the paper's order where maps after the ReLU are asked for.
"""

import json
import sys
import time
from collections.abc import Callable
from threading import RLock

import numpy as np
import torch

from cifake_core.detectors import networks, places
from cifake_core.detectors.loading import Detector
from cifake_core.explanations import fast_cam, package_cams
from cifake_core.progress import silent

BATCHES = (32, 64, 128, 256)


REPEATS = 5  # of each, in turn; the fastest counts, so that what else runs on the machine counts as little as it can


def timed(work: Callable, *arguments, **named) -> np.ndarray:
    """(wall, CPU) seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(*arguments, **named)
    return np.array([time.perf_counter() - wall, time.process_time() - cpu])


def measured(detector: Detector, pixels: np.ndarray, layer: str, place: str) -> dict:
    few = pixels[: max(len(pixels) // 4, 256)]
    asked = {f"package, batch {b}": (package_cams.maps, few, "gradcam", layer, "verdict", silent, b, place) for b in BATCHES}
    ours = pixels, layer, "verdict", silent, place
    asked |= {"ours": (fast_cam.layer_maps, *ours), "ours, enlarged": (fast_cam.grad_cam, *ours)}
    rates = {name: np.zeros(2) for name in asked}
    for _ in range(REPEATS):
        for name, (work, images, *more) in asked.items():
            rates[name] = np.maximum(rates[name], len(images) / timed(work, detector, images, *more))
    best = np.max([rate for name, rate in rates.items() if name.startswith("package")], axis=0)
    theirs = package_cams.maps(detector, pixels[:500], "gradcam", layer, place=place)
    gap = theirs.heat - fast_cam.grad_cam(detector, pixels[:500], layer, place=place).heat
    return {
        "images_per_s": {name: round(rate[0]) for name, rate in rates.items()},
        "images_per_cpu_s": {name: round(rate[1]) for name, rate in rates.items()},
        "ratio": round(rates["ours"][0] / best[0], 2),
        "ratio_enlarged": round(rates["ours, enlarged"][0] / best[0], 2),
        "ratio_cpu": round(rates["ours"][1] / best[1], 2),
        "largest_difference": float(np.abs(gap).max()),
    }


def main(images: int = 4000, topology: str = "32x2-64x1", threads: int = 0) -> dict:
    torch.set_num_threads(threads or torch.get_num_threads())
    torch.manual_seed(0)
    detector = Detector(None, networks.build(topology).eval(), torch.device("cpu"), RLock())
    pixels = np.random.default_rng(0).integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    layers = {
        layer: {words: measured(detector, pixels, layer, place) for place, words in places.PLACES.items()}
        for layer in networks.convolution_names(detector.network)
    }
    return {"topology": topology, "images": images, "threads": torch.get_num_threads(), "layers": layers}


if __name__ == "__main__":
    images, topology, threads = [*sys.argv[1:], *("4000", "32x2-64x1", "0")[len(sys.argv) - 1 :]]
    print(json.dumps(main(int(images), topology, int(threads)), indent=1))
