"""What Try an image asks of the core, each answer kept for a while under digests of everything it depends on."""

import hashlib
from dataclasses import dataclass

import numpy as np
import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.metrics.calibration import Calibrator
from cifake_core.store.workspace import Workspace
from pages.shared import cached

TARGETS = {"the verdict it gave": "verdict", "why it might be fake": "fake", "why it might be real": "real"}


@dataclass(frozen=True)
class Question:
    """How an image is judged and mapped."""

    run: Run
    jpeg: bool  # through CIFAKE's JPEG path first
    method: str
    layer: str | None
    target: str
    calibrator: Calibrator  # what makes a probability of the logit

    @property
    def weights(self) -> str:
        return self.run.record["sha256"]["weights.safetensors"]


def question(run: Run, jpeg: bool) -> Question:
    """The row of map controls; every choice is part of the link."""
    from cifake_core.detectors.networks import convolution_names
    from cifake_core.explanations import methods

    titles = {methods.title(name): name for name in methods.names()}
    layers = convolution_names(cached.detector_of(run).network)
    names = {f"convolution {n} of {len(layers)}": layer for n, layer in enumerate(layers, 1)}
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    method = titles[
        left.selectbox("Map by", list(titles), key="try_method", bind="query-params", help="How the map is made.")
    ]
    layer = middle.selectbox(
        "Layer", list(names), len(names) - 1, key="try_layer", bind="query-params", disabled=not methods.uses_layers(method),
        help="Early layers see fine texture at full detail, late ones larger patterns on a coarser grid.",
    )  # fmt: skip
    target = right.selectbox("The map answers", list(TARGETS), key="try_target", bind="query-params")
    return Question(run, jpeg, method, names[layer], TARGETS[target], calibrator_of(run))


def calibrator_of(run: Run) -> Calibrator:
    """The run's calibrator, fitted and chosen on its validation images."""
    return _calibrator(run.id, cached.predictions_digest(run, "validation"))


@st.cache_data(max_entries=200, show_spinner=False)
def _calibrator(run_id: str, digest: str) -> Calibrator:
    from cifake_core.detectors import runs
    from cifake_core.evaluation import calibrating

    workspace = Workspace.current()
    return calibrating.calibrator(workspace, runs.open_run(workspace, run_id))


def tried(asked: Question, name: str, data: bytes):
    """The core's answer (`trying.Tried`) to one file."""
    key = (asked.run.id, asked.weights, asked.jpeg, asked.method, asked.layer, asked.target, asked.calibrator)
    return _tried(hashlib.sha256(data).hexdigest(), name, *key, _run=asked.run, _data=data)


@st.cache_data(max_entries=120, show_spinner="Looking …")
def _tried(
    image: str,
    name: str,
    run_id: str,
    weights: str,
    jpeg: bool,
    method: str,
    layer: str,
    target: str,
    calibrator: Calibrator,
    *,
    _run: Run,
    _data: bytes,
):
    from cifake_core.explanations import trying

    return trying.try_image(
        cached.detector_of(_run), _data, name=name, jpeg=jpeg, method=method, layer=layer, target=target,
        calibrator=calibrator,
    )  # fmt: skip


def spread_of(asked: Question, seen: np.ndarray):
    """What the other seeds of the same cell say of those pixels uint8 (32, 32, 3) (`seeds.Spread`), and their runs."""
    from cifake_core.explanations import seeds

    same = seeds.same_cell(Workspace.current(), asked.run)
    logits = [
        _logit(run.id, run.record["sha256"]["weights.safetensors"], seen.tobytes(), _run=run, _seen=seen)
        for run in same
    ]
    calibrated = [float(calibrator_of(run).logit(logit)) for run, logit in zip(same, logits, strict=True)]
    return seeds.spread(np.array(calibrated)), same


@st.cache_data(max_entries=2000, show_spinner=False)
def _logit(run_id: str, weights: str, pixels: bytes, *, _run: Run, _seen: np.ndarray) -> float:
    from cifake_core.detectors.scoring import logits_of, on_device

    detector = cached.detector_of(_run)
    with detector.lock:
        images = on_device(np.ascontiguousarray(_seen.transpose(2, 0, 1))[None], detector.device)
        return float(logits_of(detector.network, images)[0])


def nearest_of(run: Run, seen: np.ndarray):
    """Training images like those pixels (`features.Nearest`); None until the run was indexed."""
    from cifake_core.explanations import features

    index = features.stored(Workspace.current(), run)
    if index is None:
        return None
    pixels = np.ascontiguousarray(seen.transpose(2, 0, 1))
    return index.nearest(features.features_of(cached.detector_of(run), pixels[None])[0], pixels=pixels)
