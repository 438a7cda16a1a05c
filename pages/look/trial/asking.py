"""What Try an image asks of the core, each answer kept for a while under digests of everything it depends on."""

import hashlib
from dataclasses import dataclass

import numpy as np
import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.metrics.calibration import Calibrator
from cifake_core.progress import Progress, silent
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


def predictor_of(run: Run):
    """The run ready to judge (`predictor.Predictor`). What a run of an earlier version lacks is fitted first, with a bar."""
    from cifake_core.detectors.ood import storing

    workspace = Workspace.current()
    if storing.needs_fitting(workspace, run):
        bar = st.progress(0.0, "Fitting the out-of-distribution check, once a run …")
        found = _new_predictor(run, lambda done, total, message: bar.progress(min(done / max(total, 1), 1.0), f"{message} (once a run) …"))
        bar.empty()
        if storing.needs_fitting(workspace, run):  # it could not be stored: the dataset is gone or another one
            return found
    return _predictor(*_identity(run), _run=run)


def _identity(run: Run) -> tuple[str, ...]:
    """Digests of all a predictor rests on: the weights and validation predictions of every seed."""
    from cifake_core.explanations import seeds

    same = seeds.same_cell(Workspace.current(), run)
    return run.id, ";".join(f"{one.id} {one.record['sha256']['weights.safetensors']} {cached.predictions_digest(one, 'validation')}" for one in same)


@st.cache_resource(max_entries=6, show_spinner=False)
def _predictor(run_id: str, seeds_digest: str, *, _run: Run):
    return _new_predictor(_run, silent)


def _new_predictor(run: Run, on_progress: Progress):
    from cifake_core.explanations.predictor import Predictor

    return Predictor.of(Workspace.current(), run, load=cached.detector_of, on_progress=on_progress)


def tried(asked: Question, name: str, data: bytes):
    """The core's answer (`trying.Tried`) to one file."""
    predictor = predictor_of(asked.run)
    key = (*_identity(asked.run), predictor.unchecked, asked.jpeg, asked.method, asked.layer, asked.target)
    return _tried(hashlib.sha256(data).hexdigest(), name, *key, _predictor=predictor, _data=data)


@st.cache_data(max_entries=120, show_spinner="Looking …")
def _tried(image: str, name: str, run_id: str, seeds_digest: str, unchecked: str | None, jpeg: bool, method: str, layer: str, target: str, *, _predictor, _data: bytes):
    from cifake_core.explanations import trying

    return trying.try_image(_predictor, _data, name=name, jpeg=jpeg, method=method, layer=layer, target=target)


def nearest_of(run: Run, seen: np.ndarray):
    """Training images like those pixels (`features.Nearest`); None until the run was indexed."""
    from cifake_core.explanations import features

    index = features.stored(Workspace.current(), run)
    if index is None:
        return None
    pixels = np.ascontiguousarray(seen.transpose(2, 0, 1))
    return index.nearest(features.features_of(cached.detector_of(run), pixels[None])[0])
