"""The four chapters of training a generator: autoencoder, latents, transformer, saving.

Each leaves what it made in a work folder, so that a killed training goes on where it was. What they report lies in
training_report.py.
"""

import json
import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from cifake_core import hardware
from cifake_core.errors import CifakeError, Refused
from cifake_core.generators import autoencoder, diffusion_transformer, fitting, sampling, sheets
from cifake_core.generators.catalogue import CURVE, SHEET
from cifake_core.generators.designs import Design
from cifake_core.generators.latent_diffusion import TrainGenerator
from cifake_core.generators.training_report import Report
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, REAL
from cifake_core.step import Context
from cifake_core.store import artifacts

MAX_SHARD = "15MB"
MINIMUM_IMAGES = 100
_SCALE_IMAGES = 4096  # images the latents' mean and spread are measured on


def train(
    step: TrainGenerator, images: ImageSet, context: Context, work_folder: Path, folder: Path, request: str
) -> None:
    """Trains, or goes on training, on the reals of the set; the finished generator is `folder`. Raises Refused."""
    pixels, labels = _reals(images)
    hardware.use_threads()
    work = _Work(work_folder, context, step)
    vae, vae_state = work.train_autoencoder(pixels)
    latents = work.latents(vae, pixels)
    state = work.train_transformer(vae, latents, labels)
    record = _record(step, images, request, vae, pixels, vae_state, state)
    _save(folder, work, vae, state.average, record, step.numbers())
    shutil.rmtree(work.folder, ignore_errors=True)


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
        report = Report(self.folder, self.context, "autoencoder", 0.0, share, design.autoencoder_batch)
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
        loss = diffusion_transformer.FlowLoss(
            latents, labels, design.transformer_batch, design.label_dropout, self.step.seed
        )
        schedule = self._schedule(self.step.transformer_steps, 1 - share, design.transformer_rate)
        report = Report(
            self.folder, self.context, "transformer", share, 1 - share, design.transformer_batch,
            lambda average: self.show(vae, average),
        )  # fmt: skip
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
        drawn = sampling.sample(parts, classes, list(range(len(classes))), self.design.sample_steps, self.design.guidance)
        return sampling.to_pixels(drawn)


def _record(step: TrainGenerator, images: ImageSet, request: str, vae, pixels: torch.Tensor, first, second) -> dict:
    design = step.numbers()
    return {
        "kind": "latent-diffusion",
        "request": request,
        "pipeline": "DiTPipeline",
        "classes": list(CLASSES),
        "dataset": {"name": step.dataset, "digest": images.digest, "reals": len(pixels)},
        "settings": asdict(step) | {"out": ""},
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
    curves = {
        name: json.loads((work.folder / f"{name}-{CURVE}").read_text())["curve"]
        for name in ("autoencoder", "transformer")
    }
    with artifacts.whole_folder(folder) as temporary:
        _parts(vae.half(), transformer.half()).save_pretrained(
            temporary, safe_serialization=True, max_shard_size=MAX_SHARD
        )
        artifacts.write_json(temporary / CURVE, curves)
        sheets.write_sheet(temporary / SHEET, sheet, columns=8)
        files = [str(path.relative_to(temporary)) for path in sorted(temporary.rglob("*")) if path.is_file()]
        artifacts.write_record(temporary, record, files)


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
