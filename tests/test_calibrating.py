"""Calibrators, and a run judged without the test images it has seen: by hand, by another optimiser, by what must hold."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from cifake_core.errors import BadInput, NotFound, Refused
from cifake_core.evaluation import calibrating, deduplicated
from cifake_core.metrics import calibration, scores
from cifake_core.metrics.calibration import fit_platt, fit_temperature
from cifake_core.metrics.intervals import UNDEFINED, Estimate


def sure(n=4000, scale=3.0, seed=0, bias=0.0):
    """Logits that are `scale` times what they should be, plus a bias."""
    random = np.random.default_rng(seed)
    honest = random.normal(0, 2, n)
    return scale * honest + bias, (random.random(n) < expit(honest)).astype(int)


def test_the_temperature_of_two_scores_can_be_worked_out():
    # four images at logit ±2, three of them right: the best probability is 3/4, whose logit is log 3
    logits, labels = np.array([2.0, 2, 2, 2]), np.array([1, 1, 1, 0])
    assert fit_temperature(logits, labels).scale == pytest.approx(np.log(3) / 2, rel=1e-4)
    assert logit(0.75) == pytest.approx(np.log(3))


def test_scale_and_bias_of_two_scores_can_be_worked_out():
    # at −1 one of four is fake, at +1 three of five: two points, so the line goes through both observed log odds
    logits, labels = np.repeat([-1.0, 1.0], [4, 5]), np.array([1, 0, 0, 0, 1, 1, 1, 0, 0])
    found, low, high = fit_platt(logits, labels), logit(1 / 4), logit(3 / 5)
    assert (found.scale, found.bias) == pytest.approx(((high - low) / 2, (high + low) / 2), abs=1e-4)


@pytest.mark.parametrize(("fit", "intercept"), [(fit_temperature, False), (fit_platt, True)])
def test_calibrators_are_a_logistic_regression_on_the_logit(fit, intercept):
    logits, labels = sure()
    model = LogisticRegression(C=np.inf, fit_intercept=intercept, tol=1e-10).fit(logits[:, None], labels)
    found = fit(logits, labels)
    assert found.scale == pytest.approx(model.coef_[0, 0], rel=1e-3)
    assert found.bias == pytest.approx(float(model.intercept_[0]) if intercept else 0.0, abs=1e-3)


def test_a_bias_is_mended_by_scale_and_bias_and_not_by_a_temperature():
    logits, labels = sure(bias=1.5)
    other, truth = sure(seed=1, bias=1.5)
    errors = {name: scores.expected_calibration_error(fit(logits, labels).probability(other), truth) for name, fit in calibration.FITS.items()}
    assert errors["platt"] < 0.03
    assert errors["temperature"] > 2 * errors["platt"]
    mended = fit_platt(logits, labels)
    assert mended.probability(logit(mended.threshold)) == pytest.approx(0.5)


@pytest.mark.parametrize(("scale", "bias", "expected"), [(1.0, 0.0, "none"), (3.0, 0.0, "temperature"), (1.0, 1.5, "platt"), (3.0, 1.5, "platt")])
def test_the_calibrator_is_chosen_by_what_it_is_worth_on_images_it_was_not_fitted_on(scale, bias, expected):
    logits, labels = sure(n=1500, scale=scale, bias=bias, seed=4)
    fitted = {name: fit(logits, labels) for name, fit in calibration.FITS.items()}
    losses = {name: calibration.cross_validated_losses(name, logits, labels) for name in fitted}
    assert calibration.choose(fitted, losses) == expected


def test_a_gain_smaller_than_its_standard_error_is_not_worth_another_parameter():
    fitted = {"none": calibration.AS_IT_IS, "temperature": calibration.Calibrator("temperature", 0.9)}
    gain = np.array([0.3, -0.1, 0.3, -0.1])  # standard error 0.1, mean 0.1, then a little less or more
    assert calibration.choose(fitted, {"none": gain + 0.99, "temperature": np.ones(4)}) == "none"
    assert calibration.choose(fitted, {"none": gain + 1.01, "temperature": np.ones(4)}) == "temperature"


def test_a_fit_on_the_same_images_never_looks_worse_but_cross_validation_does():
    """Pure noise: the larger model has the lower loss where it was fitted, and the higher one elsewhere."""
    random = np.random.default_rng(3)
    logits, labels = random.normal(0, 1, 40), np.arange(40) % 2
    within = scores.cross_entropy(fit_platt(logits, labels).logit(logits), labels).mean()
    assert within < calibration.cross_validated_losses("platt", logits, labels).mean()


def test_what_images_do_not_decide_is_never_chosen():
    logits, labels = np.array([-2.0, -1, -3, -2, -1, 1, 2, 3, 1, 2]), np.repeat([0, 1], 5)  # no mistake: the best scale is infinite
    fitted = {name: fit(logits, labels) for name, fit in calibration.FITS.items()}
    assert fitted["temperature"].at_bound
    assert fitted["platt"].at_bound
    assert calibration.choose(fitted, dict.fromkeys(fitted, np.zeros(10)) | {"none": np.ones(10)}) == "none"
    assert calibration.slope(logits, labels).value is None


def test_the_slope_has_the_interval_of_statsmodels_worked_out_by_hand():
    """Information matrix of a logistic regression, by a sum over images; its inverse's corner is the variance."""
    logits, labels = sure(300)
    found = calibration.slope(logits, labels)
    mended = fit_platt(logits, labels)
    information = np.zeros((2, 2))
    for z in logits:
        p = 1 / (1 + np.exp(-(mended.scale * z + mended.bias)))
        information += p * (1 - p) * np.outer([z, 1], [z, 1])
    reach = 1.959964 * np.sqrt(np.linalg.inv(information)[0, 0])
    assert (found.value, found.low, found.high) == pytest.approx((mended.scale, mended.scale - reach, mended.scale + reach))


