"""Thresholds, curves, selections, comparisons and exports: small cases by hand, then scikit-learn, then properties."""

import csv
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import logit
from sklearn import metrics as sk

from cifake_core.detectors import runs
from cifake_core.errors import BadInput
from cifake_core.evaluation import comparing, curves, exporting, reference, scored, selecting, thresholds
from cifake_core.evaluation.scored import Scored
from cifake_core.evaluation.selecting import Selection
from cifake_core.images.image_set import ImageSet

# Six images. At 0.5: TP, FN, TP | FP, TN, TN.
PROBABILITIES = np.array([0.9, 0.3, 0.62, 0.8, 0.4, 0.05])
LABELS = np.array([1, 1, 1, 0, 0, 0], dtype=np.int8)
CLASSES = np.array([0, 3, 3, 3, 0, -1], dtype=np.int8)


def six(probabilities=PROBABILITIES, paths=None) -> Scored:
    n = len(LABELS)
    manifest = pd.DataFrame(
        {"generator": ["a", "a", "b", None, "", ""], "path": paths or [f"{i}.png" for i in range(n)], "prompt": "", "seed": 0}
    )
    pixels = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1).repeat(3, 1).repeat(32, 2).repeat(32, 3)
    ids = np.array([f"{i:064x}" for i in range(n)], dtype=object)
    doubles = np.array([True, False, False, False, False, False])
    run = runs.Run("a-run", None, {})
    return Scored(run, "test", logit(probabilities), LABELS, CLASSES, ids, doubles, manifest, pixels)


def picked(selection: Selection, threshold=0.5) -> list[int]:
    return selecting.rows(six(), selection, threshold).tolist()


def test_outcomes_and_counts_are_those_counted_by_hand():
    assert six().outcomes(0.5).tolist() == ["TP", "FN", "TP", "FP", "TN", "TN"]
    assert six().confusion(0.5).rows() == [[2, 1], [1, 2]]
    assert six().confusion(0.35).rows() == [[1, 2], [1, 2]]
    assert six().confusion(0.5, CLASSES == 3).rows() == [[0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("cell", "rows"),
    [
        ("TP", {0, 2}), ("FN", {1}), ("FP", {3}), ("TN", {4, 5}), ("real", {3, 4, 5}), ("fake", {0, 1, 2}),
        ("called real", {1, 4, 5}), ("called fake", {0, 2, 3}), ("all", set(range(6))), ("wrong", {1, 3}), ("right", {0, 2, 4, 5}),
    ],
)  # fmt: skip
def test_a_cell_a_row_and_a_column_hold_exactly_their_images(cell, rows):
    assert set(picked(Selection(cell))) == rows
    assert len(picked(Selection(cell))) == len(rows)


def test_the_most_confidently_wrong_image_comes_first_and_the_order_follows_the_threshold():
    assert picked(Selection()) == [3, 1, 4, 2, 0, 5]  # the .8 real is further out than the .3 fake
    assert picked(Selection(sort="least sure"))[:2] == [4, 2]
    assert picked(Selection(sort="surest"))[:2] == [5, 0]
    assert picked(Selection("wrong", sort="stored order"), 0.85) == [1, 2]
    assert picked(Selection(sort="least sure"), 0.79)[0] == 3


def test_filters_add_up():
    assert picked(Selection(class_label=3, sort="stored order")) == [1, 2, 3]
    assert picked(Selection(class_label=-1)) == [5]
    assert picked(Selection(generator="a", doubles="without doubles")) == [1]
    assert picked(Selection(doubles="only doubles")) == [0]
    assert picked(Selection(low=0.4, high=0.8, sort="stored order")) == [2, 3, 4]


def test_a_selection_that_does_not_exist_is_refused():
    for wrong in ({"cell": "XY"}, {"sort": "colour"}, {"doubles": "maybe"}):
        with pytest.raises(BadInput, match="There is no"):
            Selection(**wrong)


def test_the_most_accurate_threshold_is_the_one_found_by_hand_nearest_to_one_half():
    # right verdicts: 4 up to .3, 3 up to .4, 4 up to .62 (this holds 0.5), 3 up to .8, 4 up to .9
    assert thresholds.most_accurate(PROBABILITIES, LABELS) == 0.5
    assert thresholds.most_accurate(np.array([0.2, 0.3, 0.1]), np.array([1, 1, 0])) == 0.2
    assert thresholds.most_accurate(np.array([0.9, 0.8, 0.7]), np.array([1, 1, 0])) == 0.701


def test_no_threshold_beats_the_most_accurate_one():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 500)
    p = np.clip(random.normal(0.35 + 0.3 * labels, 0.2), 0.001, 0.999)
    best = thresholds.most_accurate(p, labels)
    accuracies = [((p >= t) == labels).mean() for t in thresholds.STEPS]
    assert ((p >= best) == labels).mean() == max(accuracies)


