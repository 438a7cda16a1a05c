"""Training a detector of Community Forensics on streamed Parquet, on one device or several, through `accelerate`.

Source: Park and Owens 2025 and the official code: AdamW 2e-5, weight decay 1e-2, BCE on the raw logit, gradient clip 1,
mixed precision, warm-up over a fifth of the steps, then a cosine to a thousandth of the rate. Deviations: docs/community-forensics.md.
Expected: the paper's mAP on unseen generators is .966 (384 px); not repeated here yet.
"""

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from cifake_core import hardware
from cifake_core.detectors import networks
from cifake_core.detectors.community_forensics import adding, weights
from cifake_core.detectors.community_forensics.models import model_of
from cifake_core.detectors.community_forensics.streaming import Shards, TrainingStream, evaluation_batches
from cifake_core.errors import BadInput, Conflict
from cifake_core.metrics import scores
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

_REPORT_EVERY = 10  # steps between two points of the loss curve
_STATE = "state.json"


@dataclass(frozen=True)
class TrainForensics:
    """Fine-tunes a detector on Parquet files with pictures of many generators. A killed training goes on where it was.

    One process, or several of `accelerate launch --num_processes N -m cifake_core forensics train …`; then `batch` counts
    the pictures of one process. The paper's: 4 processes × 128 pictures, about five passes over 5.4 million.
    """

    data: tuple[str, ...]  # Parquet files to learn from
    name: str  # of the detector in the workspace
    model: str = "commfor-384"
    start: str = ""  # weights to start from: a file or owner/model@commit (the paper: ImageNet's, by timm); "" = random
    steps: int = 50_000  # of the optimizer
    batch: int = 128  # pictures a step and process
    learning_rate: float = 2e-5
    weight_decay: float = 1e-2
    warmup: float = 0.2  # share of the steps
    clip: float = 1.0  # largest norm of the gradient
    precision: str = "auto"  # bf16, fp32 or auto: bf16 where the hardware multiplies it
    seed: int = 0
    balanced: bool = True  # real and fake in turn
    augment: bool = True  # RandomStateAugmentation
    validation: tuple[str, ...] = ()  # Parquet files to measure on at the end
    validation_images: int = 2000
    checkpoint_steps: int = 500
    loaders: int = 0  # processes that decode and augment, a training process

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", tuple(self.data))
        object.__setattr__(self, "validation", tuple(self.validation))
        model_of(self.model)
        checked_name(self.name)
        if min(self.steps, self.batch, self.checkpoint_steps) < 1 or not 0 <= self.loaders <= 256:
            raise BadInput(
                f"Steps ({self.steps}), batch ({self.batch}) and steps a checkpoint must be at least 1, loaders 0 to 256."
            )
        if not 0 < self.learning_rate <= 1 or not 0 <= self.warmup < 1 or self.clip <= 0:
            raise BadInput(
                "The learning rate lies above 0 and up to 1, the warm-up between 0 and 1, the gradient clip above 0."
            )
        if self.precision not in ("auto", "fp32", "bf16"):
            raise BadInput(f"The precision is {self.precision!r}; take auto, fp32 or bf16.")

    def rate(self, step: int) -> float:
        """The learning rate of a step, 0 … steps − 1: up in a straight line, then half a cosine to a thousandth."""
        warm = round(self.warmup * self.steps)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        along = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * (0.001 + 0.999 * (1 + np.cos(np.pi * along)) / 2)

    def run(self, context: Context) -> dict:
        """What `adding.described` says. Raises BadInput for unusable files or a diverging loss, Conflict for a taken name."""
        shards, held_out = Shards.of(list(self.data)), self.validation and Shards.of(list(self.validation))
        request = self._request(shards)
        there = context.workspace.home / "detectors" / self.name
        if (there / artifacts.RECORD).exists():
            return _same(there, request)
        training = _Training(self, shards, context.workspace, request)
        training.until_done(context)
        if not training.leads:
            return {"detector": self.name, "process": training.accelerator.process_index}
        found = training.judged(held_out) if held_out else None
        tensors = training.bare.state_dict()
        folder = adding.keep(context.workspace, self.name, self.model, tensors, self._record(training, request, found))
        shutil.rmtree(training.folder, ignore_errors=True)
        return adding.described(folder)

    def _request(self, shards: Shards) -> str:
        asked = asdict(self) | {"groups": shards.groups, "images": shards.images}
        for key in ("name", "validation", "validation_images", "checkpoint_steps", "loaders"):
            asked.pop(key)
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def _record(self, training: "_Training", request: str, found: dict | None) -> dict:
        settings = asdict(self) | {
            "data": [Path(path).name for path in self.data],
            "validation": [Path(path).name for path in self.validation],
        }
        about = {"source": "trained here", "request": request, "training": {**training.summary(), "settings": settings}}
        return about | ({"validation": found} if found else {})


