"""The verdict: each branch from evidence written by hand, and its order."""

from dataclasses import replace

import numpy as np
import pytest

from cifake_core.detectors.ood.check import Score
from cifake_core.explanations import seeds
from cifake_core.explanations.verdict import OUTSIDE, UNSURE, Evidence, StabilityCheck, decide

INSIDE = Score(0.4, {"statistics": 0.4, "extremes": 0.1, "learned": -1.0, "features": 0.2}, 0.8, 2000)
BEYOND = Score(2.5, {"statistics": 0.4, "extremes": 0.1, "learned": 2.5, "features": 0.2}, 0.999, 2000)


def evidence(probability=0.97, **more):
    logit = float(np.log(probability / (1 - probability)))
    found = {"checks": (StabilityCheck("JPEG once more", probability),), "spread": seeds.spread(np.array([logit])), "domain": "trained on x", "score": INSIDE}
    return Evidence(logit=logit, fake_probability=probability, **{**found, **more})


@pytest.mark.parametrize(("probability", "word"), [(0.97, "fake"), (0.03, "real"), (0.66, "fake"), (0.34, "real"), (0.64, UNSURE), (0.36, UNSURE)])
def test_a_firm_verdict_lies_fifteen_points_from_one_half(probability, word):
    found = decide(evidence(probability))
    assert (found.word, found.is_firm) == (word, word != UNSURE)
    assert found.leaning == ("fake" if probability > 0.5 else "real")


def test_a_verdict_that_flips_under_compression_is_unsure():
    found = decide(evidence(0.95, checks=(StabilityCheck("JPEG once more", 0.30), StabilityCheck("Shrunk to 26 px and back", 0.9))))
    assert (found.word, found.leaning) == (UNSURE, "fake")
    assert found.reasons == ("the verdict flips to 30% fake when the image is saved as a JPEG once more",)


def test_seeds_that_disagree_leave_it_unsure():
    found = decide(evidence(0.95, spread=seeds.spread(np.array([3.0, -1.0, 2.0]))))
    assert found.word == UNSURE
    assert found.reasons == ("2 of 3 networks that differ only in their seed say fake, the others real",)


def test_an_edit_that_flips_it_leaves_it_unsure_and_one_that_does_not_is_firm():
    assert decide(evidence(0.95, before=0.2)).reasons == ("the edit flips it from 20% to 95% fake",)
    assert decide(evidence(0.95, before=0.8)).word == "fake"


def test_a_score_above_the_bound_is_outside_however_sure_the_network_is():
    found = decide(evidence(0.9999, score=BEYOND))
    assert (found.word, found.is_firm, found.leaning) == (OUTSIDE, False, "fake")
    assert "out-of-distribution score is 2.50" in found.reasons[0]
    assert "trained to tell the dataset's images from altered ones" in found.reasons[0]
    assert "99.9% of 2,000 held-out images score lower" in found.reasons[0]
    assert decide(evidence(score=replace(BEYOND, value=1.0))).word == "fake"  # the bound itself lies inside


def test_size_and_want_of_content_are_outside_and_come_before_unsure():
    found = decide(evidence(0.5, unlike=("it was shrunk from 3024 × 4032",), score=BEYOND))
    assert found.word == OUTSIDE
    assert found.reasons[0] == "it was shrunk from 3024 × 4032"
    assert len(found.reasons) == 2


def test_without_a_check_that_should_be_there_nothing_is_firm():
    assert decide(evidence(score=None, unchecked="whether it lies outside cannot be told")).word == UNSURE
    assert decide(evidence(score=None)).word == "fake"  # a ready-made detector: its page says that nothing was checked


def test_the_dictionary_says_word_leaning_figures_and_reasons():
    found = decide(evidence(0.97, score=BEYOND, done="shrunk from 64 × 64")).as_dict()
    assert (found["verdict"], found["leaning"], found["ood_score"], found["ood_percentile"]) == (OUTSIDE, "fake", 2.5, 0.999)
    assert (found["fake_probability"], found["domain"], found["done"], found["seeds"]) == (0.97, "trained on x", "shrunk from 64 × 64", 1)
    assert found["low"] is None
    assert decide(evidence(score=None)).as_dict()["ood_score"] is None
