"""How well the paper's network tells a generator's fakes from reals, trained on these alone with the recipe of `train`."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cifake_core.detectors.request import TrainSettings
from cifake_core.errors import Refused
from cifake_core.evaluation.quality.reals import Fakes, Reals
from cifake_core.images.image_set import MINIMUM_PER_LABEL, Part, TrainingData
from cifake_core.images.schema import FAKE, REAL
from cifake_core.metrics.intervals import Estimate, share
from cifake_core.progress import Progress, silent

_TEST_SHARE, _VALIDATION_SHARE = 0.25, 0.1


@dataclass(frozen=True)
class Detected:
    accuracy: Estimate  # on as many held-out reals as fakes that were not trained on
    n_train: int  # images of both labels, validation included
    n_test: int
    epochs: int  # that were trained; the best on validation counts


def detected(reals: Reals, fakes: Fakes, settings: TrainSettings, on_progress: Progress = silent) -> Detected:
    """Three quarters of the fakes and as many training reals to learn from, the last quarter and held-out reals to be tested on.

    Raises Refused where there are too few to learn from.
    """
    from cifake_core.detectors import scoring, training

    tested = min(int(len(fakes.pixels) * _TEST_SHARE), len(reals.held_out))
    learned = min(len(fakes.pixels) - tested, len(reals.train))
    held = int(learned * _VALIDATION_SHARE)
    if min(tested, learned - held) < MINIMUM_PER_LABEL:
        raise Refused(
            f"{fakes.name!r} has {len(fakes.pixels)} fakes and {reals.name!r} {len(reals.held_out)} held-out reals, "
            f"too few to train a detector on; give at least {4 * MINIMUM_PER_LABEL} fakes."
        )
    random = np.random.default_rng(settings.seed)
    real_train = reals.train[np.sort(random.permutation(len(reals.train))[:learned])]
    real_test = reals.held_out[np.sort(random.permutation(len(reals.held_out))[:tested])]
    pixels = np.concatenate([real_train, fakes.pixels[tested : tested + learned]])
    labels = np.repeat(np.int8([REAL, FAKE]), learned)
    order = random.permutation(2 * learned)
    data = TrainingData(
        _part("train", pixels, labels, order[2 * held :]), _part("validation", pixels, labels, order[: 2 * held])
    )
    with tempfile.TemporaryDirectory() as folder:
        state = training.fit(data, settings, Path(folder), on_progress)
    device = next(state.network.parameters()).device
    test = np.concatenate([real_test, fakes.pixels[:tested]])
    called = scoring.logits_of(state.network, scoring.on_device(test, device)) >= 0
    hits = int((called == (np.repeat([REAL, FAKE], tested) == FAKE)).sum())
    return Detected(share(hits, 2 * tested), 2 * learned, 2 * tested, len(state.history))


def _part(name: str, pixels: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> Part:
    rows = np.sort(rows)
    nobody = np.full(len(rows), -1, np.int8)
    ids = np.array([str(row) for row in rows], dtype=object)
    return Part(name, pixels, labels[rows], nobody, ids, pd.DataFrame(index=range(len(rows))), rows)
