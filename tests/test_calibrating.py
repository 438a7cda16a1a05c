"""Temperature, and a run judged without the test images it has seen: by hand, by another optimiser, by what must hold."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from cifake_core.errors import BadInput, Refused
from cifake_core.evaluation import calibrating, deduplicated
from cifake_core.metrics import scores


def sure(n=4000, scale=3.0, seed=0):
    """Logits that are `scale` times what they should be."""
    random = np.random.default_rng(seed)
    honest = random.normal(0, 2, n)
    return scale * honest, (random.random(n) < expit(honest)).astype(int)


def test_the_temperature_of_two_scores_can_be_worked_out():
    # four images at logit ±2, three of them right: the best probability is 3/4, whose logit is log 3
    logits, labels = np.array([2.0, 2, 2, 2]), np.array([1, 1, 1, 0])
    assert calibrating.temperature(logits, labels) == pytest.approx(2 / np.log(3), rel=1e-4)
    assert logit(0.75) == pytest.approx(np.log(3))


def test_the_temperature_is_one_over_a_logistic_regressions_only_weight():
    logits, labels = sure()
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(logits[:, None], labels)
    assert calibrating.temperature(logits, labels) == pytest.approx(1 / model.coef_[0, 0], rel=1e-3)


def test_logits_too_sure_by_three_get_a_temperature_near_three_and_a_smaller_error():
    logits, labels = sure()
    found = calibrating.temperature(logits, labels)
    assert found == pytest.approx(3.0, abs=0.3)
    other, truth = sure(seed=1)
    before, after = (scores.expected_calibration_error(expit(z), truth) for z in (other, other / found))
    assert after < before / 2


def test_it_never_changes_a_verdict_or_the_ranking():
    logits, labels = sure(200)
    mended = logits / calibrating.temperature(logits, labels)
    assert (scores.verdicts(mended) == scores.verdicts(logits)).all()
    assert (np.argsort(mended) == np.argsort(logits)).all()


def test_no_scores_are_refused_in_one_sentence():
    with pytest.raises(BadInput, match="at least one"):
        calibrating.temperature(np.array([]), np.array([]))


def test_a_run_is_judged_with_and_without_the_images_it_has_seen():
    # six images, right right wrong | right right wrong; the first two have been seen
    logits, labels = np.array([3.0, 2, -1, -2, -3, 1]), np.array([1, 1, 1, 0, 0, 0])
    seen = np.array([True, True, False, False, False, False])
    found = deduplicated.judged_twice(logits, labels, seen, resamples=20)
    assert found.everything["accuracy"].value == pytest.approx(4 / 6)
    assert found.unseen["accuracy"].value == pytest.approx(2 / 4)
    assert found.accuracy_seen.value == 1.0
    assert found.change == pytest.approx(-1 / 6)
    assert (found.n, found.n_seen, found.as_dict()["n_unseen"]) == (6, 2, 4)
    assert "2 test images that also lie in train" in found.meaning
    assert "-16.67 points" in found.meaning


def test_without_duplicates_both_figures_are_the_same():
    logits, labels = sure(100)
    found = deduplicated.judged_twice(logits, labels, np.zeros(100, bool), resamples=20)
    assert found.unseen == found.everything
    assert found.change == 0
    assert "both figures are the same" in found.meaning


def test_a_test_split_that_lies_in_train_entirely_is_refused():
    with pytest.raises(Refused, match="nothing is left"):
        deduplicated.judged_twice(np.zeros(3), np.array([0, 1, 1]), np.ones(3, bool))


def test_a_stored_run_is_judged_without_what_was_put_into_train(lab, monkeypatch):
    from cifake_core.detectors import runs
    from cifake_core.images.image_set import ImageSet

    run = runs.runs(lab)[0]
    plain = deduplicated.without_duplicates(lab, run, resamples=20)
    assert (plain.n, plain.n_seen) == (200, 0)
    manifest, test = ImageSet.manifest, ImageSet.open(lab, "tiny").manifest("test")
    put_in = pd.DataFrame({"image_id": test["image_id"][:7]})
    monkeypatch.setattr(ImageSet, "manifest", lambda found, split: manifest(found, split) if split == "test" else put_in)
    found = deduplicated.without_duplicates(lab, run, resamples=20)
    assert found.n_seen == 7
    assert found.everything["accuracy"] == plain.everything["accuracy"]


def test_calibration_of_a_stored_run_is_fitted_on_validation_and_judged_on_test(lab):
    from cifake_core.detectors import runs

    run = runs.runs(lab)[0]
    found = calibrating.calibration(lab, run, resamples=20)
    validation = run.predictions("validation")
    assert (found.n_validation, found.n_test) == (len(validation), 200)
    logits = run.predictions("test")["logit"].to_numpy(np.float64)
    assert set(found.as_dict()["after"]) == {"ece", "loss", "brier"}
    assert found.meaning.endswith(".")
    assert np.isfinite(logits / found.temperature).all()
