"""Training a latent diffusion model of our own on the real images of a set; ends as a stock DiTPipeline folder.

A story of four chapters: autoencoder, latents, transformer, saving. Each leaves what it made in a work folder, so that a
killed training goes on where it was. It does not know how images are generated in bulk (generating.py).
"""

import hashlib
import json
import math
import shutil
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from cifake_core import hardware
from cifake_core.errors import BadInput, CifakeError, Conflict, Refused
from cifake_core.generators import autoencoder, diffusion_transformer, fitting, sampling, sheets
from cifake_core.generators.designs import Design, design_of
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, REAL
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import checked_name

MAX_SHARD = "15MB"
CURVE, SHEET = "curve.json", "samples.png"
MINIMUM_IMAGES = 100
SHEET_EVERY_S = 20.0  # a sheet costs about two seconds
_SCALE_IMAGES = 4096  # images the latents' mean and spread are measured on


@dataclass(frozen=True)
class TrainGenerator:
    """Trains on the real images of a set's train split (the sealed test split is not read) and saves a generator.

    Measured on 2 CPU cores (AVX2): see benchmarks/RESULTS.md. The result is the same folder on every device.
    """

    dataset: str
    name: str  # of the generator in the workspace
    preset: str = "demo"  # demo, cifar10 or cifar10-gpu
    minutes: float = 0.0  # of training; 0 = the preset's
    autoencoder_steps: int = 0  # these two rule the training by steps instead of minutes
    transformer_steps: int = 0
    seed: int = 0
    out: str = ""  # folder to write to; "" = the workspace's generators/<name>
    design: dict = field(default_factory=dict)  # numbers that differ from the preset's, see designs.Design
    checkpoint_s: float = 120.0

    def __post_init__(self) -> None:
        checked_name(self.name)
        if (self.autoencoder_steps > 0) != (self.transformer_steps > 0) or min(self.autoencoder_steps, self.transformer_steps) < 0:
            raise BadInput("Give steps for both the autoencoder and the transformer, or for neither.")
        if self.minutes < 0 or (self.minutes and self.autoencoder_steps):
            raise BadInput(f"Training takes {self.minutes} minutes and a number of steps; give one of the two, above 0.")
        self.numbers()

    def numbers(self) -> Design:
        """The preset with this training's changes. Raises BadInput for what cannot be built."""
        changes = dict(self.design)
        if self.minutes:
            changes["minutes"] = self.minutes
        return design_of(self.preset, changes)

    def run(self, context: Context) -> dict:
        """Trains, or goes on training; returns the generator's record and folder. Raises Refused, Conflict, NotFound."""
        images = ImageSet.open(context.workspace, self.dataset)
        folder = Path(self.out).expanduser().absolute() if self.out else context.workspace.generators / self.name
        request = self._request(images)
        if folder.exists():
            return _finished(folder, request)
        pixels, labels = _reals(images)
        hardware.use_threads()
        work = _Work(context.workspace.generators / f".training-{self.name}-{request[:12]}", context, self)
        vae, vae_state = work.train_autoencoder(pixels)
        latents = work.latents(vae, pixels)
        state = work.train_transformer(vae, latents, labels)
        record = self._record(images, request, vae, pixels, vae_state, state)
        _save(folder, work, vae, state.average, record, self.numbers())
        shutil.rmtree(work.folder, ignore_errors=True)
        return _finished(folder, request)

    def _request(self, images: ImageSet) -> str:
        """Digest of everything that decides the weights: a folder made for another request is not overwritten."""
        asked = {**asdict(self), "numbers": asdict(self.numbers()), "data": images.digest}
        for key in ("name", "out", "checkpoint_s", "dataset"):
            asked.pop(key)
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def _record(self, images: ImageSet, request: str, vae, pixels: torch.Tensor, first, second) -> dict:
        design = self.numbers()
        return {
            "kind": "latent-diffusion",
            "request": request,
            "pipeline": "DiTPipeline",
            "classes": list(CLASSES),
            "dataset": {"name": self.dataset, "digest": images.digest, "reals": len(pixels)},
            "settings": asdict(self) | {"out": ""},
            "numbers": asdict(design),
            "sampling": {"steps": design.sample_steps, "guidance": design.guidance},
            "parameters": {"autoencoder": _count(vae), "transformer": _count(second.model)},
            "training": {
                "autoencoder": _summary(first, design.autoencoder_batch),
                "transformer": _summary(second, design.transformer_batch),
                "reconstruction_error_of_255": round(autoencoder.reconstruction_error(vae, pixels[:1000]), 3),
                "device": str(hardware.chosen_device()),
                "threads": torch.get_num_threads(),
            },
            "versions": {name: version(name) for name in ("torch", "diffusers")},
        }


