"""Unseen generators: one codec for both labels, nothing learned from what is judged, studies that go on after a kill."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from cifake_core.detectors import runs
from cifake_core.errors import BadInput, Cancelled, Refused
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_jpeg, encode_png
from cifake_core.images.schema import NewImage
from cifake_core.step import Context
from cifake_core.studies.unseen import fitting, recipes, shelves, splitting
from cifake_core.studies.unseen.codec import StudyCodec
from cifake_core.studies.unseen.fitting import Bench, fit, weights
from cifake_core.studies.unseen.matrix import StudyLeaveOneOut, StudyMatrix, learned_half
from cifake_core.studies.unseen.pools import Source, open_pool
from cifake_core.studies.unseen.recipe import StudyRecipe
from cifake_core.studies.unseen.scaling import StudyScaling
from cifake_core.studies.unseen.transfer import StudyTransfer
from tests.conftest import drawn
from tests.many_generators import GENERATORS, fake, many_images


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Photographs as JPEG and as PNG, and eight generators of two families with 24 images each."""
    from cifake_core.store.workspace import Workspace

    home = Workspace(tmp_path_factory.mktemp("many"))
    many_images(home)
    splits = ("train",) * 160 + ("test",) * 80
    for name, encode in (("photos", encode_jpeg), ("lossless", encode_png)):
        new_image_set(home, name, [NewImage(encode(drawn(0, n % 10, n)), 0, n % 10, split) for n, split in enumerate(splits)])
    return home


@pytest.fixture
def many(made, workspace):
    shutil.copytree(made.home, workspace.home)
    return workspace


# ---- one codec, and reals parted once


def test_all_images_of_a_pool_went_through_one_codec_and_no_real_is_on_two_sides(many):
    pool = open_pool(many, Source("photos", "many"))
    assert np.array_equal(pool.fakes[0], _through_jpeg(fake("board-a", 0)))
    parts = [{picture.tobytes() for picture in part} for part in (pool.train_reals, pool.threshold_reals, pool.test_reals)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set().union(*parts))
    lossless = open_pool(many, Source("photos", "many", "lossless", "lossless"))
    assert np.array_equal(lossless.fakes[0], fake("board-a", 0).transpose(2, 0, 1))


def _through_jpeg(pixels):
    from cifake_core.images.codec import decode

    return decode(encode_jpeg(pixels)).transpose(2, 0, 1)


def test_lossless_fakes_are_never_compared_with_compressed_photographs(many):
    with pytest.raises(Refused, match="nothing lossless can be compared"):
        open_pool(many, Source("photos", "many", "lossless"))


def test_a_set_of_one_generator_is_refused(many):
    with pytest.raises(BadInput, match="1 generators"):
        open_pool(many, Source("photos", "many", exclude=tuple(name for name in GENERATORS if name != "board-a")))
    with pytest.raises(BadInput, match="no generator of"):
        open_pool(many, Source("photos", "many", exclude=("nobody",)))


# ---- dealing generators


def test_generators_are_dealt_whole_by_family_and_those_that_belong_together_stay_so():
    hands = splitting.deal(GENERATORS, 2, seed=1, together=(("board-a", "board-d"),))
    assert sorted(hands[0] + hands[1]) == sorted(GENERATORS)
    assert any({"board-a", "board-d"} <= set(hand) for hand in hands)
    assert all({GENERATORS[name] for name in hand} == {"board", "stripe"} for hand in hands)


@pytest.mark.parametrize(("kind", "families"), [("family", 1), ("diverse", 2)])
def test_subsets_of_one_family_and_diverse_ones_are_what_they_say(kind, families):
    for seed in range(5):
        names = splitting.subset(sorted(GENERATORS), GENERATORS, 4, kind, np.random.default_rng(seed))
        assert len({GENERATORS[name] for name in names}) == families
    assert splitting.subset(sorted(GENERATORS), GENERATORS, 5, "family", np.random.default_rng(0)) is None


