"""What is said of unseen generators follows from figures: every branch with figures made by hand, and what is missing before a click."""

import pytest

from cifake_core.images.image_set import ImageSet
from cifake_core.metrics.intervals import Estimate
from cifake_core.studies.unseen import conclusions, readiness
from tests.many_generators import GENERATORS, many_images


def _e(value, low, high):
    return Estimate(value, low, high)


FPR = _e(0.06, 0.05, 0.07)
OWN = _e(0.94, 0.93, 0.95)
CASES = [
    (_e(0.03, 0.02, 0.04), OWN, conclusions.BELOW, "fewer of them are called fake than of the real photographs"),
    (_e(0.05, 0.03, 0.08), OWN, conclusions.NOT_ABOVE, "no more of them are shown to be called fake"),
    (_e(0.08, 0.07, 0.09), OWN, conclusions.NOT_ABOVE, "nothing of what it learned is shown to carry over"),  # the ends touch
    (_e(0.30, 0.20, 0.40), OWN, conclusions.PARTLY, "but fewer than of fakes of the generator it learned from"),
    (_e(0.90, 0.85, 0.94), OWN, conclusions.COMPARABLE, "as far as can be told, as many of them"),
    (_e(0.99, 0.98, 1.00), OWN, conclusions.COMPARABLE, "as far as can be told, as many of them"),
    (_e(0.30, 0.20, 0.40), None, conclusions.UNKNOWN, "is not recorded"),
    (_e(0.03, 0.02, 0.04), None, conclusions.BELOW, "fewer of them"),
]


@pytest.mark.parametrize(("recall", "own", "branch", "said"), CASES)
def test_what_carries_over_follows_from_intervals_that_are_apart(recall, own, branch, said):
    assert conclusions.carries_over(recall, FPR, own) == branch
    study = {"runs": [_row(recall, own)], "counts": dict.fromkeys("abc", 20)}
    sentence = conclusions.of_transfer(study)
    assert said in sentence
    assert "3 unseen generators" in sentence
    assert f"{100 * recall.value:.1f} % ({100 * recall.low:.1f} – {100 * recall.high:.1f})" in sentence
    assert "6.0 % (5.0 – 7.0)" in sentence
    assert "one generator" not in sentence


def _row(recall, own):
    return {"macro": {"recall_at_half": recall.as_dict()}, "false_positives": {"at_half": FPR.as_dict()}, "own_recall": own.as_dict() if own else None}


def test_runs_that_differ_are_not_spoken_of_as_one():
    rows = [_row(CASES[0][0], OWN), _row(CASES[0][0], OWN), _row(CASES[3][0], OWN)]
    said = conclusions.of_transfer({"runs": rows, "counts": {"a": 20}})
    assert said.startswith("The runs differ")
    assert "in 2 of 3, fewer of them" in said
    assert "in 1 of 3, more of them" in said
    alike = conclusions.of_transfer({"runs": rows[:2], "counts": {"a": 20}})
    assert alike.startswith("Each of the 2 runs")


@pytest.mark.parametrize(("last", "said"), [(0.90, "more generators help"), (0.70, "more generators hurt"), (0.83, "no clear change"), (0.839, "no clear change"), (0.841, "more generators help")])
def test_a_curve_rises_only_where_the_gain_is_more_than_twice_its_standard_error(last, said):
    first, point = ({"auc": {"value": value, "sd": 0.02 * 2**0.5}, "n": 4} for value in (0.80, last))  # standard error 0.02
    assert conclusions.of_scaling(first, point, (1, 16)).endswith(said)
    assert "nothing is said" in conclusions.of_scaling({"auc": {"value": 0.8, "sd": None}, "n": 1}, point, (1, 16))


def _path(name, mean, low, high, sd=0.01):
    return {"path": name, "mean": mean, "low": low, "high": high, "sd": sd}