def _same(folder: Path, request: str) -> dict:
    if artifacts.read_json(folder / artifacts.RECORD).get("request") != request:
        raise Conflict(f"There is another detector named {folder.name!r} already; choose another name.")
    return adding.described(folder)


class _Training:
    """A training under way in one of its processes: network, optimizer, and where they are kept between two starts."""

    def __init__(self, step: TrainForensics, shards: Shards, workspace: Workspace, request: str) -> None:
        from accelerate import Accelerator

        self.step_of, self.shards, self.model = step, shards, model_of(step.model)
        device = hardware.chosen_device()
        precision = hardware.fast_precision(device) if step.precision == "auto" else step.precision
        self.accelerator = Accelerator(
            mixed_precision="bf16" if precision == "bf16" else "no", cpu=device.type == "cpu"
        )
        if self.accelerator.num_processes == 1:
            hardware.use_threads()
        self.precision, self.leads = precision, self.accelerator.is_main_process
        self.folder = workspace.home / "detectors" / f".training-{step.name}-{request[:12]}"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step.seed)
            self.bare = networks.build(step.model)
        optimizer = torch.optim.AdamW(self.bare.parameters(), lr=step.learning_rate, weight_decay=step.weight_decay)
        self.done, self.curve, self.elapsed_s = 0, [], 0.0
        self._restore(optimizer)
        self.network, self.optimizer = self.accelerator.prepare(self.bare, optimizer)

    def until_done(self, context: Context) -> None:
        """All steps that are left, with checkpoints; every process ends together."""
        step, began, before = self.step_of, time.monotonic(), self.elapsed_s
        batches = self._batches()
        self.network.train()
        while self.done < step.steps:
            loss = self._one(*next(batches))
            self.done += 1
            self.elapsed_s = before + time.monotonic() - began
            if self.done % _REPORT_EVERY == 0 or self.done == step.steps:
                self._note(loss)
            speed = self.done * step.batch * self.accelerator.num_processes / max(self.elapsed_s, 1e-9)
            if self.leads:
                context.on_progress(self.done, step.steps, f"step {self.done}, {speed:.1f} pictures/s{self._last()}")
            if self.done % step.checkpoint_steps == 0 and self.done < step.steps:
                self._keep()

    def _batches(self):
        step, here = self.step_of, self.accelerator
        stream = TrainingStream(
            self.shards,
            self.model,
            step.batch,
            step.seed,
            here.process_index,
            here.num_processes,
            self.done,
            step.balanced,
            step.augment,
        )
        return iter(
            torch.utils.data.DataLoader(
                stream, batch_size=None, num_workers=step.loaders, pin_memory=here.device.type == "cuda"
            )
        )

    def _one(self, pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One step of the optimizer on pixels uint8 (B, 3, crop, crop); the mean loss, a tensor on the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.step_of.rate(self.done)
        labels = labels.to(self.accelerator.device, non_blocking=True)
        images = networks.as_input(pixels.to(self.accelerator.device, non_blocking=True))
        with self.accelerator.autocast():
            logits = self.network(images)
        loss = functional.binary_cross_entropy_with_logits(logits.float(), labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.step_of.clip)
        self.optimizer.step()
        return loss.detach()

    def _note(self, loss: torch.Tensor) -> None:
        mean = float(self.accelerator.reduce(loss, "mean"))
        if not np.isfinite(mean):
            raise BadInput(
                f"The loss is not a number after step {self.done}; take a learning rate below {self.step_of.learning_rate}."
            )
        self.curve.append({"step": self.done, "loss": round(mean, 5)})

    def _last(self) -> str:
        return f", loss {self.curve[-1]['loss']:.4f}" if self.curve else ""

    def _keep(self) -> None:
        """The whole state on disk, the index last; the process that leads writes, as all have the same weights."""
        if not self.leads:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"step-{self.done:07d}.safetensors"
        tensors = {f"network.{name}": value for name, value in self.bare.state_dict().items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
        with artifacts.whole_file(file) as temporary:
            save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, temporary)
        index = {
            "file": file.name,
            "sha256": artifacts.sha256(file),
            "done": self.done,
            "curve": self.curve,
            "elapsed_s": self.elapsed_s,
        }
        artifacts.write_json(self.folder / _STATE, index)
        for old in self.folder.glob("step-*.safetensors"):
            if old.name != file.name:
                old.unlink()

    def _restore(self, optimizer: torch.optim.Optimizer) -> None:
        """The kept state, or the weights to start from; a damaged checkpoint counts as none."""
        if (self.folder / _STATE).exists():
            index = artifacts.read_json(self.folder / _STATE)
            file = self.folder / index["file"]
            if file.exists() and artifacts.sha256(file) == index["sha256"]:
                tensors = load_file(file)
                self.bare.load_state_dict(_group(tensors, "network."))
                whole = optimizer.state_dict()
                whole["state"] = {
                    number: _group(tensors, f"optimizer.{number}.")
                    for number in range(len(list(self.bare.parameters())))
                }
                optimizer.load_state_dict(whole)
                self.done, self.curve, self.elapsed_s = index["done"], index["curve"], index["elapsed_s"]
                return
        if self.step_of.start:
            begun = weights.backbone(weights.read(weights.found(self.step_of.start)), self.model)
            self.bare.load_state_dict(begun, strict=False)

    def judged(self, shards: Shards) -> dict:
        """Accuracy, AUC and average precision on pictures that were not trained on, and the paper's mean over generators."""
        logits, labels, makers = [], [], []
        device = self.accelerator.device
        self.bare.eval()
        with torch.inference_mode():
            for pixels, truth, generators in evaluation_batches(
                shards, self.model, self.step_of.validation_images, self.model.batch
            ):
                logits.append(self.bare(networks.as_input(pixels.to(device))).float().cpu().numpy())
                labels.append(truth)
                makers += generators
        return judged(np.concatenate(logits), np.concatenate(labels), np.array(makers, dtype=object))

    def summary(self) -> dict:
        world = self.accelerator.num_processes
        return {
            "steps": self.done,
            "pictures": self.done * self.step_of.batch * world,
            "processes": world,
            "duration_s": round(self.elapsed_s, 1),
            "curve": self.curve,
            "precision": self.precision,
            "hardware": hardware.description(self.accelerator.device),
        }


def judged(logits: np.ndarray, labels: np.ndarray, generators: np.ndarray) -> dict:
    """Pooled figures, and average precision of each generator's fakes against all reals with its unweighted mean.

    Source: Park and Owens 2025: a mean over generators, undefined for a group of one label.
    """
    found = {"n": len(labels), "accuracy": float(((logits >= 0) == (labels == 1)).mean())}
    if len(set(labels.tolist())) < 2:
        return found
    pooled = scores.evaluate(logits, labels)
    each = {}
    for name in sorted(set(generators[labels == 1])):
        rows = (labels == 0) | (generators == name)
        each[str(name)] = scores.evaluate(logits[rows], labels[rows], resamples=1)["average_precision"].value
    return found | {
        "auc": pooled["auc"].as_dict(),
        "average_precision": pooled["average_precision"].as_dict(),
        "mean_average_precision": float(np.mean(list(each.values()))),
        "generators": each,
    }


def _group(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