class _Work:
    """The folder of an unfinished training, and the two fits that leave their checkpoints there."""

    def __init__(self, folder: Path, context: Context, step: TrainGenerator) -> None:
        self.folder, self.context, self.step, self.design = folder, context, step, step.numbers()
        self.device = hardware.chosen_device()
        folder.mkdir(parents=True, exist_ok=True)

    def train_autoencoder(self, pixels: torch.Tensor):
        design, share = self.design, self.design.autoencoder_share
        model = autoencoder.build(design.latent_channels, design.widths, self.step.seed).to(self.device)
        loss = autoencoder.ReconstructionLoss(pixels, design.autoencoder_batch, design.kl_weight, self.step.seed)
        schedule = self._schedule(self.step.autoencoder_steps, share, design.autoencoder_rate)
        report = _Report(self, "autoencoder", 0.0, share, design.autoencoder_batch)
        state = fitting.fit(model, loss, schedule, self.folder / "autoencoder.safetensors", report)
        vae = state.average
        autoencoder.standardise(vae, pixels[:_SCALE_IMAGES])
        return vae, state

    def latents(self, vae, pixels: torch.Tensor) -> torch.Tensor:
        """Latents float16 (N, 2, C, 8, 8) of each picture and its mirror image; kept on disk for the next start."""
        folder = self.folder / "latents"
        if not folder.exists():
            with artifacts.whole_folder(folder) as temporary:
                np.save(temporary / "latents.npy", self._encoded(vae, pixels))
                artifacts.write_record(temporary, {}, ["latents.npy"])
        try:
            return torch.from_numpy(np.load(artifacts.verify(folder, "latents.npy")))
        except CifakeError:
            shutil.rmtree(folder)
            return self.latents(vae, pixels)

    def _encoded(self, vae, pixels: torch.Tensor) -> np.ndarray:
        sides = []
        for mirror, images in enumerate((pixels, pixels.flip(-1))):
            parts = []
            for part in autoencoder.encode(vae, images):
                parts.append(part.half())
                done = mirror * len(pixels) + sum(len(p) for p in parts)
                where = self.design.autoencoder_share
                self.context.on_progress(int(1000 * where), 1000, f"encoding images, {done} of {2 * len(pixels)}")
            sides.append(torch.cat(parts))
        return torch.stack(sides, 1).numpy()

    def train_transformer(self, vae, latents: torch.Tensor, labels: torch.Tensor) -> fitting.Training:
        design, share = self.design, self.design.autoencoder_share
        model = diffusion_transformer.build(
            design.latent_channels, design.layers, design.heads, design.head_width, design.patch, self.step.seed
        ).to(self.device)
        loss = diffusion_transformer.FlowLoss(latents, labels, design.transformer_batch, design.label_dropout, self.step.seed)
        schedule = self._schedule(self.step.transformer_steps, 1 - share, design.transformer_rate)
        report = _Report(self, "transformer", share, 1 - share, design.transformer_batch, vae)
        return fitting.fit(model, loss, schedule, self.folder / "transformer.safetensors", report)

    def _schedule(self, steps: int, share: float, rate: float) -> fitting.Schedule:
        return fitting.Schedule(
            steps=steps,
            minutes=0.0 if steps else self.design.minutes * share,
            learning_rate=rate,
            weight_decay=0.01,
            ema_decay=self.design.ema_decay,
            checkpoint_s=self.step.checkpoint_s,
        )

    def show(self, vae, transformer) -> np.ndarray:
        """A sheet of eight samples a class, class by row; seeds are fixed, so sheets of one training compare."""
        classes = [label for label in range(len(CLASSES)) for _ in range(8)]
        parts = _parts(vae, transformer)
        return sampling.sample(parts, classes, list(range(len(classes))), self.design.sample_steps, self.design.guidance)


