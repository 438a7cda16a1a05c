"""The rules of studies of unseen generators: who is learned from, chosen on and judged on. Detectors are made up here, images are few."""

import dataclasses
import shutil

import numpy as np
import pytest

from cifake_core.errors import Refused
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_jpeg, encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import NewImage
from cifake_core.step import Context
from cifake_core.studies.unseen import codec, judging, matrix, recipe, scaling, shelves, splitting, transfer
from cifake_core.studies.unseen.judging import Scores
from cifake_core.studies.unseen.pools import Pool, Source, open_pool
from tests.conftest import drawn
from tests.many_generators import GENERATORS, many_images

TRAIN, TEST, IN_BOTH = 160, 80, 30


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Eight generators with 24 images each; photographs whose first test images are also in train."""
    from cifake_core.store.workspace import Workspace

    home = Workspace(tmp_path_factory.mktemp("rules"))
    many_images(home)
    numbers = [*range(TRAIN), *range(IN_BOTH), *range(TRAIN, TRAIN + TEST - IN_BOTH)]
    splits = ["train"] * TRAIN + ["test"] * TEST
    for name, encode in (("photos", encode_png), ("compressed", encode_jpeg)):
        photos = [NewImage(encode(drawn(0, n % 10, n)), 0, n % 10, split) for n, split in zip(numbers, splits, strict=True)]
        new_image_set(home, name, photos)
    return home


@pytest.fixture
def many(made, workspace):
    shutil.copytree(made.home, workspace.home)
    return workspace


LOSSLESS = ("photos", "many", "lossless", "photos")


@pytest.fixture
def fits(monkeypatch):
    """Every detector a study fits: {"recipe", "learned": rows, "seed"}, with scores made up by `answer(recipe name, pool, rows)`."""

    class Fits(list):
        answer = staticmethod(lambda name, pool, rows: _scores(pool, rows, known=2.0, unknown=1.0))

    seen = Fits()

    def fit(bench, rows, asked, seed=0, *_):
        seen.append({"recipe": asked.name, "learned": rows, "seed": seed})
        return seen.answer(asked.name, bench.pool, rows)

    for module in (recipe, matrix, scaling, codec):
        monkeypatch.setattr(module, "fit", fit)
    return seen


def _scores(pool: Pool, learned: np.ndarray, known: float, unknown: float, test_reals: float = 0.0) -> Scores:
    """Fakes of generators learned from lie `known` above the threshold reals, others `unknown`; test reals are moved."""
    spread = np.random.default_rng(0).normal
    met = np.isin(pool.generators, np.unique(pool.generators[learned]))
    fakes = np.where(met, known, unknown) + spread(0, 1, len(met))
    return Scores(fakes, spread(0, 1, len(pool.threshold_reals)), test_reals + spread(0, 1, len(pool.test_reals)))


# ---- the recipe


def test_a_recipe_is_chosen_on_generators_it_did_not_learn_without_the_test_reals_and_the_best_one_wins(many, fits):
    def answer(name, pool, rows):
        return {
            "residual": _scores(pool, rows, known=1.5, unknown=1.5),  # honest: AUC .86 everywhere
            "statistics": _scores(pool, rows, known=9.0, unknown=0.0),  # learns by heart
            "forensic": _scores(pool, rows, known=0.5, unknown=0.5, test_reals=-9.0),  # perfect on the test reals alone
        }[name]

    fits.answer = answer
    step = recipe.StudyRecipe(*LOSSLESS, candidates=("statistics", "residual", "forensic"), references=())
    result = step.run(Context(many))
    auc = {one["name"]: one["macro"]["auc"]["value"] for one in result["candidates"]}
    assert auc["residual"] > 0.8 > auc["forensic"] > 0.55
    assert auc["statistics"] == pytest.approx(0.5, abs=0.08)
    assert result["chosen"] == "residual"


def test_candidates_never_learn_the_fold_they_are_judged_on_and_nothing_ever_learns_a_generator_held_out(many, fits):
    step = recipe.StudyRecipe(*LOSSLESS, candidates=("residual",), references=("network",), seed=4)
    result = step.run(Context(many))
    pool = open_pool(many, step)
    learned = [set(pool.generators[one["learned"]]) for one in fits]
    ours = set(result["choose_generators"])
    assert len(result["folds"]) == recipe.FOLDS
    assert sorted(name for fold in result["folds"] for name in fold) == sorted(ours)
    assert learned[: recipe.FOLDS] == [ours - set(fold) for fold in result["folds"]]
    assert learned[recipe.FOLDS :] == [ours, ours]  # the chosen one and the reference
    assert not ours & set(result["report_generators"])
    assert ours | set(result["report_generators"]) == set(GENERATORS)
    assert all(len(one["learned"]) == len(pool.rows(names)) for one, names in zip(fits, learned, strict=True))
    assert {one["seed"] for one in fits} == {4}


def test_the_report_is_of_the_chosen_recipe_on_the_test_reals_and_the_generators_held_out(many, fits):
    fits.answer = lambda name, pool, rows: _scores(pool, rows, known=9.0, unknown=2.0 if name == "residual" else -2.0, test_reals=-9.0)
    result = recipe.StudyRecipe(*LOSSLESS, candidates=("residual", "statistics"), references=("network",)).run(Context(many))
    assert set(result["report"]["generators"]) == set(result["report_generators"])
    assert result["chosen"] == "residual"
    assert result["report"]["macro"]["auc"]["value"] == 1.0  # of 2 against −9; on the threshold reals it is .92
    assert result["report"]["macro"]["recall_at_half"]["value"] > 0.9
    (reference,) = result["references"]
    assert reference["name"] == "network"
    assert reference["report"]["macro"]["recall_at_half"]["value"] < 0.1


def test_candidates_are_shown_in_the_order_asked_with_one_auc_a_generator(many, fits):
    result = recipe.StudyRecipe(*LOSSLESS, candidates=("statistics", "residual"), references=()).run(Context(many))
    assert [one["name"] for one in result["candidates"]] == ["statistics", "residual"]
    for one in result["candidates"]:
        assert set(one["auc"]) == set(result["choose_generators"])
        assert one["macro"]["auc"]["value"] == pytest.approx(np.mean(list(one["auc"].values())))


# ---- the matrix and leaving one out


def test_the_matrix_learns_half_of_each_named_generator_and_judges_it_on_the_other_half(many, fits):
    step = matrix.StudyMatrix(*LOSSLESS, by="family")
    result = step.run(Context(many))
    pool = open_pool(many, step)
    half = matrix.learned_half(pool)
    assert 0.3 < half.mean() < 0.7
    for one, row in zip(fits, result["rows"], strict=True):
        inside = np.isin(pool.generators, row["learned_from"])
        assert set(row["learned_from"]) == {name for name, family in GENERATORS.items() if family == row["source"]}
        assert np.array_equal(one["learned"], np.flatnonzero(inside & half))
        assert row["n_fakes"] == (inside & half).sum()
        table = shelves.scores_of(many, result["study"], row["source"])
        judged = {tuple(place) for place in table[["split", "row"]].to_numpy().tolist()}
        assert not judged & {tuple(place) for place in pool.places[one["learned"]].tolist()}
        assert len(judged) == len(table) == len(pool.fakes) - row["n_fakes"]
        assert row["macro"]["n"] == len(GENERATORS)
        for name, numbers in row["generators"].items():
            mine = pool.generators == name
            assert numbers["n"] == (mine & ~half).sum() if name in row["learned_from"] else mine.sum()
        expected = {family: [row["generators"][n]["auc"]["value"] for n in GENERATORS if GENERATORS[n] == family] for family in ("board", "stripe")}
        for family, values in expected.items():
            assert row["families"][family]["auc"]["value"] == pytest.approx(np.mean(values))


@pytest.mark.parametrize("by", ["family", "generator"])
def test_leaving_one_out_learns_from_all_others_and_judges_what_was_left_out_whole(many, fits, by):
    step = matrix.StudyLeaveOneOut(*LOSSLESS, by=by)
    result = step.run(Context(many))
    pool = open_pool(many, step)
    half = matrix.learned_half(pool)
    assert len(result["rows"]) == {"family": 2, "generator": 8}[by]
    for one, row in zip(fits, result["rows"], strict=True):
        left = {name for name in GENERATORS if row["source"] in (name, GENERATORS[name]) and (by == "family" or name == row["source"])}
        assert set(row["generators"]) == left
        assert set(row["learned_from"]) == set(GENERATORS) - left
        assert np.array_equal(one["learned"], np.flatnonzero(~np.isin(pool.generators, list(left)) & half))
        assert {numbers["n"] for numbers in row["generators"].values()} == {24}


# ---- scaling


def test_scaling_learns_from_as_many_images_as_it_says_of_generators_that_are_judged_nowhere(many, fits):
    step = scaling.StudyScaling(*LOSSLESS, k=(1, 2, 4), repeats=3, more_images=(40, 60), seed=2)
    result = step.run(Context(many))
    pool = open_pool(many, step)
    held_out = set(result["held_out"])
    assert held_out | set(result["trained_from"]) == set(GENERATORS)
    units = [repeat | {"point": point} for point in result["points"] for repeat in point["repeats"]]
    assert len(units) == len(fits)
    assert all(not set(pool.generators[one["learned"]]) & held_out for one in fits)
    assert sorted(len(one["learned"]) for one in fits) == sorted(unit["n_fakes"] for unit in units)
    for point in result["points"]:
        for repeat in point["repeats"]:
            assert set(shelves.scores_of(many, result["study"], repeat["unit"])["generator"]) == held_out
            wanted = point["images"] or 24 * point["k"]
            assert (len(repeat["learned_from"]), repeat["n_fakes"]) == (point["k"], wanted)
            assert set(repeat["learned_from"]) <= set(result["trained_from"])
        families = {len({GENERATORS[name] for name in repeat["learned_from"]}) for repeat in point["repeats"]}
        assert families == {1} if point["arm"] == "family" else families if point["arm"] == "random" else families == {min(2, point["k"])}
    by_images = {point["images"] for point in result["points"] if point["k"] == 4 and point["arm"] == "random"}
    assert by_images == {0, 24, 40, 60}
    assert {one["seed"] for one in fits} == {2, 3, 4}  # another fit in each repeat


def test_a_point_of_scaling_is_mean_deviation_and_range_over_its_repeats():
    def unit(repeat, value):
        numbers = {name: {"value": value} for name in judging.MEASURES}
        return {"arm": "random", "k": 2, "images": 24, "repeat": repeat, "learned_from": [], "n_fakes": 24, "macro": numbers, "pooled": numbers}

    (point,) = scaling.points([unit(0, 0.6), unit(1, 0.9), unit(2, None), unit(3, 0.9)])
    assert point["n_repeats"] == 4
    assert point["mean"]["auc"] == pytest.approx({"value": 0.8, "sd": 0.3 / np.sqrt(3), "low": 0.6, "high": 0.9})
    (alone,) = scaling.points([unit(0, 0.6)])
    assert alone["pooled"]["auc"]["sd"] is None


# ---- dealing


def test_deals_differ_with_the_seed_and_are_even():
    deals = {tuple(sorted(splitting.deal(GENERATORS, 2, seed)[0])) for seed in range(6)}
    assert len(deals) > 1
    for seed in range(6):
        hands = splitting.deal(GENERATORS, 3, seed)
        assert sorted(map(len, hands)) == [2, 3, 3]
        assert splitting.deal(GENERATORS, 3, seed) == hands


def test_generators_that_belong_together_share_a_side_whatever_the_seed():
    together = splitting.parsed_together("board-a+board-d, stripe-b + stripe-c")
    assert together == (("board-a", "board-d"), ("stripe-b", "stripe-c"))
    for seed in range(12):
        hands = [set(hand) for hand in splitting.deal(GENERATORS, 2, seed, together)]
        assert all(set(group) <= hands[0] or set(group) <= hands[1] for group in together)
        assert sorted(hands[0] | hands[1]) == sorted(GENERATORS)


def test_a_diverse_subset_takes_from_each_family_in_turn():
    families = {f"{family}{n}": family for family, count in (("large", 9), ("small", 2), ("single", 1)) for n in range(count)}
    for seed in range(8):
        chosen = splitting.subset(sorted(families), families, 4, "diverse", np.random.default_rng(seed))
        count = {family: sum(families[name] == family for name in chosen) for family in ("large", "small", "single")}
        assert count["single"] == 1
        assert sorted((count["large"], count["small"])) == [1, 2]


# ---- judging


def test_thresholds_come_from_the_threshold_reals_and_numbers_from_the_test_reals():
    threshold_reals = np.arange(-100, 0) / 10  # −10 … −0.1: 5 % of them lie above −0.595
    scores = Scores(np.array([-0.7, -0.5, -0.3, 0.2]), threshold_reals, np.array([-3.0, -0.55, -0.4, 1.0]))
    assert scores.threshold == pytest.approx(-0.595)
    found = judging.summary(scores, {"a": np.array([0, 1]), "b": np.array([2, 3])})
    assert found["pooled"]["recall"]["value"] == 3 / 4
    assert found["pooled"]["recall_at_half"]["value"] == 1 / 4
    assert found["false_positives"]["at_threshold"]["value"] == 3 / 4
    assert found["false_positives"]["at_half"]["value"] == 1 / 4
    assert found["pooled"]["accuracy"]["value"] == (1 / 4 + 3 / 4) / 2
    assert found["pooled"]["auc"]["value"] == (1 + 2 + 3 + 3) / 16
    assert [found["generators"][name]["recall"]["value"] for name in "ab"] == [1 / 2, 1]
    assert found["macro"]["recall"]["value"] == 3 / 4
    assert found["macro"]["auc"]["value"] == pytest.approx((3 / 8 + 6 / 8) / 2)
    assert (found["n_reals"], found["pooled"]["n"], found["macro"]["n"]) == (4, 4, 2)


def test_a_score_of_exactly_the_threshold_is_called_fake():
    found = judging.summary(Scores(np.array([0.0, -1.0]), np.zeros(20), np.array([0.0, -1.0, -1.0, -1.0])), {"a": np.array([0, 1])})
    assert found["false_positives"]["at_threshold"]["value"] == found["false_positives"]["at_half"]["value"] == 1 / 4
    assert found["pooled"]["recall"]["value"] == found["pooled"]["recall_at_half"]["value"] == 1 / 2
    assert found["pooled"]["accuracy"]["value"] == (1 / 2 + 3 / 4) / 2


def test_a_macro_average_weighs_a_small_generator_like_a_large_one():
    scores = Scores(np.r_[np.ones(90), -np.ones(10)], np.zeros(20), np.zeros(20))
    found = judging.summary(scores, {"large": np.arange(90), "small": np.arange(90, 100)})
    assert found["macro"]["auc"]["value"] == found["macro"]["recall_at_half"]["value"] == 0.5
    assert found["pooled"]["auc"]["value"] == 0.9
    assert found["pooled"]["accuracy"]["value"] == pytest.approx(0.45)  # no real is cleared; of all images .75 are right
    assert found["macro"]["recall_at_half"]["low"] == 0  # over generators
    assert found["macro"]["recall_at_half"]["high"] == 1


# ---- the pool


def test_no_real_that_is_judged_on_was_learned_from_even_where_the_dataset_has_it_in_both_splits(many):
    pool = open_pool(many, Source(*LOSSLESS))
    train = {picture.tobytes() for part in (pool.train_reals, pool.threshold_reals) for picture in part}
    assert len(train) == TRAIN  # those held out for validation as well
    assert len(pool.test_reals) == TEST - IN_BOTH
    assert not train & {picture.tobytes() for picture in pool.test_reals}
    assert not {p.tobytes() for p in pool.train_reals} & {p.tobytes() for p in pool.threshold_reals}
    assert 0.1 < len(pool.threshold_reals) / TRAIN < 0.35


def test_places_lead_back_to_the_stored_images(many):
    pool = open_pool(many, Source(*LOSSLESS))
    images = ImageSet.open(many, "photos").pixels("test")
    assert all(np.array_equal(images[row], picture) for (_, row), picture in zip(pool.real_places, pool.test_reals, strict=True))
    assert set(pool.real_places[:, 0].tolist()) == {1}
    fakes = ImageSet.open(many, "many").pixels("test")
    assert all(np.array_equal(fakes[row], picture) for (_, row), picture in zip(pool.places, pool.fakes, strict=True))


def test_what_is_stored_as_jpeg_is_not_compressed_a_second_time(many):
    once = open_pool(many, Source("compressed", "many"))
    stored = ImageSet.open(many, "compressed").pixels("test")
    assert np.array_equal(once.test_reals, stored[once.real_places[:, 1]])
    plain = open_pool(many, Source(*LOSSLESS))
    assert not np.array_equal(once.fakes, plain.fakes)  # the fakes are lossless and were compressed
    assert once.digest != plain.digest


def test_a_generator_with_few_images_or_without_a_name_is_left_out(many):
    few = [NewImage(encode_png(drawn(1, 0, n)), 1, split="test", generator=name, family="f") for name, count in (("a", 20), ("b", 19), ("c", 25), ("", 30)) for n in range(1000 * (ord(name or "z")), 1000 * ord(name or "z") + count)]
    new_image_set(many, "few", few)
    assert open_pool(many, Source("photos", "few", "lossless", "photos")).counts() == {"a": 20, "c": 25}
    assert open_pool(many, Source("photos", "few", "lossless", "photos", ())).names == ["a", "c"]


def test_a_fake_that_is_there_twice_counts_once(many):
    twice = [NewImage(encode_png(drawn(1, number, n % 21)), 1, split="test", generator=name, family="f") for number, name in enumerate("ab") for n in range(24)]
    new_image_set(many, "twice", twice)
    assert open_pool(many, Source("photos", "twice", "lossless", "photos")).counts() == {"a": 21, "b": 21}


def test_reals_of_one_split_are_parted_and_too_few_are_refused(many):
    new_image_set(many, "one-split", [NewImage(encode_png(drawn(0, n % 10, n)), 0, n % 10, "train") for n in range(240)])
    pool = open_pool(many, Source("one-split", "many", "lossless"))
    sides = [{picture.tobytes() for picture in part} for part in (pool.train_reals, pool.threshold_reals, pool.test_reals)]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 240
    assert 90 < len(sides[2]) < 150
    new_image_set(many, "small", [NewImage(encode_png(drawn(0, n % 10, n)), 0, n % 10, "train") for n in range(60)])
    with pytest.raises(Refused, match="too few real photographs"):
        open_pool(many, Source("small", "many", "lossless"))


# ---- codecs and finished runs


def test_each_path_of_the_codec_study_compares_what_it_says(many, monkeypatch):
    taken = {}

    def fit(bench, rows, *_):
        pool = bench.pool
        taken.setdefault(pool.digest, (pool, rows))
        return _scores(pool, rows, 2.0, 1.0)

    monkeypatch.setattr(codec, "fit", fit)
    result = codec.StudyCodec("compressed", "many", "jpeg", "photos", (), "residual", repeats=1).run(Context(many))
    assert [row["path"] for row in result["paths"]] == list(codec.PATHS)
    lossless, jpeg, ours, trap, encoder = (pool for pool, _ in taken.values())
    fakes, photos, compressed = (ImageSet.open(many, name).pixels("test") for name in ("many", "photos", "compressed"))
    assert np.array_equal(lossless.fakes, fakes)
    assert np.array_equal(lossless.test_reals, photos[lossless.real_places[:, 1]])
    assert np.array_equal(jpeg.test_reals, compressed[jpeg.real_places[:, 1]])
    assert np.array_equal(jpeg.fakes, ours.fakes)
    assert not np.array_equal(jpeg.fakes, fakes)
    assert np.array_equal(trap.fakes, fakes)  # the mistake: lossless against JPEG
    assert np.array_equal(trap.test_reals, jpeg.test_reals)
    assert set(encoder.generators) == {"learned", "judged"}
    assert np.array_equal(encoder.fakes, np.concatenate([ours.train_reals, ours.test_reals]))
    assert np.array_equal(encoder.test_reals, jpeg.test_reals)
    pool, rows = list(taken.values())[-1]
    assert set(pool.generators[rows]) == {"learned"}
    assert len({pool.digest for pool in (lossless, jpeg, ours, trap, encoder)}) == 5


def test_a_run_is_scored_on_the_pool_s_own_parts_and_its_spread_is_that_over_runs(many, monkeypatch):
    pool = open_pool(many, Source(*LOSSLESS))
    asked = []
    monkeypatch.setattr(transfer.shards, "over", lambda _ray, _run, part, *_: asked.append(part) or [np.zeros(len(part))])
    transfer.scored(None, None, pool, lambda *_: None)
    assert all(one is other for one, other in zip(asked, (pool.fakes, pool.threshold_reals, pool.test_reals), strict=True))
    estimate = lambda value: {"value": value}  # noqa: E731

    def row(own, found, macro, accused):
        return {
            "own": {"accuracy": own}, "pooled": {"recall_at_half": estimate(found), "auc": estimate(0.5)},
            "macro": {"recall_at_half": estimate(macro), "auc": estimate(0.6)}, "false_positives": {"at_half": estimate(accused)},
        }  # fmt: skip

    found = transfer._spread([row(0.9, 0.2, 0.1, 0.05), row(0.8, 0.4, 0.3, 0.03)])
    assert found["found"] == {"mean": pytest.approx(0.3), "sd": pytest.approx(0.2 / np.sqrt(2)), "n": 2}
    assert found["found_macro"]["mean"] == pytest.approx(0.2)
    assert found["own_accuracy"]["mean"] == pytest.approx(0.85)
    assert found["accused"]["mean"] == pytest.approx(0.04)
    assert (found["auc_macro"]["mean"], found["auc_pooled"]["mean"]) == (0.6, 0.5)
    assert transfer._spread([row(0.9, 0.2, 0.1, 0.05)])["found"]["sd"] is None


def test_another_codec_or_other_names_of_generators_are_another_pool(many):
    plain = open_pool(many, Source("photos", "many", "lossless"))
    assert plain.digest != open_pool(many, Source("photos", "many", "jpeg")).digest
    assert plain.digest != open_pool(many, Source("photos", "many", "lossless", exclude=("board-a",))).digest


def test_another_pool_is_another_study(many):
    step = matrix.StudyMatrix(*LOSSLESS)
    one, other = shelves.Shelf.of(many, "matrix", step, "a"), shelves.Shelf.of(many, "matrix", step, "b")
    again = shelves.Shelf.of(many, "matrix", dataclasses.replace(step, seed=1), "a")
    assert len({one.folder, other.folder, again.folder}) == 3
