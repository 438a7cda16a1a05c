"""The step that explains a part of an image set: which images, their maps, and what is written of them."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from cifake_core import ray_cluster
from cifake_core.detectors import loading, places, runs, shards
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.places import AFTER_RELU
from cifake_core.detectors.runs import Run
from cifake_core.detectors.shards import Shard
from cifake_core.errors import BadInput
from cifake_core.evaluation import evaluating
from cifake_core.explanations import cam, fast_cam, methods, overlay, stored_maps
from cifake_core.explanations.stored_maps import StoredMaps
from cifake_core.images.image_set import ImageSet
from cifake_core.progress import Progress
from cifake_core.step import Context

METHODS = tuple(methods.METHODS)
SHARD = 512  # images: whole batches of every method; on a cluster, seconds of work that a machine's death can cost


@dataclass(frozen=True)
class ExplainSplit:
    """Maps of a run over a part of its image set, the most confidently wrong images first.

    Over all images (`limit` 0) they are kept in the workspace, and asked again they are only read. Grad-CAM of
    `32x2-64x1` over CIFAKE's 20,000 test images: see benchmarks/RESULTS.md.
    """

    run_id: str
    split: str = "test"
    method: str = "gradcam"
    layer: str | None = None  # None: the last convolution; several are separated by commas and averaged
    target: str = "verdict"
    limit: int = 0  # 0: all images
    out: str | None = None  # a folder for one PNG an image and maps.csv
    executor: str = "local"  # or "ray": on the machines of a Ray cluster
    address: str = ""  # of the Ray cluster, host:port or auto; "" = Ray on this machine alone
    place: str = AFTER_RELU  # of the layers' feature maps: relu (after the ReLU) or raw (before it)

    def __post_init__(self) -> None:
        ray_cluster.checked(self.executor, self.address)
        methods.checked_method(self.method)
        places.checked_place(self.place)
        if self.target not in cam.TARGETS:
            raise BadInput(f"The target {self.target!r} is unknown; take one of {', '.join(cam.TARGETS)}.")
        if self.limit < 0:
            raise BadInput(f"The limit is {self.limit}; give the number of images, or 0 for all.")

    def run(self, context: Context) -> dict:
        """{"run", "split", "method", "layer", "feature_map", "target", "n", "empty", "seconds", "reused", "kept", "out"}."""
        began = time.perf_counter()
        run = runs.open_run(context.workspace, self.run_id)
        table = evaluating.predictions(context.workspace, run, self.split)
        order = most_wrong_first(table)[: self.limit or None]
        there = self.stored(context, run)
        reused = there is not None
        if there is None and not self.limit:
            there = self._kept(context, run)
        pixels = ImageSet.open(context.workspace, run.dataset).part(self.split).pixels
        if there is None:
            maps = self._maps(context, run, pixels, order)
        elif self.out:
            maps = there.maps(order)
        if self.out:
            _write_pictures(Path(self.out), pixels[order], maps, table.iloc[order])
        return {
            "run": run.id,
            "split": self.split,
            "method": self.method,
            "layer": there.record["layer"] if there else maps.layer,
            "feature_map": there.place if there else maps.place,
            "target": self.target,
            "n": len(order),
            "empty": int((there.empty[order] if there else maps.empty).sum()),
            "seconds": round(time.perf_counter() - began, 2),
            "reused": reused,
            "kept": str(there.folder.relative_to(context.workspace.home)) if there else None,
            "out": self.out,
        }

    def layers(self) -> list[str] | None:
        return [name.strip() for name in self.layer.split(",") if name.strip()] if self.layer else None

    def stored(self, context: Context, run: Run) -> StoredMaps | None:
        """The maps of this request if they were kept before. Raises BadInput for an unknown layer."""
        asked = self.split, self.method, self._layer_name(run), self.target, self.place
        return stored_maps.stored(context.workspace, run, *asked)

    def _layer_name(self, run: Run) -> str:
        if not methods.uses_layers(self.method):
            return methods.SIZE_OF_INPUT
        return "+".join(cam.checked_layers(loading.built(run), self.layers()))

    def _kept(self, context: Context, run: Run) -> StoredMaps:
        began = time.perf_counter()
        pixels = ImageSet.open(context.workspace, run.dataset).part(self.split).pixels
        small = self.method == "gradcam" and "+" not in self._layer_name(run)
        found = self._maps(context, run, pixels, small=small)
        signed = not small and found.signed is not None
        heat, scale = found.signed if signed else found.heat, found.scale
        record = {
            "split": self.split,
            "method": self.method,
            "layer": self._layer_name(run),
            "feature_map": methods.place_of(run.topology, self.method, self.place),
            "target": self.target,
            "n": len(pixels),
            "empty": int((heat.reshape(len(heat), -1).max(axis=1, initial=0) <= 0).sum()),
            "signed": signed,
            "unit": scale is not None,
            "seconds": round(time.perf_counter() - began, 2),
            "versions": runs.versions(),
            "created_at": runs.now(),
        }
        scale = np.ones(len(pixels), np.float32) if scale is None else scale
        arrays = {"heat": heat, "scale": scale, "logits": found.logits, "explained": found.explained}
        return stored_maps.keep(context.workspace, run, record, arrays)

    def _maps(
        self, context: Context, run: Run, pixels: np.ndarray, rows: np.ndarray | None = None, small: bool = False
    ) -> cam.Maps | fast_cam.LayerMaps:
        work = partial(_maps_of, self.method, self.layers(), self.target, self.place, small)
        with ray_cluster.joined(self.executor, self.address) as ray:
            parts = shards.over(ray, run, pixels, rows, SHARD, work, context.on_progress)
        return shards.together(parts)


def _maps_of(
    method: str, layers: list[str] | None, target: str, place: str, small: bool, detector: Detector, shard: Shard,
    on_progress: Progress,
) -> cam.Maps | fast_cam.LayerMaps:
    """`small`: Grad-CAM of one layer, left at the layer's own size."""
    if small:
        return fast_cam.layer_maps(detector, shard.pixels, layers and layers[0], target, on_progress, place)
    return methods.maps(detector, shard.pixels, method, layers, target, on_progress, place=place)


def most_wrong_first(table: pd.DataFrame) -> np.ndarray:
    """Row numbers (n,): mistakes from the most to the least confident, then right verdicts from the least confident on."""
    towards_truth = np.where(table["label"] == 1, table["logit"], -table["logit"])
    return np.argsort(towards_truth, kind="stable")


def _write_pictures(folder: Path, pixels: np.ndarray, maps: cam.Maps, table: pd.DataFrame) -> None:
    """<rank>-<outcome>.png, image beside overlay, and maps.csv that says which image each one is."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{rank:05d}-{outcome}.png" for rank, outcome in enumerate(table["outcome"])]
    for name, image, heat in zip(names, pixels.transpose(0, 2, 3, 1), maps.heat, strict=True):
        pair = np.concatenate([overlay.enlarge(image), overlay.overlay(image, heat)], axis=1)
        Image.fromarray(pair).save(folder / name)
    columns = ["image_id", "label", "class_label", "fake_probability", "outcome"]
    index = table[columns].assign(file=names, explained=maps.explained, empty=maps.empty, feature_map=maps.place)
    index.to_csv(folder / "maps.csv", index=False)
