"""A ten-class classifier of reals: the eye that generators are measured with. Small, trained once for a set, then kept.

A small residual network (He et al. 2016), the learning rate up for a fifth of the way and down a cosine (Smith & Topin 2018),
mirror images and shifts of up to 4 pixels, no selection: the last epoch counts. Held-out accuracy is told beside all that is measured with it.
"""

import hashlib
import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from cifake_core import CLASS_NAMES, hardware
from cifake_core.detectors.networks import as_input
from cifake_core.detectors.residual import Block, convolution
from cifake_core.errors import Refused
from cifake_core.evaluation.quality.reals import Reals
from cifake_core.generators import fitting
from cifake_core.metrics.intervals import share
from cifake_core.progress import Progress, silent
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

WEIGHTS = "weights.safetensors"
VERSION = 1  # raise it whenever a classifier would come out differently
MINIMUM = 10  # reals of each class, to train on and to hold out
_SHIFT = 4  # pixels
_REPORT_EVERY = 10  # batches


@dataclass(frozen=True)
class Recipe:
    """How the classifier is trained."""

    channels: tuple[int, int, int, int] = (
        24,
        48,
        64,
        128,
    )  # at 32, 16, 8 and 4 pixels; the last two with a residual block
    learning_rate: float = 4e-3  # AdamW's peak
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    batch: int = 128
    images: int = 300_000  # seen in training, each image 6 to 40 times
    seed: int = 0

    def steps(self, reals: int) -> int:
        return max(1, round(min(max(self.images / reals, 6), 40) * reals / self.batch))


class ClassNet(nn.Module):
    """Pixels in [0, 1] → ten class logits. `features` is what lies before the last layer: mean and maximum of 4×4 places."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        stages, before = [], 3
        for number, width in enumerate(channels):
            pool = nn.MaxPool2d(2) if number else nn.Identity()
            block = Block(width) if number >= len(channels) - 2 else nn.Identity()
            stages.append(nn.Sequential(pool, convolution(before, width), nn.ReLU(), block))
            before = width
        self.stages = nn.Sequential(*stages)
        self.output = nn.Linear(2 * before, len(CLASS_NAMES))

    def features(self, images: Tensor) -> Tensor:
        """(N, 3, 32, 32) → (N, 2 · channels)."""
        seen = self.stages(images)
        return torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.features(images))


@dataclass(frozen=True)
class Seen:
    """What the classifier sees in n images."""

    classes: np.ndarray  # int64 (n,): the class it assigns
    features: np.ndarray  # float64 (n, d)


@dataclass(frozen=True)
class Classifier:
    network: ClassNet
    record: dict  # "held_out": {"value", "low", "high"}, "n_train", "n_held_out", "steps", …

    @torch.inference_mode()
    def see(self, pixels: np.ndarray, on_progress: Progress = silent) -> Seen:
        """pixels uint8 (n, 3, 32, 32). Single precision, so that distances do not depend on the hardware's half precision."""
        device, classes, features = next(self.network.parameters()).device, [], []
        self.network.eval()
        for start in range(0, len(pixels), 500):
            on_progress(start, len(pixels), "Looking at images")
            seen = self.network.features(as_input(torch.from_numpy(np.array(pixels[start : start + 500])).to(device)))
            classes.append(self.network.output(seen).argmax(1).cpu().numpy())
            features.append(seen.cpu().numpy())
        return Seen(np.concatenate(classes), np.concatenate(features).astype(np.float64))


def classifier_of(reals: Reals, workspace: Workspace, recipe: Recipe, on_progress: Progress = silent) -> Classifier:
    """The classifier of these reals: from the workspace if it was trained before, else trained now. Raises Refused."""
    asked = json.dumps({"data": reals.digest, "recipe": asdict(recipe), "version": VERSION}, sort_keys=True)
    folder = workspace.home / "classifiers" / hashlib.sha256(asked.encode()).hexdigest()[:16]
    hardware.use_threads()
    if not (folder / artifacts.RECORD).exists():
        _check(reals)
        checkpoint = folder.parent / f".training-{folder.name}" / "checkpoint.safetensors"
        network = trained(reals.train, reals.train_classes, recipe, checkpoint, on_progress)
        _store(folder, network, reals, recipe)
        shutil.rmtree(checkpoint.parent, ignore_errors=True)
    record = artifacts.read_json(folder / artifacts.RECORD)
    network = ClassNet(recipe.channels)
    network.load_state_dict(load_file(artifacts.verify(folder, WEIGHTS)))
    network = network.to(hardware.chosen_device(), memory_format=torch.channels_last).eval()
    return Classifier(network, record)