def test_a_fixed_number_of_images_is_spread_evenly_and_small_generators_give_all():
    rows = {"a": np.arange(5), "b": np.arange(100, 150), "c": np.arange(200, 250)}
    chosen = splitting.spread(rows, 45, np.random.default_rng(0))
    assert [int(((chosen >= low) & (chosen < low + 100)).sum()) for low in (0, 100, 200)] == [5, 20, 20]


def test_balanced_weights_let_every_generator_count_alike():
    found = weights(np.array(["a", "a", "a", "b"]), 4, balanced=True)
    assert found[:3].sum() == pytest.approx(found[3])
    assert found[:4].sum() == pytest.approx(found[4:].sum())


# ---- fitting


@pytest.mark.parametrize("name", list(recipes.RECIPES))
def test_every_recipe_learns_a_trace_it_was_shown(many, name):
    pool = open_pool(many, Source("photos", "many", "lossless", "lossless"))
    scores = fit(Bench(pool), pool.rows(["board-a", "board-b"]), recipes.named(name), seed=1)
    assert len(scores.fakes) == len(pool.fakes)
    assert scores.fakes[pool.rows(["board-c"])].mean() > scores.test_reals.mean()


def test_a_random_state_is_drawn_from_the_picture_and_the_seed_alone():
    pictures = np.stack([fake("board-a", n).transpose(2, 0, 1) for n in range(6)])
    once = fitting.transformed(pictures, "random-state:1")
    assert once.shape == pictures.shape
    assert (once != pictures).any()
    assert np.array_equal(once[::-1], fitting.transformed(pictures[::-1], "random-state:1"))
    assert not np.array_equal(once, fitting.transformed(pictures, "random-state:2"))


def test_the_distance_from_reals_ranks_by_the_photographs_alone(many):
    """It is the same whatever fakes are given, and agrees with the covariance of scikit-learn."""
    from sklearn.covariance import EmpiricalCovariance

    pool = open_pool(many, Source("photos", "many", "lossless", "lossless"))
    some, others = (fit(Bench(pool), pool.rows([name]), recipes.named("reals-only")) for name in ("board-a", "stripe-a"))
    assert np.array_equal(some.fakes, others.fakes)
    reals = np.random.default_rng(0).normal(size=(500, 5)) @ np.random.default_rng(1).normal(size=(5, 5))
    standard = (reals - reals.mean(0)) / reals.std(0)
    expected = EmpiricalCovariance(assume_centered=True).fit(standard).mahalanobis(standard)
    assert np.corrcoef(fitting._distance(reals, 0.0)(reals), expected)[0, 1] == pytest.approx(1, abs=1e-6)


def test_a_linear_detector_agrees_with_scikit_learn():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    random = np.random.default_rng(0)
    x = random.normal(size=(400, 5)) * np.array([1, 2, 3, 4, 5.0])
    labels = random.random(400) < 0.5
    x[labels] += 1
    ours = fitting._linear(x, labels, np.ones(400), 0.0)(x)
    theirs = LinearDiscriminantAnalysis(priors=[0.5, 0.5]).fit(x, labels).decision_function(x)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9999


# ---- the studies


def test_the_matrix_judges_what_was_learned_from_only_on_images_it_did_not_learn(many):
    result = StudyMatrix("photos", "many", "lossless", "lossless", detector="residual").run(Context(many))
    row = next(row for row in result["rows"] if row["source"] == "board")
    pool = open_pool(many, Source("photos", "many", "lossless", "lossless"))
    half = learned_half(pool)
    assert row["generators"]["board-a"]["n"] == int((~half[pool.rows(["board-a"])]).sum())
    assert row["generators"]["stripe-a"]["n"] == 24
    assert row["generators"]["board-a"]["auc"]["value"] > 0.8
    assert set(row["families"]) == {"board", "stripe"}
    scores = shelves.scores_of(many, result["study"], "board")
    assert len(scores) == sum(numbers["n"] for numbers in row["generators"].values())


def test_leave_one_out_never_learns_from_the_family_it_is_judged_on(many):
    result = StudyLeaveOneOut("photos", "many", "lossless", "lossless", detector="residual").run(Context(many))
    for row in result["rows"]:
        assert {GENERATORS[name] for name in row["generators"]} == {row["source"]}
        assert not set(row["learned_from"]) & set(row["generators"])


