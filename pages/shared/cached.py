"""What a server keeps between clicks: a run's scores, its network, its maps. Keys are digests of content, all bounded.

It knows which core call makes each thing; it does not know how a page shows it.
"""

import hashlib

import numpy as np
import streamlit as st

from cifake_core.detectors import places, runs
from cifake_core.detectors.runs import Run
from cifake_core.evaluation import calibrating, curves, evaluating, scored, thresholds
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
    test = scores_of(run)
    validation = evaluating.predictions(workspace, run, "validation")  # without its pixels
    chosen = validation["fake_probability"].to_numpy(), validation["label"].to_numpy()
    half = calibrating.calibrator(workspace, run).threshold
    return thresholds.choices(chosen, (test.probabilities, test.labels), half)


def ranking_of(scores: Scored) -> dict[str, Estimate]:
    """The metrics that do not depend on the threshold, with bootstrap intervals: seconds the first time, then at once."""
    return _ranking(scores.run.id, predictions_digest(scores.run, scores.split), scores)


@st.cache_data(max_entries=200, show_spinner="Computing intervals (once a network) …")
def _ranking(run_id: str, digest: str, _scores: Scored) -> dict[str, Estimate]:
    from cifake_core.metrics import scores

    found = scores.threshold_free(_scores.logits, _scores.labels)
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


def layers_of(run: Run) -> list[str]:
    """The names of the run's convolutions, first to last."""
    from cifake_core.detectors.networks import convolution_names

    return convolution_names(detector_of(run).network)


def has_relu(run: Run) -> bool:
    """Whether its layers are followed by ReLUs, so that feature maps after and before them differ."""
    return places.has_relu(run.topology)


def kept_of(scores: Scored, asked):
    """The maps of the whole part for a `viewing.Question` if they were computed before, else None: a look at one file."""
    from cifake_core.explanations import viewing

    return viewing.kept_of(Workspace.current(), scores.run, scores.split, asked, layers_of(scores.run))


def maps_of(scores: Scored, rows: np.ndarray, asked):
    """Maps (`cam.Maps`) of the images at those rows, in that order, for a `viewing.Question`."""
    kept = kept_of(scores, asked)
    return kept.maps(rows) if kept is not None else _maps(*_explained(scores, rows), asked, scores, rows)


@st.cache_data(max_entries=100, show_spinner="Computing the maps of this page …")
def _maps(run_id: str, weights: str, images: str, asked, _scores: Scored, _rows: np.ndarray):
    from cifake_core.explanations import viewing

    return viewing.maps_of(None, detector_of(_scores.run), _scores.pixels, _rows, asked)


def curves_of_map(scores: Scored, row: int, asked):
    """Deletion and insertion (`one_image.Curves`) of one image's map."""
    return _curves_of_map(*_explained(scores, np.array([row])), asked, scores, row)


@st.cache_data(max_entries=500, show_spinner=False)
def _curves_of_map(run_id: str, weights: str, images: str, asked, _scores: Scored, _row: int):
    from cifake_core.explanations import one_image

    maps = maps_of(_scores, np.array([_row]), asked)
    return one_image.curves(detector_of(_scores.run), np.asarray(_scores.pixels[_row]), maps)


def sheet_of(scores: Scored, row: int, methods: tuple[str, ...], layers: tuple[str, ...], target: str, place: str) -> list:
    """Every method at every layer for one image (`one_image.Cell`); `place`: of the feature maps."""
    return _sheet(*_explained(scores, np.array([row])), methods, layers, target, place, scores, row)


@st.cache_data(max_entries=100, show_spinner="Computing the sheet …")
def _sheet(
    run_id: str, weights: str, images: str, methods: tuple, layers: tuple, target: str, place: str, _scores: Scored, _row: int
):
    from cifake_core.explanations import one_image

    return one_image.sheet(detector_of(_scores.run), np.asarray(_scores.pixels[_row]), methods, layers, target, place=place)


def mean_maps_of(scores: Scored, groups: dict[str, np.ndarray], asked) -> dict:
    """Mean map of each group of rows (`averages.MeanMap`): over all of them where the maps are kept, else over a sample."""
    every = np.concatenate(list(groups.values())) if groups else np.empty(0, int)
    sizes = tuple((name, len(rows)) for name, rows in groups.items())
    whole = kept_of(scores, asked) is not None
    return _mean_maps(*_explained(scores, every), asked, whole, sizes, scores, groups)


@st.cache_data(max_entries=50, show_spinner="Averaging maps …")
def _mean_maps(run_id: str, weights: str, images: str, asked, whole: bool, sizes: tuple, _scores: Scored, _groups: dict):
    from cifake_core.explanations import averages, viewing

    if whole:
        return averages.mean_of_kept(kept_of(_scores, asked), _groups)
    detector = detector_of(_scores.run)
    return averages.mean_of_sample(lambda rows: viewing.maps_of(None, detector, _scores.pixels, rows, asked), _groups)


def rim_of(scores: Scored, asked):
    """How much of the maps' relevance lies at the rim (`rim.Rim`), over a sample of all images."""
    from cifake_core.explanations import rim

    rows = rim.sampled(scores.labels, asked.method)
    return _rim(*_explained(scores, rows), asked, scores, rows)


@st.cache_data(max_entries=100, show_spinner="Measuring the rim …")
def _rim(run_id: str, weights: str, images: str, asked, _scores: Scored, _rows: np.ndarray):
    from cifake_core.explanations import rim

    return rim.measured(lambda question: maps_of(_scores, _rows, question), asked, _scores.labels[_rows])


def _explained(scores: Scored, rows: np.ndarray) -> tuple[str, str, str]:
    """What a map depends on besides its settings: run, weights, images (all ids, not a sample of them)."""
    images = hashlib.sha256("".join(scores.image_ids[rows]).encode()).hexdigest()
    return scores.run.id, scores.run.record["sha256"]["weights.safetensors"], images