def test_the_fixed_rate_threshold_accuses_no_more_reals_than_allowed_and_one_step_lower_would():
    reals = np.linspace(0.01, 0.99, 200)
    p, labels = np.append(reals, [0.5]), np.append(np.zeros(200), 1).astype(int)
    found = thresholds.lowest_with_rate(p, labels, 0.05)
    assert (reals >= found).mean() <= 0.05
    assert (reals >= found - 0.001).mean() > 0.05


def test_thresholds_are_chosen_on_validation_and_only_the_oracle_on_the_test_images():
    validation = (np.array([0.9, 0.7, 0.65, 0.1]), np.array([1, 1, 0, 0]))  # most accurate: above 0.65
    test = (np.array([0.9, 0.85, 0.8, 0.1]), np.array([1, 1, 0, 0]))  # above 0.8
    offered = {choice.name: choice for choice in thresholds.choices(validation, test)}
    assert offered["0.5"].value == 0.5
    assert offered["Most accurate"].value == 0.651
    assert offered["False alarms ≤ 5%"].value == 0.651
    assert offered["Oracle"].value == 0.801
    assert [name for name, choice in offered.items() if choice.oracle] == ["Oracle"]


def test_thresholds_reach_from_a_thousandth_to_all_but_one():
    nothing, everything = np.zeros(4), np.ones(4)
    assert thresholds.lowest_with_rate(nothing, np.zeros(4, int)) == 0.001
    assert thresholds.lowest_with_rate(everything, np.zeros(4, int)) == 0.999  # none keeps the rate
    assert thresholds.most_accurate(np.array([0.001, 0.0005]), np.array([1, 0])) == 0.001
    assert thresholds.most_accurate(np.array([0.999, 0.9985]), np.array([1, 0])) == 0.999


def test_the_fixed_rate_is_a_share_of_the_reals_alone():
    reals = np.arange(100) / 100  # five of them lie at 0.95 or above
    fakes = np.full(300, 0.5)
    found = thresholds.lowest_with_rate(np.r_[reals, fakes], np.repeat([0, 1], [100, 300]))
    assert found == 0.941
    offered = thresholds.choices((np.r_[reals, 1.0], np.repeat([0, 1], [100, 1])), (PROBABILITIES, LABELS))
    assert next(choice for choice in offered if "False alarms" in choice.name).value == 0.941


def test_the_curves_have_the_area_scikit_learn_finds():
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 4000)
    p = np.clip(random.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    roc = curves.roc(p, labels)
    assert len(roc) <= curves.POINTS
    assert sk.auc(roc["false_positive_rate"], roc["true_positive_rate"]) == pytest.approx(sk.roc_auc_score(labels, p), abs=1e-3)
    assert roc.iloc[0].tolist() == [0, 0]
    assert roc.iloc[-1].tolist() == [1, 1]
    pr = curves.precision_recall(p, labels)
    assert pr["recall"].is_monotonic_increasing
    assert sk.auc(pr["recall"], pr["precision"]) == pytest.approx(sk.average_precision_score(labels, p), abs=5e-3)
    assert len(curves.roc(p, np.ones(4000))) == 0


def test_the_histogram_counts_every_image_once():
    bins = curves.histogram(PROBABILITIES, LABELS, bins=2)
    assert bins["real"].tolist() == [2, 1]
    assert bins["fake"].tolist() == [1, 2]


def test_reliability_bins_hold_the_shares_counted_by_hand():
    found = curves.reliability(np.array([0.1, 0.2, 0.9, 0.8]), np.array([0, 1, 1, 1]), bins=2)
    assert found["share"].tolist() == [0.5, 1.0]
    assert found["mean_probability"].tolist() == pytest.approx([0.15, 0.85])
    assert found["n"].tolist() == [2, 2]


def test_a_band_leaves_out_the_unsure_images_and_judges_the_others():
    table = curves.coverage(PROBABILITIES, LABELS).set_index("band")
    assert table.loc[0.0, "coverage"] == 1
    assert table.loc[0.0, "accuracy"] == pytest.approx(4 / 6)
    assert table.loc[0.25, "coverage"] == pytest.approx(3 / 6)  # .9, .8 and .05 are left
    assert table.loc[0.25, "accuracy"] == pytest.approx(2 / 3)
    assert np.isnan(table.loc[0.45, "accuracy"]) or table.loc[0.45, "coverage"] > 0


def test_mcnemar_s_exact_p_value_is_the_binomial_one():
    assert comparing.mcnemar(0, 0) == 1
    assert comparing.mcnemar(5, 5) == 1
    assert comparing.mcnemar(0, 5) == pytest.approx(2 / 32)
    assert comparing.mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 64)


