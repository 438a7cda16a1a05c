"""Every metric on predictions of a real network for real CIFAKE images, against scikit-learn."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.special import expit
from sklearn import metrics as sk

from cifake_core.detectors import runs
from cifake_core.evaluation import evaluating, scored
from cifake_core.metrics import scores
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace

pytestmark = [pytest.mark.data, pytest.mark.slow]
SIZES = {"train": 4000, "test": 3000}


@pytest.fixture(scope="module")
def judged(real_data, tmp_path_factory):
    """A small network trained for one epoch on a few thousand CIFAKE images: not good, so every kind of mistake is there."""
    from cifake_core.detectors.grid import TrainGrid
    from cifake_core.images.importing import ImportImages

    folder = tmp_path_factory.mktemp("some-cifake")
    for split, size in SIZES.items():
        table = pq.read_table(real_data / f"cifake-{split}.parquet")
        rows = np.sort(np.random.default_rng(0).choice(table.num_rows, size, replace=False))
        pq.write_table(table.take(rows), folder / f"cifake-{split}.parquet")
    home = Workspace(folder / "home")
    ImportImages(tuple(str(folder / f"cifake-{split}.parquet") for split in SIZES), "some").run(Context(home))
    TrainGrid("some", ("16x1-64x1",), epochs=1, workers=1).run(Context(home))
    return home, scored.scored(home, runs.runs(home)[0])


def of_scikit_learn(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> dict[str, float]:
    called = (probabilities >= threshold).astype(int)
    return {
        "accuracy": sk.accuracy_score(labels, called),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, called),
        "precision": sk.precision_score(labels, called),
        "recall": sk.recall_score(labels, called),
        "specificity": sk.recall_score(labels, called, pos_label=0),
        "f1": sk.f1_score(labels, called),
        "loss": sk.log_loss(labels, probabilities),
        "auc": sk.roc_auc_score(labels, probabilities),
        "average_precision": sk.average_precision_score(labels, probabilities),
        "brier": sk.brier_score_loss(labels, probabilities),
        "ece": calibration_error(labels, probabilities),
    }


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Bin by bin, as the definition reads: 15 equal bins of the probability of fake."""
    total = 0.0
    for number in range(15):
        inside = [i for i, p in enumerate(probabilities) if min(int(p * 15), 14) == number]
        if inside:
            total += len(inside) / len(labels) * abs(np.mean(labels[inside]) - np.mean(probabilities[inside]))
    return total


def test_the_predictions_are_real_and_hold_every_kind_of_mistake(judged):
    _, one = judged
    counts = one.confusion(0.5)
    assert len(one) == SIZES["test"]
    assert min(counts.tn, counts.fp, counts.fn, counts.tp) > 30
    assert counts.tn + counts.tp > 0.6 * counts.n


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.8])
def test_every_metric_equals_scikit_learn_on_real_predictions(judged, threshold):
    home, one = judged
    expected = of_scikit_learn(one.labels, expit(one.logits), threshold)
    found = evaluating.evaluate(home, one.run, "test", threshold, resamples=20)
    assert {name: estimate.value for name, estimate in found.metrics.items()} == pytest.approx(expected, abs=1e-9)
    assert found.confusion.rows() == sk.confusion_matrix(one.labels, expit(one.logits) >= threshold).tolist()


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.8])
def test_every_metric_of_every_class_equals_scikit_learn_on_real_predictions(judged, threshold):
    home, one = judged
    by_class = evaluating.evaluate(home, one.run, "test", threshold, resamples=2).by_class
    for label in range(10):
        inside = one.class_labels == label
        expected = of_scikit_learn(one.labels[inside], expit(one.logits[inside]), threshold)
        found = scores.evaluate(one.logits[inside], one.labels[inside], threshold, resamples=2)
        assert {name: estimate.value for name, estimate in found.items()} == pytest.approx(expected, abs=1e-9)
        assert by_class[evaluating.class_name(label)].value == pytest.approx(expected["accuracy"])
