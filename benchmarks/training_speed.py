"""Training speed: ours against Keras with `image_dataset_from_directory` and against the usual PyTorch loop, on the same images.

    python -m benchmarks.training_speed --keras PYTHON [--images 12800] [--seconds 30] [--rounds 3] [--epochs 2]
    python -m benchmarks.training_speed --keras PYTHON --accuracy --cells 32x2 --epochs 10 --last 5 --seeds 0,1,2 [--own-files]

PYTHON is an interpreter with tensorflow. Works in CIFAKE_HOME on `--dataset`; the others read the set's own files (CIFAKE's JPEGs,
not encoded again) from a temporary folder train/REAL, train/FAKE. Everywhere: batch 64, Adam 1e-3, "same" padding, all cores for
one network; the others in float32, ours in --precision (auto: bf16 where the processor multiplies it, as users get it). A side
and round is a process of its own, and sides take turns, so what else the machine does hits all alike. The first epoch of a process is not counted. What is timed is the pass over the training images: no checkpoints, and
64 validation images on our side. `grid` is what `train --grid` does: one process a core, one thread each, their rates added.

Prints one JSON object: images/s of each side (median over epochs), how many times as fast we are, geometric means. With
--accuracy: test accuracy of each side, the mean over its last --last epochs (nothing selected, and ours is not its best epoch; one
epoch alone is mostly luck), over the seeds mean, sd, and the gap of the means with its standard error. There the others read our pixels from PNG files, so that all sides see the same
images: TensorFlow's JPEG decoder is a fast, inexact one, and its pixels are others. With --own-files they read the set's files.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from cifake_core import hardware
from cifake_core.detectors import scoring, training, units
from cifake_core.detectors.request import TrainSettings
from cifake_core.detectors.topology import Topology
from cifake_core.images.image_set import ImageSet, TrainingData
from cifake_core.store.workspace import Workspace

CELLS = "16x1,32x2,128x1,128x3,32x2-4096x3"
CORES = os.cpu_count() or 1
VALIDATED = 64  # images an epoch on our side, which never trains without
RATE = 3e10  # multiplications of training a second, a guess that only decides how many images a heavy cell gets


@dataclass(frozen=True)
class Work:
    """What one process does. `folder` has train/REAL, train/FAKE and, if `test`, test/REAL, test/FAKE."""

    dataset: str
    cell: str
    folder: str
    images: int  # 0 = all of the train part
    epochs: int
    seed: int = 0
    threads: int = CORES
    test: int = 0  # after how many of the last epochs the test accuracy is taken
    precision: str = "auto"  # of our side: what a user gets


def ours(work: Work) -> dict:
    image_set, found = ImageSet.open(Workspace.current(), work.dataset), []
    settings = TrainSettings(work.cell, work.seed, work.epochs, patience=0, precision=work.precision)

    def look(network: nn.Module, epoch: int) -> None:
        if epoch > work.epochs - work.test:
            test = image_set.part("test")
            logits = scoring.logits_of(network, scoring.on_device(test.pixels, hardware.chosen_device()))
            found.append(float(((logits >= 0) == (test.labels == 1)).mean()))

    with tempfile.TemporaryDirectory() as folder:
        state = training.fit(drawn(image_set, work.images), settings, Path(folder), watch=look)
    return {"epochs_s": [epoch.duration_s for epoch in state.history], "accuracies": found}


def drawn(image_set: ImageSet, images: int) -> TrainingData:
    data = image_set.training_data()
    train = units.sample(data, images).train if images else data.train
    return TrainingData(train, units.sample(data, 9 * VALIDATED).validation)


def loader(work: Work) -> dict:
    """ImageFolder, DataLoader with two workers and a loop: what tutorials show."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    torch.manual_seed(work.seed)
    device = hardware.chosen_device()
    images = {
        split: DataLoader(
            datasets.ImageFolder(f"{work.folder}/{split}", transforms.ToTensor()), 64, split == "train", num_workers=2
        )
        for split in ("train", "test")[: 1 + bool(work.test)]
    }
    network = usual_network(Topology.parse(work.cell)).to(device)
    optimizer, loss_of = torch.optim.Adam(network.parameters(), lr=1e-3), nn.BCEWithLogitsLoss()
    took, found = [], []
    for epoch in range(1, work.epochs + 1):
        clock, total = time.perf_counter(), 0.0
        for pixels, labels in images["train"]:
            optimizer.zero_grad()
            loss = loss_of(network(pixels.to(device)).squeeze(1), labels.float().to(device))
            loss.backward()
            optimizer.step()
            total += loss.item()
        took.append(time.perf_counter() - clock)
        if epoch > work.epochs - work.test:
            found.append(share_right(network, images["test"], device))
    return {"epochs_s": took, "accuracies": found}