@dataclass
class _Report:
    """Turns the state of a fit into progress, and every tenth of it into a loss curve and (not too often) a sheet of samples."""

    work: _Work
    chapter: str
    begins: float  # share of the whole training that lies before this chapter
    share: float
    batch: int
    vae: object = None
    shown: int = -1
    sheet_at: float = -math.inf

    def __call__(self, state: fitting.Training) -> None:
        tenth = int(state.share * 10)
        if tenth != self.shown:
            self.shown = tenth
            self._show(state, tenth)
        loss = state.curve[-1]["loss"] if state.curve else 0.0
        speed = state.step * self.batch / max(state.elapsed_s, 1e-9)
        done = int(1000 * (self.begins + self.share * state.share))
        message = f"{self.chapter}, step {state.step}, loss {loss:.4f}, {speed:.0f} images/s"
        self.work.context.on_progress(done, 1000, message)

    def _show(self, state: fitting.Training, tenth: int) -> None:
        folders = [folder for folder in (self.work.folder, self.work.context.scratch) if folder]
        for folder in folders:
            artifacts.write_json(folder / f"{self.chapter}-{CURVE}", {"curve": thinned(state.curve)})
        if self.vae is not None and tenth and time.monotonic() - self.sheet_at > SHEET_EVERY_S:
            self.sheet_at = time.monotonic()
            sheet = self.work.show(self.vae, state.average)
            for folder in folders:
                sheets.write_sheet(folder / f"samples-{tenth:02d}.png", sheet, columns=8)


def thinned(curve: list[dict], points: int = 400) -> list[dict]:
    """The curve with at most `points` points, each the mean loss of its stretch."""
    length = max(1, -(-len(curve) // points))
    stretches = [curve[i : i + length] for i in range(0, len(curve), length)]
    return [{**part[-1], "loss": round(sum(p["loss"] for p in part) / len(part), 5)} for part in stretches]


def _reals(images: ImageSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels uint8 (N, 3, 32, 32) and classes (N,) of the whole official train split's reals; Refused if too few."""
    part = images.part("train+validation")
    rows = np.flatnonzero((part.labels == REAL) & (part.class_labels >= 0))
    if len(rows) < MINIMUM_IMAGES:
        raise Refused(
            f"{images.name!r} has {len(rows)} real training images with a class; a generator needs at least {MINIMUM_IMAGES}."
        )
    return torch.from_numpy(np.array(part.pixels[rows])), torch.from_numpy(part.class_labels[rows].astype(np.int64))


def _parts(vae, transformer):
    from diffusers import DiTPipeline

    names = dict(enumerate(CLASSES))
    pipeline = DiTPipeline(transformer, vae, diffusion_transformer.scheduler(), id2label=names)
    pipeline.register_to_config(id2label=names)  # else the names are not saved, and classes can only be asked by number
    return pipeline


def _save(folder: Path, work: _Work, vae, transformer, record: dict, design: Design) -> None:
    sheet = work.show(vae, transformer)
    curves = {name: json.loads((work.folder / f"{name}-{CURVE}").read_text())["curve"] for name in ("autoencoder", "transformer")}
    with artifacts.whole_folder(folder) as temporary:
        _parts(vae.half(), transformer.half()).save_pretrained(temporary, safe_serialization=True, max_shard_size=MAX_SHARD)
        artifacts.write_json(temporary / CURVE, curves)
        sheets.write_sheet(temporary / SHEET, sheet, columns=8)
        files = [str(path.relative_to(temporary)) for path in sorted(temporary.rglob("*")) if path.is_file()]
        artifacts.write_record(temporary, record, files)


def _finished(folder: Path, request: str) -> dict:
    """The record of a finished training; Conflict if the folder holds something else."""
    if not (folder / artifacts.RECORD).exists() or artifacts.read_json(folder / artifacts.RECORD).get("request") != request:
        raise Conflict(f"{folder.name!r} exists already and was made otherwise; choose another name or delete it first.")
    return {"folder": str(folder), "name": folder.name, **artifacts.read_json(folder / artifacts.RECORD)}


def _summary(state: fitting.Training, batch: int) -> dict:
    last = state.curve[-10:]
    return {
        "steps": state.step,
        "images": state.step * batch,
        "duration_s": round(state.elapsed_s, 1),
        "images_per_s": round(state.step * batch / max(state.elapsed_s, 1e-9), 1),
        "final_loss": round(sum(point["loss"] for point in last) / len(last), 5),
    }


def _count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
