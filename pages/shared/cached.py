"""What a server keeps between clicks: a run's scores, its network, its maps. Keys are digests of content, all bounded.

It knows which core call makes each thing; it does not know how a page shows it.
"""

import hashlib

import numpy as np
import streamlit as st

from cifake_core.detectors import runs
from cifake_core.detectors.runs import Run
from cifake_core.evaluation import curves, scored, thresholds
from cifake_core.evaluation.scored import Scored
from cifake_core.images.image_set import ImageSet
from cifake_core.metrics.intervals import Estimate
from cifake_core.store.workspace import Workspace


def scores_of(run: Run, split: str = "test") -> Scored:
    """The run's scores with the images they are of; read once for each content of both."""
    workspace = Workspace.current()
    return _scored(str(workspace.home), run.id, split, predictions_digest(run, split), _set_digest(workspace, run))


def predictions_digest(run: Run, split: str = "test") -> str:
    """SHA-256 of the stored predictions; "" where the run has none of that split."""
    return run.record["sha256"].get(runs.predictions_file(split), "")


def _set_digest(workspace: Workspace, run: Run) -> str:
    return ImageSet.open(workspace, run.dataset).digest


@st.cache_resource(max_entries=6, show_spinner="Reading the network's scores …")
def _scored(home: str, run_id: str, split: str, digest: str, set_digest: str) -> Scored:
    workspace = Workspace.current()
    return scored.scored(workspace, runs.open_run(workspace, run_id), split)


def thresholds_of(run: Run) -> tuple[thresholds.Threshold, ...]:
    """The named thresholds of a run, chosen on its validation images; the oracle on its test images."""
    workspace = Workspace.current()
    digests = (predictions_digest(run, "validation"), predictions_digest(run), _set_digest(workspace, run))
    return _thresholds(str(workspace.home), run.id, digests)


@st.cache_resource(max_entries=50, show_spinner=False)
def _thresholds(home: str, run_id: str, digests: tuple[str, ...]) -> tuple[thresholds.Threshold, ...]:
    workspace = Workspace.current()
    run = runs.open_run(workspace, run_id)
    validation, test = scored.scored(workspace, run, "validation"), scores_of(run)
    return thresholds.choices((validation.probabilities, validation.labels), (test.probabilities, test.labels))


def ranking_of(scores: Scored) -> dict[str, Estimate]:
    """The metrics that do not depend on the threshold, with bootstrap intervals: seconds the first time, then at once."""
    return _ranking(scores.run.id, predictions_digest(scores.run, scores.split), scores)


@st.cache_data(max_entries=200, show_spinner="Computing intervals (once a network) …")
def _ranking(run_id: str, digest: str, _scores: Scored) -> dict[str, Estimate]:
    from cifake_core.metrics import scores

    found = scores.evaluate(_scores.logits, _scores.labels)
    return {name: found[name] for name in ("auc", "average_precision", "loss", "brier", "ece")}


def curves_of(scores: Scored) -> dict:
    """The curves that do not depend on the threshold: roc, precision_recall, histogram, reliability (DataFrames)."""
    return _curves(scores.run.id, predictions_digest(scores.run, scores.split), scores)


@st.cache_resource(max_entries=20, show_spinner=False)
def _curves(run_id: str, digest: str, _scores: Scored) -> dict:
    made = (curves.roc, curves.precision_recall, curves.histogram, curves.reliability)
    return {make.__name__: make(_scores.probabilities, _scores.labels) for make in made}


def detector_of(run: Run):
    """The run's network, shared by all users of this server; it carries its own lock."""
    return _detector(str(Workspace.current().home), run.id, run.record["sha256"]["weights.safetensors"])


@st.cache_resource(max_entries=4, show_spinner="Loading the network …")
def _detector(home: str, run_id: str, digest: str):
    from cifake_core.detectors import loading

    return loading.load(runs.open_run(Workspace.current(), run_id))


def maps_of(scores: Scored, rows: np.ndarray, layer: str, target: str):
    """Grad-CAM (`cam.Maps`) of the images at those rows, in that order."""
    return _maps(*_explained(scores, rows), layer, target, scores, rows)


@st.cache_data(max_entries=100, show_spinner=False)
def _maps(run_id: str, weights: str, images: str, layer: str, target: str, _scores: Scored, _rows: np.ndarray):
    from cifake_core.explanations import cam

    return cam.grad_cam(detector_of(_scores.run), np.ascontiguousarray(_scores.pixels[_rows]), layer, target)


def mean_maps_of(scores: Scored, groups: dict[str, np.ndarray], layer: str, target: str) -> dict:
    """Mean map of each group of rows (`averages.MeanMap`)."""
    every = np.concatenate(list(groups.values())) if groups else np.empty(0, int)
    sizes = tuple((name, len(rows)) for name, rows in groups.items())
    return _mean_maps(*_explained(scores, every), layer, target, sizes, scores, groups)


@st.cache_data(max_entries=50, show_spinner="Averaging maps …")
def _mean_maps(
    run_id: str, weights: str, images: str, layer: str, target: str, sizes: tuple, _scores: Scored, _groups: dict
):
    from cifake_core.explanations import averages

    return averages.mean_maps(detector_of(_scores.run), _scores.pixels, _groups, layer, target)


def _explained(scores: Scored, rows: np.ndarray) -> tuple[str, str, str]:
    """What a map depends on besides its settings: run, weights, images (all ids, not a sample of them)."""
    images = hashlib.sha256("".join(scores.image_ids[rows]).encode()).hexdigest()
    return scores.run.id, scores.run.record["sha256"]["weights.safetensors"], images