def usual_network(topology: Topology) -> nn.Sequential:
    layers, channels, side = [], 3, 32
    for _ in range(topology.conv_layers):
        layers += [nn.Conv2d(channels, topology.filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = topology.filters, side // 2
    layers.append(nn.Flatten())
    width = channels * side * side
    for _ in range(topology.dense_layers):
        layers += [nn.Linear(width, topology.dense_units), nn.ReLU()]
        width = topology.dense_units
    return nn.Sequential(*layers, nn.Linear(width, 1))


@torch.no_grad()
def share_right(network: nn.Module, images, device: torch.device) -> float:
    right = sum(((network(x.to(device)).squeeze(1) >= 0) == y.to(device)).sum().item() for x, y in images)
    return right / len(images.dataset)


def export(image_set: ImageSet, split: str, part, folder: Path) -> None:
    """The part's stored files, as they are, into folder/split/REAL and folder/split/FAKE."""
    for label in ("REAL", "FAKE"):
        (folder / split / label).mkdir(parents=True, exist_ok=True)
    for number, encoded in enumerate(image_set.encoded_rows(split, part.rows)):
        label = "FAKE" if part.labels[number] else "REAL"
        suffix = "png" if encoded.startswith(b"\x89PNG") else "jpg"
        (folder / split / label / f"{number:06d}.{suffix}").write_bytes(encoded)


def export_pixels(part, folder: Path) -> None:
    """The part's pixels as PNG files, in folder/REAL and folder/FAKE."""
    for label in ("REAL", "FAKE"):
        (folder / label).mkdir(parents=True)
    for number, pixels in enumerate(part.pixels):
        label = "FAKE" if part.labels[number] else "REAL"
        Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / label / f"{number:06d}.png", compress_level=1)


def images_for(cell: str, most: int, seconds: float) -> int:
    """`most`, or as many as an epoch of about so many seconds has; whole batches."""
    return max(640, min(most, int(seconds * RATE / (3 * Topology.parse(cell).multiply_adds())))) // 64 * 64


def run(side: str, work: Work, keras: str) -> dict:
    """The side's process; {"epochs_s", "accuracies"} it printed last."""
    if side == "grid":
        with ThreadPoolExecutor(CORES) as pool:
            each = list(pool.map(lambda _: run("ours", replace(work, threads=1), keras), range(CORES)))
        return {"epochs_s": [1 / sum(1 / s for s in row) for row in zip(*[one["epochs_s"] for one in each], strict=True)]}
    here = Path(__file__).resolve()
    started = [sys.executable, "-m", "benchmarks.training_speed", side]
    if side == "keras":
        started = [keras, str(here.with_name("training_speed_keras.py"))]
    asked = json.dumps(asdict(work) | {"topology": asdict(Topology.parse(work.cell))})
    done = subprocess.run([*started, asked], capture_output=True, text=True, check=False, cwd=here.parents[1])
    if done.returncode:
        sys.exit(f"{side} failed on {work.cell}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def speeds(cell: str, asked: argparse.Namespace, image_set: ImageSet) -> dict:
    number = images_for(cell, asked.images, asked.seconds)
    took = {side: [] for side in (*asked.sides, "grid")}
    with tempfile.TemporaryDirectory() as folder:
        export(image_set, "train", drawn(image_set, number).train, Path(folder))
        work = Work(asked.dataset, cell, folder, number, 1 + asked.epochs, precision=asked.precision)
        for _ in range(asked.rounds):
            for side in took:
                took[side] += run(side, work, asked.keras)["epochs_s"][1:]
                print(cell, side, [round(number / seconds) for seconds in took[side]], "images/s", file=sys.stderr)
    rates = {side: number / statistics.median(seconds) for side, seconds in took.items()}
    times = {f"{a}/{b}": round(rates[a] / rates[b], 2) for a in ("ours", "grid") for b in asked.sides if a != b}
    found = {"cell": cell, "images": number, "images_per_s": {side: round(rate) for side, rate in rates.items()}}
    return found | {"ratios": times, "epochs_s": {s: [round(x, 2) for x in took[s]] for s in took}}


def accuracies(cell: str, asked: argparse.Namespace, image_set: ImageSet, folder: str) -> dict:
    work = Work(asked.dataset, cell, folder, 0, asked.epochs, test=min(asked.last, asked.epochs), precision=asked.precision)
    found = {side: [] for side in asked.sides}
    for seed in asked.seeds:
        for side in found:
            found[side].append(statistics.mean(run(side, replace(work, seed=seed), asked.keras)["accuracies"]))
            print(cell, side, "seed", seed, round(100 * found[side][-1], 3), "%", file=sys.stderr)
    means = {side: statistics.mean(values) for side, values in found.items()}
    sds = {side: round(100 * statistics.stdev(v), 3) if len(v) > 1 else None for side, v in found.items()}
    rows = {side: {"mean": round(100 * means[side], 3), "sd": sds[side], "of": found[side]} for side in found}
    return {"cell": cell, "test_accuracy": rows, "gaps_of_means": {side: gap(found["ours"], found[side]) for side in found if side != "ours"}}


def gap(ours: list[float], theirs: list[float]) -> dict:
    """Ours minus theirs in points, and its standard error over the seeds of both (Welch); None for one seed."""
    error = None
    if min(len(ours), len(theirs)) > 1:
        error = round(100 * (statistics.variance(ours) / len(ours) + statistics.variance(theirs) / len(theirs)) ** 0.5, 3)
    return {"points": round(100 * (statistics.mean(ours) - statistics.mean(theirs)), 3), "standard_error": error}


def main(asked: argparse.Namespace) -> dict:
    image_set = ImageSet.open(Workspace.current(), asked.dataset)
    device = hardware.chosen_device()
    precision = hardware.fast_precision(device) if asked.precision == "auto" else asked.precision
    head = {"dataset": asked.dataset, "hardware": hardware.description(device), "our_precision": precision, "epochs": asked.epochs}
    if asked.accuracy:
        with tempfile.TemporaryDirectory() as folder:
            for split, part in (("train", drawn(image_set, 0).train), ("test", image_set.part("test"))):
                if asked.own_files:
                    export(image_set, split, part, Path(folder))
                else:
                    export_pixels(part, Path(folder) / split)
            read = "the set's own files" if asked.own_files else "our pixels as PNG"
            return head | {"others_read": read, "last_epochs": asked.last, "cells": [accuracies(cell, asked, image_set, folder) for cell in asked.cells]}
    cells = [speeds(cell, asked, image_set) for cell in asked.cells]
    means = {pair: round(statistics.geometric_mean(c["ratios"][pair] for c in cells), 2) for pair in cells[0]["ratios"]}
    return head | {"cells": cells, "geometric_means": means}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keras", default="", help="an interpreter that has tensorflow; without it that side is left out")
    parser.add_argument("--dataset", default="cifake")
    parser.add_argument("--cells", type=lambda text: text.split(","), default=CELLS.split(","))
    parser.add_argument("--images", type=int, default=12_800, help="training images an epoch")
    parser.add_argument("--seconds", type=float, default=30, help="about the longest epoch: heavy cells get fewer images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="measured a process; with --accuracy: trained")
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--last", type=int, default=1, help="with --accuracy: the mean over so many of the last epochs")
    parser.add_argument("--own-files", action="store_true", help="with --accuracy: the others decode the set's own files")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto", help="of our side")
    parser.add_argument("--sides", type=lambda text: text.split(","), default=["ours", "loader", "keras"], help="of ours, loader, keras")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    asked = parser.parse_args()
    asked.sides = [side for side in asked.sides if side != "keras" or asked.keras]
    return asked


if __name__ == "__main__":
    if sys.argv[1:2] in (["ours"], ["loader"]):
        spec = json.loads(sys.argv[2])
        spec.pop("topology")
        hardware.use_threads(spec["threads"])
        print(json.dumps({"ours": ours, "loader": loader}[sys.argv[1]](Work(**spec))))
    else:
        print(json.dumps(main(arguments()), indent=1))