def test_the_mean_gap_is_that_of_predictions_and_labels_and_its_interval_is_over_images_of_each_label():
    p, labels = np.array([0.9, 0.7, 0.6, 0.2]), np.array([1, 1, 0, 0])
    found = calibration.excess(p, labels)
    error = np.sqrt(2 * np.var([-0.1, -0.3], ddof=1) + 2 * np.var([0.6, 0.2], ddof=1)) / 4
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1 - 1.959964 * error, 0.1 + 1.959964 * error))


def test_no_scores_are_refused_in_one_sentence():
    for fit in (fit_temperature, fit_platt):
        with pytest.raises(BadInput, match="at least one"):
            fit(np.array([]), np.array([]))


# ---- what is said of it


def _e(value, low, high):
    return Estimate(value, low, high)


def test_the_direction_is_named_only_where_the_interval_lies_on_one_side():
    assert calibrating.said_of_excess(_e(0.03, 0.01, 0.05)) == "over-predicts fake by 3.00 points (1.00 – 5.00)"
    assert calibrating.said_of_excess(_e(-0.03, -0.05, -0.01)) == "under-predicts fake by 3.00 points (1.00 – 5.00)"
    for value in (0.01, -0.01):
        said = calibrating.said_of_excess(_e(value, -0.02, 0.02))
        assert "as far as can be told" in said
        assert "over-predicts" not in said


def test_confidence_is_named_by_the_slope_and_only_where_its_interval_excludes_one():
    assert "overconfident (slope 0.70 (0.60 – 0.80)" in calibrating.said_of_slope(_e(0.7, 0.6, 0.8))
    assert "underconfident" in calibrating.said_of_slope(_e(1.3, 1.1, 1.5))
    assert "neither over- nor underconfident" in calibrating.said_of_slope(_e(0.9, 0.7, 1.1))
    assert "decide no slope" in calibrating.said_of_slope(UNDEFINED)


def test_a_change_is_claimed_only_where_the_intervals_are_apart():
    before = _e(0.05, 0.04, 0.06)
    assert calibrating.said_of_change(before, _e(0.02, 0.01, 0.03)).startswith("Its calibration error falls from 0.0500")
    assert calibrating.said_of_change(before, _e(0.08, 0.07, 0.09)).startswith("Its calibration error rises")
    for value in (0.03, 0.055):
        assert "no clear change" in calibrating.said_of_change(before, _e(value, value - 0.01, value + 0.011))


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


def _with_logits(monkeypatch, validation, test):
    """Every run's predictions are these (logits, labels)."""
    frames = {"validation": validation, "test": test}

    def predictions(_workspace, _run, split):
        if frames[split] is None:
            raise NotFound("The run has no validation predictions.")
        return pd.DataFrame(dict(zip(("logit", "label"), frames[split], strict=True)))

    monkeypatch.setattr(calibrating.evaluating, "predictions", predictions)


def test_calibrators_are_fitted_and_chosen_on_validation_and_judged_on_test(lab, monkeypatch):
    """Validation is too sure by three and leans to fake; test is neither, so nothing fitted on test could be this."""
    validation, test = sure(bias=1.0), sure(scale=1.0, seed=9)
    _with_logits(monkeypatch, validation, test)
    found = calibrating.calibration(lab, None, resamples=20)
    assert found.chosen == "platt"
    assert found.calibrator == fit_platt(*validation) == calibrating.calibrator(lab, None)
    assert found.ways["temperature"].calibrator == fit_temperature(*validation)
    mended = found.calibrator.probability(test[0])
    assert found.ways["platt"].test["brier"].value == pytest.approx(((mended - test[1]) ** 2).mean())
    assert found.ways["platt"].excess == calibration.excess(mended, test[1])
    assert found.ways["none"].excess == calibration.excess(expit(test[0]), test[1])
    assert found.slope == calibration.slope(*test)
    assert (found.n_validation, found.n_test) == (4000, 4000)
    assert found.as_dict()["ways"]["platt"]["predicted_minus_observed"] == found.ways["platt"].excess.as_dict()
    assert "rises" in found.meaning  # what mends validation spoils this test set, and it is said


def test_where_validation_is_missing_or_too_small_the_networks_own_probability_is_taken(lab, monkeypatch):
    for validation in (None, (np.array([3.0, -3, 1, 2, 1, 1]), np.array([1, 0, 1, 1, 1, 1]))):
        _with_logits(monkeypatch, validation, sure())
        assert calibrating.calibrator(lab, None) == calibration.AS_IT_IS
    assert "own probabilities" in calibrating.calibration(lab, None, resamples=20).meaning


def test_the_threshold_of_the_chosen_calibrator_is_offered_where_it_moved(lab, monkeypatch):
    from cifake_core.evaluation import thresholds

    p, labels = np.linspace(0.1, 0.9, 9), np.arange(9) % 2
    plain = [choice.name for choice in thresholds.choices((p, labels), (p, labels))]
    assert "Calibrated 0.5" not in plain
    moved = {choice.name: choice for choice in thresholds.choices((p, labels), (p, labels), 0.3124)}
    assert moved["Calibrated 0.5"].value == 0.312
    assert not moved["Calibrated 0.5"].oracle
