"""What a server keeps between clicks for the Metrics page alone. Keys are digests of content, all bounded."""

import numpy as np
import pandas as pd
import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.evaluation import calibrating, comparing, curves, deduplicated, many
from cifake_core.evaluation.scored import Scored
from cifake_core.metrics.calibration import Calibrator
from cifake_core.metrics.intervals import Estimate
from cifake_core.store.workspace import Workspace
from pages.shared import cached


def coverage_of(scores: Scored, threshold: float) -> pd.DataFrame:
    """Accuracy against coverage for every half-width of the unsure band."""
    return _coverage(scores.run.id, cached.predictions_digest(scores.run, scores.split), threshold, scores)


@st.cache_resource(max_entries=200, show_spinner=False)
def _coverage(run_id: str, digest: str, threshold: float, _scores: Scored) -> pd.DataFrame:
    return curves.coverage(_scores.probabilities, _scores.labels, threshold)


def calibration_of(run: Run) -> calibrating.Calibration:
    """The run's calibrators, fitted on validation, and what they do on test."""
    return _calibration(run.id, cached.predictions_digest(run, "validation"), cached.predictions_digest(run), run)


@st.cache_resource(max_entries=50, show_spinner="Fitting calibrators …")
def _calibration(run_id: str, validation: str, test: str, _run: Run) -> calibrating.Calibration:
    return calibrating.calibration(Workspace.current(), _run)


def without_duplicates_of(scores: Scored, threshold: float) -> deduplicated.Deduplicated:
    """The run judged with and without the test images that also lie in train."""
    return _without(scores.run.id, cached.predictions_digest(scores.run), threshold, scores)


@st.cache_resource(max_entries=100, show_spinner="Judging it again …")
def _without(run_id: str, digest: str, threshold: float, _scores: Scored) -> deduplicated.Deduplicated:
    return deduplicated.without_duplicates(Workspace.current(), _scores.run, threshold)


def paired_of(first: Scored, second: Scored, threshold: float) -> dict[str, Estimate]:
    """Differences of two runs with paired intervals (`comparing.paired_differences`)."""
    digests = tuple(cached.predictions_digest(s.run, s.split) for s in (first, second))
    return _paired((first.run.id, second.run.id), digests, threshold, first, second)


@st.cache_resource(max_entries=100, show_spinner="Drawing images again and again …")
def _paired(ids: tuple, digests: tuple, threshold: float, _first: Scored, _second: Scored) -> dict[str, Estimate]:
    return comparing.paired_differences(_first, _second, threshold)


def all_of(scores: Scored) -> many.Many:
    """What every run of this image set says of the same images."""
    found = many.comparable(Workspace.current(), scores)
    asked = tuple((run.id, cached.predictions_digest(run, scores.split)) for run in found)
    return _all(asked, scores.run.record["dataset_digest"], scores.split, found, scores)


@st.cache_resource(max_entries=4, show_spinner="Reading what every network says …")
def _all(asked: tuple, dataset_digest: str, split: str, _runs: list[Run], _scores: Scored) -> many.Many:
    return many.read(_runs, _scores)


def neighbours_of(scores: Scored, row: int):
    """The images of this part most like one (`alike.Alike`), by colours and layout."""
    return _index(scores.run.record["dataset_digest"], scores.split, scores).nearest(row)


@st.cache_resource(max_entries=4, show_spinner=False)
def _index(dataset_digest: str, split: str, _scores: Scored):
    from cifake_core.evaluation import alike

    return alike.index(np.asarray(_scores.pixels), _scores.labels)


def reliability_of(scores: Scored, calibrator: Calibrator) -> pd.DataFrame:
    """The reliability diagram of the calibrated probabilities."""
    return _reliability(scores.run.id, cached.predictions_digest(scores.run, scores.split), calibrator, scores)


@st.cache_resource(max_entries=50, show_spinner=False)
def _reliability(run_id: str, digest: str, calibrator: Calibrator, _scores: Scored) -> pd.DataFrame:
    return curves.reliability(calibrator.probability(_scores.logits), _scores.labels)