def test_scaling_holds_generators_out_of_every_subset_and_keeps_the_number_of_images(many):
    step = StudyScaling("photos", "many", "lossless", "lossless", detector="residual", k=(1, 2, 4), repeats=2, more_images=(40,))
    result = step.run(Context(many))
    for point in result["points"]:
        for repeat in point["repeats"]:
            assert not set(repeat["learned_from"]) & set(result["held_out"])
            assert len(repeat["learned_from"]) == point["k"]
            assert point["images"] in (0, repeat["n_fakes"])
            assert repeat["macro"]["n"] == len(result["held_out"])
    random = {point["k"]: point for point in result["points"] if point["arm"] == "random" and point["images"] == result["images"]}
    assert list(random) == [1, 2, 4]
    assert random[4]["mean"]["auc"]["value"] > 0.7


def test_a_study_that_was_stopped_goes_on_with_the_units_it_has(many, monkeypatch):
    step = StudyMatrix("photos", "many", "lossless", "lossless", by="generator", detector="residual")
    calls = []
    real = fitting._classifier

    def counted(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise Cancelled("stopped")
        return real(*arguments)

    monkeypatch.setattr(fitting, "_classifier", counted)
    with pytest.raises(Cancelled):
        step.run(Context(many))
    assert not shelves.studies(many)
    result = step.run(Context(many))
    assert len(calls) == 4 + 8 - 3  # three units were kept
    assert step.run(Context(many)) == result
    assert len(calls) == 9


def test_the_recipe_that_ranks_unmet_generators_best_is_chosen_and_fitted_for_the_report(many):
    """With real detectors; who learns from what is shown in test_unseen_rules.py."""
    step = StudyRecipe("photos", "many", "lossless", "lossless", candidates=("reals-only", "residual"), references=("reals-only",))
    result = step.run(Context(many))
    auc = {one["name"]: one["macro"]["auc"]["value"] for one in result["candidates"]}
    assert result["chosen"] == max(auc, key=auc.get)
    assert auc["residual"] > 0.7
    assert set(result["report"]["generators"]) == set(result["references"][0]["report"]["generators"]) == set(result["report_generators"])


def test_a_mixed_codec_is_shown_to_be_a_trap_and_one_encoder_cannot_be_told_from_itself(many):
    result = StudyCodec("photos", "many", "jpeg", "lossless", (), "residual", repeats=1).run(Context(many))
    found = {row["path"]: row["mean"] for row in result["paths"]}
    assert found["lossless"] > 0.8
    assert 0.3 < found["encoder"] < 0.7  # here both were encoded by the same program


def test_runs_are_scored_on_generators_they_never_met_beside_their_own_test_set(lab, made):
    shutil.copytree(made.home / "images" / "many", lab.image_sets / "many")
    result = StudyTransfer("tiny", "many", "lossless").run(Context(lab))
    assert len(result["runs"]) == 2
    for row in result["runs"]:
        assert row["own"]["accuracy"] > 0.8
        assert set(row["generators"]) == set(GENERATORS)
        assert row["n_reals"] == 100
    assert result["spread"]["found"]["n"] == 2
    assert [study["study"] for study in shelves.studies(lab, "transfer")] == [result["study"]]


def test_only_runs_of_the_dataset_itself_are_transferred(lab):
    new_image_set(lab, "other", [NewImage(encode_png(drawn(0, n % 10, n)), 0, n % 10, "test") for n in range(5)])
    with pytest.raises(Refused, match="No network has been trained on 'other'"):
        StudyTransfer("other", "many").run(Context(lab))
    (run, _) = (found.id for found in runs.runs(lab))
    with pytest.raises(BadInput, match="was not trained on 'other'"):
        StudyTransfer("other", "many", run_ids=(run,)).run(Context(lab))


def test_listing_studies_does_not_load_torch():
    code = "import sys, cifake_core.studies.unseen.shelves, pages.look.generators.views, pages.look.generators.launch; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip().endswith("False")