def test_what_compression_does_is_said_by_ranges_that_are_apart():
    jpeg, lossless = _path("jpeg, one encoder", 0.57, 0.56, 0.58), _path("lossless", 0.96, 0.95, 0.97)
    assert conclusions.of_codec([jpeg, lossless])[0].startswith("JPEG lowers the AUC (0.570")
    assert "no clear change" in conclusions.of_codec([jpeg, _path("lossless", 0.58, 0.57, 0.6)])[0]
    assert "raises" in conclusions.of_codec([jpeg, _path("lossless", 0.5, 0.49, 0.51)])[0]
    assert "the difference is the codec" in conclusions.of_codec([jpeg, _path("trap", 1.0, 0.99, 1.0)])[0]
    assert "does not show" in conclusions.of_codec([jpeg, _path("trap", 0.57, 0.55, 0.59)])[0]
    assert "encoders differ" in conclusions.of_codec([_path("encoder", 0.52, 0.51, 0.53)])[0]
    assert "not above one half in every repeat" in conclusions.of_codec([_path("encoder", 0.51, 0.49, 0.53)])[0]
    assert "no statement" in conclusions.of_codec([_path("encoder", 0.52, 0.52, 0.52, None)])[0]


# ---- what is missing before the click


def test_generators_of_fakes_are_counted_and_a_renderer_of_reals_is_none(workspace):
    from cifake_core.images.building import new_image_set
    from cifake_core.images.codec import encode_png
    from cifake_core.images.schema import NewImage
    from tests.many_generators import fake

    def images(label, generator, ns):
        return [NewImage(encode_png(fake("board-a", n)), label, split="test", generator=generator) for n in ns]

    demo = new_image_set(workspace, "demo", images(0, "renderer", range(120)) + images(1, "demo", range(200, 225)) + images(1, "few", range(300, 319)))
    found = readiness.fake_generators(demo)
    assert {name: n for name, (n, _) in found.items()} == {"demo": 25, "few": 19}
    assert list(readiness.usable(found)) == ["demo"]
    said = readiness.missing(workspace, "transfer", {"dataset": "demo", "generators": "demo"}, found)
    assert said == "'demo' has fakes of 1 generator with 20 images or more (demo); a study needs at least 2: make or import fakes of another."


def test_each_study_says_what_it_lacks_and_what_lacks_nothing_can_be_opened(lab):
    many = many_images(lab)
    generators = readiness.fake_generators(many)
    assert {name: family for name, (_, family) in generators.items()} == GENERATORS

    def lacks(kind, **arguments):
        return readiness.missing(lab, kind, {"dataset": "tiny", "generators": "many", "codec": "jpeg"} | arguments, generators)

    assert [lacks(kind) for kind in ("transfer", "matrix", "leave-one-out", "scaling", "recipe")] == [""] * 5
    assert "needs lossless photographs" in lacks("codec")
    assert "has 0 real photographs" in lacks("matrix", dataset="many")
    assert "No run has been trained on 'many'" in lacks("transfer", dataset="many", reals="tiny")
    one_family = {name: (n, "board") for name, (n, _) in generators.items()}
    asked = {"dataset": "tiny", "generators": "many", "codec": "jpeg"}
    assert "of one family, 'board'" in readiness.missing(lab, "leave-one-out", asked, one_family)
    assert readiness.missing(lab, "leave-one-out", asked | {"by": "generator"}, one_family) == ""
    three = {name: generators[name] for name in ("board-a", "board-b", "stripe-a")}
    assert "cannot be dealt in 3 parts" in readiness.missing(lab, "recipe", asked, three)
    assert readiness.missing(lab, "scaling", asked, three) == ""
    assert "lack board-b" in readiness.missing(lab, "scaling", asked | {"groups": dict.fromkeys(set(GENERATORS) - {"board-b"}, "lab")}, generators)


def test_lossless_studies_of_compressed_images_are_stopped_before_the_click(lab):
    many = many_images(lab)
    said = readiness.missing(lab, "matrix", {"dataset": "tiny", "generators": "many", "codec": "lossless"}, readiness.fake_generators(many))
    assert ("are JPEG; lossless needs both" in said) == ("JPEG" in ImageSet.open(lab, "tiny").record["formats"])
