"""What a training costs: is it linear in images and epochs, and how far is the estimate from what it then takes?

    python benchmarks/training_cost.py DATASET [cells] [epochs]

    python benchmarks/training_cost.py cifake 16x1-64x1,32x2-64x1,64x1-64x1,32x2-512x2 2

Works in CIFAKE_HOME, on runs of its own seeds, which it removes. Prints one JSON object: for each cell and for the grid the
estimate, the time taken and their ratio; and seconds an epoch for a quarter, a half and all of the images, and
for 1, 2 and 3 epochs.
"""

import json
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from cifake_core import hardware
from cifake_core.detectors import training, units
from cifake_core.detectors.estimating import EstimateTraining
from cifake_core.detectors.grid import TrainGrid
from cifake_core.detectors.request import TrainSettings
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace

SEED = 900_001  # of runs nobody else asks for


def estimates(workspace: Workspace, dataset: str, cells: tuple[str, ...], epochs: int) -> dict:
    asked = {"dataset": dataset, "topologies": cells, "epochs": epochs, "patience": 0, "seeds": (SEED,)}
    (workspace.runs / ".paces.json").unlink(missing_ok=True)
    clock = time.perf_counter()
    told = EstimateTraining(**asked).run(Context(workspace))
    calibration_s, clock = time.perf_counter() - clock, time.perf_counter()
    made = TrainGrid(**asked).run(Context(workspace))
    grid_s = time.perf_counter() - clock
    took = {run["topology"]: run for run in made["runs"]}
    for run in made["runs"]:
        shutil.rmtree(workspace.runs / run["run"])
    rows = [
        {
            "cell": cell["topology"],
            "estimate_s": cell["seconds"],
            "took_s": took[cell["topology"]]["duration_s"],
            "ratio": round(cell["seconds"] / took[cell["topology"]]["duration_s"], 3),
        }
        for cell in told["cells"]
    ]
    grid = {"estimate_s": told["seconds"], "took_s": round(grid_s, 1), "ratio": round(told["seconds"] / grid_s, 3)}
    return {"calibration_s": round(calibration_s, 1), "workers": told["workers"], "cells": rows, "grid": grid}


def linear(workspace: Workspace, dataset: str, cell: str) -> dict:
    data = ImageSet.open(workspace, dataset).training_data()
    settings = TrainSettings(cell, seed=SEED, epochs=2, patience=0)
    images, epochs = {}, {}
    timed(units.sample(data, 640), settings)  # the first training of a process prepares what the others find
    for share in (4, 2, 1):
        part = units.sample(data, len(data.train) // share) if share > 1 else data
        images[len(part.train)] = timed(part, settings)
    for count in (1, 2, 3):
        epochs[count] = timed(units.sample(data, len(data.train) // 4), replace(settings, epochs=count))
    per_image = [1e6 * seconds / number for number, seconds in images.items()]
    return {"cell": cell, "seconds_of_2_epochs_by_images": images, "microseconds_an_image": per_image, "seconds_by_epochs": epochs}


def timed(data, settings: TrainSettings) -> float:
    with tempfile.TemporaryDirectory() as folder:
        clock = time.perf_counter()
        training.fit(data, settings, Path(folder))
        return round(time.perf_counter() - clock, 3)


def main(dataset: str, cells: str = "16x1-64x1,32x2-64x1,64x1-64x1", epochs: str = "2") -> dict:
    workspace, named = Workspace.current(), tuple(cells.split(","))
    found = estimates(workspace, dataset, named, int(epochs))
    hardware.use_threads()
    return {"dataset": dataset, **found, "linear": linear(workspace, dataset, named[0])}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), indent=1))