def test_two_runs_are_compared_image_by_image():
    other = six(np.array([0.9, 0.7, 0.6, 0.2, 0.6, 0.1]))  # mends images 1 and 3, breaks 4
    found = comparing.compare(six(), other)
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong) == (3, 1, 2, 0)
    assert found.rows.tolist() == [1, 3, 4]
    assert found.difference.value == pytest.approx(-1 / 6)
    assert found.difference.low < found.difference.value < found.difference.high


def test_runs_of_different_images_are_not_compared():
    other = six()
    other.image_ids[0] = "another"
    with pytest.raises(BadInput, match="different images"):
        comparing.compare(six(), other)


def test_a_formula_in_a_path_is_made_inert_and_negative_numbers_stay_numbers():
    paths = ["=HYPERLINK(1)", "+1", "-1", "@a", "\tx", "plain, \"quoted\""]
    text = exporting.csv(exporting.table(six(paths=paths), np.arange(6), 0.5)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["path"] for row in rows] == ["'=HYPERLINK(1)", "'+1", "'-1", "'@a", "'\tx", "plain, \"quoted\""]
    assert float(rows[1]["logit"]) == pytest.approx(logit(0.3))
    assert [row["outcome"] for row in rows] == ["TP", "FN", "TP", "FP", "TN", "TN"]
    assert rows[1]["class"] == "cat"


def test_an_archive_holds_the_pixels_of_the_selection_in_its_order():
    packed = zipfile.ZipFile(io.BytesIO(exporting.archive(six(), np.array([3, 1]), 0.5)))
    assert packed.namelist() == ["00001-FP-cat-000000000000.png", "00002-FN-cat-000000000000.png", "index.csv"]
    first = np.asarray(Image.open(io.BytesIO(packed.read("00001-FP-cat-000000000000.png"))))
    assert first.shape == (32, 32, 3)
    assert (first == 3).all()
    assert exporting.archive(six(), np.array([3, 1]), 0.5) == exporting.archive(six(), np.array([3, 1]), 0.5)


def test_too_many_images_for_one_archive_are_refused():
    with pytest.raises(BadInput, match="too many"):
        exporting.archive(six(), np.zeros(exporting.MAX_IMAGES + 1, int), 0.5)


def test_the_scores_of_a_run_are_those_of_its_test_images(lab):
    run = runs.runs(lab)[0]
    found = scored.scored(lab, run)
    part = ImageSet.open(lab, "tiny").part("test")
    assert found.image_ids.tolist() == list(part.image_ids)
    np.testing.assert_array_equal(found.pixels, part.pixels)
    counts = found.confusion(0.5)
    assert (counts.tn + counts.tp) / counts.n == pytest.approx(run.record["test"]["accuracy"])
    assert not found.doubles.any()
    assert scored.scored(lab, run, "validation").split == "validation"


def test_the_paper_s_figure_is_shown_for_its_own_images_only(lab):
    tiny = ImageSet.open(lab, "tiny")
    assert reference.paper_accuracy(tiny) is None
    record = {
        "counts": {"train": {"real": 50_000, "fake": 50_000}, "test": {"real": 10_000, "fake": 10_000}},
        "duplicates": {"train-train": 920, "train-test": 378, "test-test": 38},
    }
    assert reference.paper_accuracy(ImageSet(tiny.folder, record)) == 0.9298
