"""Detectors of the workspace, and the steps that add one and let it judge an image set: the result is a run like any other.

A detector is a folder `CIFAKE_HOME/detectors/<name>/` with `weights.safetensors` and `record.json`. Judging an image set
stores its scores as a run's, so that Metrics, maps and Try an image need to know nothing new.
"""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from cifake_core import hardware
from cifake_core.detectors import networks, runs, scoring
from cifake_core.detectors.community_forensics import weights
from cifake_core.detectors.community_forensics.models import model_of
from cifake_core.errors import BadInput, Conflict, NotFound
from cifake_core.images.image_set import ImageSet
from cifake_core.metrics import scores
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name


@dataclass(frozen=True)
class AddDetector:
    """Weights from a file or the Hub become a detector of the workspace. Adding the same again changes nothing."""

    weights: str  # a safetensors file, a folder with one, or owner/model@commit
    model: str = "commfor-384"
    name: str = ""  # "" = the model's

    def __post_init__(self) -> None:
        model_of(self.model)
        checked_name(self.name or self.model)

    def run(self, context: Context) -> dict:
        """{"detector", "model", "sha256", "weights"}. Raises NotFound, BadInput, Damaged, DownloadFailed, Conflict."""
        context.on_progress(0, 3, "getting the weights")
        path = weights.found(self.weights)
        context.on_progress(1, 3, "checking them")
        tensors = weights.fitting(weights.read(path), self.model, path.name)
        source = self.weights if "@" in self.weights else path.name
        context.on_progress(2, 3, "storing them")
        folder = keep(context.workspace, self.name or self.model, self.model, tensors, {"source": source})
        return described(folder)


@dataclass(frozen=True)
class JudgeSet:
    """A detector looks at every test and validation image of a set. Done twice, it makes nothing twice."""

    detector: str  # a name in the workspace
    dataset: str

    def run(self, context: Context) -> dict:
        """What `runs.summary` says of the run. Raises NotFound, BadInput for a set with nothing to judge."""
        folder = folder_of(context.workspace, self.detector)
        record = artifacts.read_json(folder / artifacts.RECORD)
        image_set = ImageSet.open(context.workspace, self.dataset)
        settings = _Settings(record["model"], self.detector, record["sha256"][runs.WEIGHTS])
        identity = runs.run_id(image_set.digest, settings)
        if not (context.workspace.runs / identity / artifacts.RECORD).exists():
            self._judge(context, folder, image_set, settings, context.workspace.runs / identity)
        return runs.summary(runs.open_run(context.workspace, identity))

    def _judge(self, context: Context, folder: Path, image_set: ImageSet, settings: "_Settings", target: Path) -> None:
        parts = {
            name: image_set.part(name)
            for name, split in (("validation", "train"), ("test", "test"))
            if image_set.has(split)
        }
        hardware.use_threads()
        began, device = time.perf_counter(), hardware.chosen_device()
        network = networks.build(settings.topology)
        network.load_state_dict(weights.read(artifacts.verify(folder, runs.WEIGHTS)))
        network.to(device).eval()
        total, done = sum(len(part) for part in parts.values()), 0
        record = _run_record(target.name, image_set, settings, network, device)
        with artifacts.whole_folder(target) as building:
            _link(folder / runs.WEIGHTS, building / runs.WEIGHTS)
            artifacts.write_json(building / runs.HISTORY, {"epochs": []})
            files = [runs.WEIGHTS, runs.HISTORY]
            for name, part in parts.items():
                logits = self._logits(context, network, part, device, done, total)
                runs.write_predictions(building, name, part.image_ids, logits)
                found = scores.accuracy(logits, part.labels)
                record[name] = {"n": len(logits), "accuracy": found.value, "low": found.low, "high": found.high}
                files.append(runs.predictions_file(name))
                done += len(part)
            record["duration_s"] = round(time.perf_counter() - began, 3)
            artifacts.write_record(building, record, files)

    def _logits(self, context: Context, network, part, device, done: int, total: int):
        parts, pixels = [], part.pixels
        for start in range(0, len(part), network.model.batch):
            context.on_progress(done + start, total, f"{self.detector} looks at {total:,} images of {self.dataset}")
            here = scoring.on_device(pixels[start : start + network.model.batch], device)
            parts.append(scoring.logits_of(network, here))
        return np.concatenate(parts)


@dataclass(frozen=True)
class _Settings:
    """What decides a run of a ready detector: `runs.run_id` makes the id of it."""

    topology: str
    detector: str
    weights: str  # SHA-256 of the file
    seed: int = 0


def folder_of(workspace: Workspace, name: str) -> Path:
    """The folder of a detector; raises NotFound, naming those there are."""
    folder = workspace.home / "detectors" / checked_name(name)
    if not (folder / artifacts.RECORD).exists():
        known = ", ".join(one["detector"] for one in detectors(workspace)) or "none yet"
        raise NotFound(f"There is no detector {name!r}; there are: {known}; add one with `forensics add` or train one.")
    return folder


def detectors(workspace: Workspace) -> list[dict]:
    """All detectors of the workspace, by name, as `described` says."""
    return [described(path.parent) for path in sorted((workspace.home / "detectors").glob(f"[!.]*/{artifacts.RECORD}"))]


def described(folder: Path) -> dict:
    record = artifacts.read_json(folder / artifacts.RECORD)
    shown = ("model", "source", "training", "validation", "created_at")
    return {
        "detector": folder.name,
        "sha256": record["sha256"][runs.WEIGHTS],
        **{key: record[key] for key in shown if key in record},
    }


def keep(workspace: Workspace, name: str, model: str, tensors: dict, about: dict) -> Path:
    """Stores a detector whole; Conflict if the name is taken by other weights."""
    folder = workspace.home / "detectors" / checked_name(name)
    with artifacts.whole_folder(folder.parent / f".new-{name}-{os.getpid()}") as building:
        save_file({key: value.cpu().contiguous() for key, value in tensors.items()}, building / runs.WEIGHTS)
        artifacts.write_record(building, {"model": model, **about, "created_at": runs.now()}, [runs.WEIGHTS])
    new = folder.parent / f".new-{name}-{os.getpid()}"
    try:
        if not (folder / artifacts.RECORD).exists():
            os.rename(new, folder)
        elif (
            artifacts.read_json(folder / artifacts.RECORD)["sha256"]
            != artifacts.read_json(new / artifacts.RECORD)["sha256"]
        ):
            raise Conflict(f"There is another detector named {name!r} already; choose another name.")
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _run_record(identity: str, image_set: ImageSet, settings: _Settings, network, device) -> dict:
    if not image_set.has("train") and not image_set.has("test"):
        raise BadInput(f"{image_set.name!r} has no images to judge; import some first.")
    return {
        "id": identity,
        "dataset": image_set.name,
        "dataset_digest": image_set.digest,
        "settings": {"topology": settings.topology, "seed": settings.seed, "detector": settings.detector},
        "parameters": sum(p.numel() for p in network.parameters()),
        "best_epoch": 0,
        "epochs": 0,
        "hardware": hardware.description(device),
        "precision": "fp32",
        "versions": runs.versions(),
        "created_at": runs.now(),
    }


def _link(source: Path, target: Path) -> None:
    """The same file under another name where the disk can do that: 87 MB a run are saved."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