def trained(
    pixels: np.ndarray, classes: np.ndarray, recipe: Recipe, checkpoint: Path, on_progress: Progress = silent
) -> ClassNet:
    """A network that has learned pixels uint8 (n, 3, 32, 32) of those classes (n,); stopped, it goes on from `checkpoint`."""
    device = hardware.chosen_device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = ClassNet(recipe.channels).to(device, memory_format=torch.channels_last)
    steps = recipe.steps(len(pixels))
    schedule = fitting.Schedule(
        steps=steps, learning_rate=recipe.learning_rate, warmup_steps=steps // 5, weight_decay=recipe.weight_decay
    )

    def report(training: fitting.Training) -> None:
        if training.step % _REPORT_EVERY == 0:
            on_progress(training.step, steps, f"Training the classifier of reals, step {training.step} of {steps}")

    return fitting.fit(network, _Loss(pixels, classes, recipe, device), schedule, checkpoint, report).model.eval()


class _Loss:
    """Cross-entropy of one batch, drawn from (seed, step) alone."""

    def __init__(self, pixels: np.ndarray, classes: np.ndarray, recipe: Recipe, device: torch.device) -> None:
        self.images = torch.from_numpy(np.array(pixels)).to(device)
        self.classes = torch.from_numpy(classes.astype(np.int64)).to(device)
        self.recipe, self.precision = recipe, hardware.fast_precision(device)

    def __call__(self, network: nn.Module, step: int) -> Tensor:
        recipe, device = self.recipe, self.images.device
        rows = fitting.batch_rows(recipe.seed, step, recipe.batch, len(self.images)).to(device)
        images = _varied(as_input(self.images[rows]), fitting.draws(recipe.seed, 2, step))
        with hardware.autocast(device, self.precision):
            logits = network(images)
        return functional.cross_entropy(logits.float(), self.classes[rows], label_smoothing=recipe.label_smoothing)


def _varied(images: Tensor, draw: torch.Generator) -> Tensor:
    """Mirrored at random, and the batch shifted by up to 4 pixels with its edges mirrored."""
    flips = torch.rand(len(images), generator=draw) < 0.5
    images = torch.where(flips.to(images.device)[:, None, None, None], images.flip(3), images)
    x, y = torch.randint(0, 2 * _SHIFT + 1, (2,), generator=draw).tolist()
    side = images.shape[-1]
    return functional.pad(images, (_SHIFT,) * 4, mode="reflect")[:, :, y : y + side, x : x + side]


def _check(reals: Reals) -> None:
    for words, classes in (("training", reals.train_classes), ("held-out", reals.held_out_classes)):
        counts = np.bincount(classes, minlength=len(CLASS_NAMES))
        if counts.min() < MINIMUM:
            raise Refused(
                f"{reals.name!r} has {counts.min()} {words} reals of class {CLASS_NAMES[int(counts.argmin())]}; "
                f"measuring needs at least {MINIMUM} of each class in its train and in its test split."
            )


def _store(folder: Path, network: ClassNet, reals: Reals, recipe: Recipe) -> None:
    seen = Classifier(network, {}).see(reals.held_out)
    hits = int((seen.classes == reals.held_out_classes).sum())
    record = {
        "kind": "classifier of reals",
        "reals": reals.name,
        "recipe": asdict(recipe),
        "steps": recipe.steps(len(reals.train)),
        "n_train": len(reals.train),
        "n_held_out": len(reals.held_out),
        "held_out": share(hits, len(reals.held_out)).as_dict(),
        "parameters": sum(math.prod(p.shape) for p in network.parameters()),
        "hardware": hardware.description(hardware.chosen_device()),
    }
    with artifacts.whole_folder(folder) as temporary:
        save_file({name: value.contiguous().cpu() for name, value in network.state_dict().items()}, temporary / WEIGHTS)
        artifacts.write_record(temporary, record, [WEIGHTS])
