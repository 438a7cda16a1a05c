"""Images a second of the bundled generators: ours against the plain diffusers call, in one run. Aim on a GPU: ≥ 3 times.

    python -m benchmarks.generation_speed [generator …] [--images N] [--repeats N]

Runs on a GPU where there is one, else on the CPU (CIFAKE_DEVICE, CIFAKE_THREADS). Aims on 2 idle cores: 40 images/s for
demo, 12 for cifar10-ldm. The plain call is timed image for image, as its documentation shows it, and at our batch; all take
turns, and the fastest of the repeats counts, so that what else runs on the machine counts as little as it can. Ours
includes the JPEG files and their records, as `generate` makes them. Prints one JSON object.
"""

import argparse
import json
import os
import time
from collections.abc import Callable

import torch

from cifake_core import hardware
from cifake_core.generators import pipelines
from cifake_core.generators.painting import Painter, automatic_batch
from cifake_core.generators.request import Manner, Request
from cifake_core.images.schema import CLASSES
from cifake_core.store.workspace import Workspace

ALONE = 8  # images made one at a time: enough to know their pace


def timed(work: Callable[[], None], device: torch.device) -> tuple[float, float]:
    """(wall, processor) seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    hardware.synchronize(device)
    return time.perf_counter() - wall, time.process_time() - processor


def measured(name: str, images: int, repeats: int) -> dict:
    source = pipelines.find(Workspace.current(), name)
    batch = min(automatic_batch(source), images)
    painter = Painter(source, Manner(source.steps, source.guidance), batch, CLASSES, print)
    plain = pipelines.load(source, painter.device)
    ids = pipelines.class_ids(source, plain, CLASSES)

    def ours() -> None:
        painter.paint([Request(CLASSES[i % 10], i, i) for i in range(images)])

    def by_the_call(count: int, at_once: int) -> None:
        for start in range(0, count, at_once):
            numbers = range(start, min(start + at_once, count))
            plain(
                class_labels=[ids[CLASSES[i % 10]] for i in numbers],
                guidance_scale=source.guidance,
                num_inference_steps=source.steps,
                generator=[torch.Generator().manual_seed(i) for i in numbers],
                output_type="np",
            )

    ways = {
        "ours": (images, ours),
        "plain call, image for image": (ALONE, lambda: by_the_call(ALONE, 1)),
        "plain call, at our batch": (images, lambda: by_the_call(images, batch)),
    }
    best: dict[str, list[float]] = {}
    for repeat in range(repeats + 1):
        for way, (count, work) in ways.items():
            seconds = timed(work, painter.device)
            if repeat:  # the first warms up
                best[way] = [max(old, count / s) for old, s in zip(best.get(way, [0.0, 0.0]), seconds, strict=True)]
    rates = {
        way: {"images_per_s": round(wall, 2), "images_per_cpu_s": round(cpu, 2)} for way, (wall, cpu) in best.items()
    }
    times = {way: round(best["ours"][0] / wall, 2) for way, (wall, _) in best.items() if way != "ours"}
    return {
        "generator": name,
        "steps": source.steps,
        "guidance": source.guidance,
        "batch": batch,
        "rates": rates,
        "ours_times": times,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generators", nargs="*", help="all bundled ones that are there, if left out")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    hardware.use_threads()
    device = hardware.chosen_device()
    found = [
        measured(name, asked.images, asked.repeats) for name in asked.generators or pipelines.names(Workspace.current())
    ]
    load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(
        json.dumps(
            {"hardware": hardware.description(device), "load_1_min": load, "images": asked.images, "generators": found}
        )
    )


if __name__ == "__main__":
    main()
