"""Sources of generators: read from a file and never guessed, kept on one side of every split, counted where they are not."""

import json
import shutil

import numpy as np
import pytest

from cifake_core.errors import BadInput, Refused
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_jpeg, encode_png
from cifake_core.images.schema import NewImage
from cifake_core.metrics import ranking
from cifake_core.step import Context
from cifake_core.studies.unseen import conclusions, splitting
from cifake_core.studies.unseen.codec import StudyCodec
from cifake_core.studies.unseen.groups import groups_of, read_groups, said_of_sharing, shared_sources
from cifake_core.studies.unseen.matrix import StudyLeaveOneOut
from cifake_core.studies.unseen.recipe import StudyRecipe
from cifake_core.studies.unseen.scaling import StudyScaling
from tests.conftest import drawn
from tests.many_generators import GENERATORS, fake, many_images

# four repositories: one with three boards, one with a board and a stripe, one with two stripes, one alone
SOURCES = {"board-a": "lab/one", "board-b": "lab/one", "board-c": "lab/one", "board-d": "lab/two", "stripe-a": "lab/two", "stripe-b": "lab/three", "stripe-c": "lab/three", "stripe-d": "lab/four"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Photographs as PNG, and eight generators of two families with 24 images each."""
    from cifake_core.store.workspace import Workspace

    home = Workspace(tmp_path_factory.mktemp("grouped"))
    many_images(home)
    splits = ("train",) * 160 + ("test",) * 80
    for name, encode in (("photos", encode_jpeg), ("lossless", encode_png)):
        new_image_set(home, name, [NewImage(encode(drawn(0, n % 10, n)), 0, n % 10, split) for n, split in enumerate(splits)])
    return home


@pytest.fixture
def many(made, workspace):
    shutil.copytree(made.home, workspace.home)
    return workspace


ASKED = ("photos", "many", "lossless", "lossless")


# ---- the file


def test_a_csv_and_a_json_file_say_the_same():
    csv = "generator,source\n" + "".join(f"{name}, {source} \n" for name, source in SOURCES.items()) + "\n"
    assert read_groups(csv.encode(), "groups.csv") == SOURCES
    assert read_groups(b"\xef\xbb\xbf" + json.dumps(SOURCES).encode(), "groups.json") == SOURCES


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"name,repository\na,b\n", "its first line must be generator,source"),
        (b"", "its first line must be generator,source"),
        (b"generator,source\na,b,c\n", "Row 2 of 'g.csv' has 3 cells"),
        (b"generator,source\na,b\na,c\n", "names a more than once"),
        (b'{"a": "b", "a": "c"}', "names a more than once"),
        (b"generator,source\na,\n", "give no source for a"),
        (b'{"a": 3}', "give no source for a"),
        (b'["a"]', "holds a JSON list"),
        (b"{nonsense", "no valid JSON"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
    ],
)
def test_what_is_no_file_of_groups_is_refused_in_one_sentence(data, said):
    with pytest.raises(BadInput, match=said):
        read_groups(data, "g.csv")


def test_unknown_and_missing_generators_are_named_and_never_guessed(many):
    groups = {name: source for name, source in SOURCES.items() if name not in ("board-a", "stripe-d")} | {"bord-a": "lab/one"}
    with pytest.raises(BadInput, match="name bord-a, which 'many' does not have and lack board-a, stripe-d, which it has"):
        StudyRecipe(*ASKED, candidates=("residual",), references=(), groups=groups).run(Context(many))
    others = {n: s for n, s in SOURCES.items() if n != "stripe-d"}
    without = StudyScaling(*ASKED, ("stripe-d",), k=(1,), repeats=1, more_images=(), groups=others)
    assert without.run(Context(many))["sources"] == others  # what is left out needs no source
    with pytest.raises(BadInput, match="come from one source, 'lab/one'"):
        StudyRecipe(*ASKED, groups=dict.fromkeys(GENERATORS, "lab/one")).run(Context(many))


def test_a_dataset_that_records_sources_gives_the_groups(workspace):
    def images(source_of):
        return [NewImage(encode_png(fake(name, n)), 1, split="test", generator=name, provenance={"source": source_of(name, n)}) for name in ("board-a", "stripe-a") for n in range(3)]

    told = new_image_set(workspace, "told", images(lambda name, _n: SOURCES[name]))
    assert groups_of(told) == {"board-a": "lab/one", "stripe-a": "lab/two"}
    torn = new_image_set(workspace, "torn", images(lambda name, n: f"{name}-{n % 2}"))
    with pytest.raises(Refused, match="several sources for board-a, stripe-a"):
        groups_of(torn)
    assert groups_of(many_images(workspace, 2)) == {}


def test_a_column_source_of_a_parquet_file_is_kept_at_import(workspace, tmp_path):
    import pandas as pd

    from cifake_core.images.importing import ImportImages

    rows = [
        {"image_name": f"{name}/{n}.png", "image_data": encode_png(fake(name, n)), "model_name": name, "label": 1, "format": "PNG", "resolution": [32, 32], "mode": "RGB", "nsfw_flag": False,
         "prompt": "", "real_source": "", "subset": "", "split": "eval", "architecture": "GAN", "source": SOURCES[name]}
        for name in ("board-a", "stripe-a") for n in range(3)
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(tmp_path / "some.parquet")
    ImportImages((str(tmp_path / "some.parquet"),), "some").run(Context(workspace))
    from cifake_core.images.image_set import ImageSet

    assert groups_of(ImageSet.open(workspace, "some")) == {"board-a": "lab/one", "stripe-a": "lab/two"}


# ---- dealing


def test_no_source_lies_in_two_hands_and_what_belongs_together_joins_sources():
    for seed in range(20):
        hands = splitting.deal(GENERATORS, 2, seed, sources=SOURCES)
        assert sorted(hands[0] + hands[1]) == sorted(GENERATORS)
        assert all(hands)
        assert not {SOURCES[name] for name in hands[0]} & {SOURCES[name] for name in hands[1]}
        joined = splitting.deal(GENERATORS, 2, seed, (("board-a", "stripe-d"),), SOURCES)
        assert any({"board-a", "board-b", "board-c", "stripe-d"} <= set(hand) for hand in joined)
    assert len({tuple(sorted(splitting.deal(GENERATORS, 2, seed, sources=SOURCES)[0])) for seed in range(20)}) > 1
    with pytest.raises(BadInput, match="4 sources cannot be dealt in 5 parts"):
        splitting.deal(GENERATORS, 5, 0, sources=SOURCES)


def test_without_sources_generators_are_dealt_as_ever():
    assert splitting.deal(GENERATORS, 2, 3, sources={}) == splitting.deal(GENERATORS, 2, 3)
    apart = [{SOURCES[name] for name in hand} for hand in splitting.deal(GENERATORS, 2, 3)]
    assert apart[0] & apart[1]  # so the tests above would notice a deal that ignores sources


# ---- counting


def test_held_out_generators_that_share_a_source_are_counted():
    found = shared_sources(SOURCES, ["board-a", "stripe-b"], ["board-b", "stripe-c", "stripe-d"])
    assert found == {"sharing": 2, "of": 3, "names": ["board-b", "stripe-c"]}
    assert "2 of the 3 held-out generators come from" in said_of_sharing(found)
    assert "None of the 1 held-out" in said_of_sharing(shared_sources(SOURCES, ["board-a"], ["stripe-d"]))
    assert "not known" in said_of_sharing(shared_sources({}, ["board-a"], ["board-b"]))


# ---- intervals


def test_an_interval_over_sources_draws_them_whole():
    """Two sources whose generators agree: the mean is that of the first, of the second, or of both, half of the time."""
    draws = [np.array([v]) for v in (0.6, 0.6, 0.6, 1.0)]
    values = [0.6, 0.6, 0.6, 1.0]
    alone = ranking.macro(draws, values)
    grouped = ranking.macro(draws, values, ["a", "a", "a", "b"])
    assert grouped.value == alone.value == pytest.approx(0.7)
    assert (grouped.low, grouped.high) == pytest.approx((0.6, 1.0))
    assert alone.high < 0.95
    one = ranking.macro(draws, values, ["a"] * 4)
    assert (one.low, one.high) == pytest.approx((0.7, 0.7))


# ---- the studies


def _apart(learned, held_out):
    return not {SOURCES[name] for name in learned} & {SOURCES[name] for name in held_out}


def test_the_recipe_keeps_sources_apart_and_reports_the_ungrouped_figure_beside_it(many):
    step = StudyRecipe(*ASKED, candidates=("residual",), references=(), groups=SOURCES, seed=3)
    with pytest.raises(BadInput, match="2 sources cannot be dealt in 3 parts|1 sources cannot"):
        step.run(Context(many))  # half of four sources, in three folds


@pytest.fixture
def six():
    """A source each for boards and stripes, in twos: eight generators of seven sources."""
    return dict(zip(GENERATORS, ("s1", "s1", "s2", "s3", "s4", "s5", "s6", "s7"), strict=True))


def test_the_recipe_of_sources_kept_apart_stands_beside_the_one_where_they_are_not(many, six):
    result = StudyRecipe(*ASKED, candidates=("residual",), references=(), groups=six).run(Context(many))
    ours, held_out = result["choose_generators"], result["report_generators"]
    assert not {six[n] for n in ours} & {six[n] for n in held_out}
    assert result["shared"]["sharing"] == 0
    for fold in result["folds"]:
        assert not {six[n] for n in fold} & {six[n] for n in ours if n not in fold}
    plain = StudyRecipe(*ASKED, candidates=("residual",), references=()).run(Context(many))
    assert result["ungrouped"]["study"] == plain["study"] != result["study"]
    assert result["ungrouped"]["report"] == plain["report"]["macro"]
    assert result["ungrouped"]["shared"] == shared_sources(six, plain["choose_generators"], plain["report_generators"])
    assert (plain["shared"], plain["ungrouped"], plain["sources"]) == (None, None, {})
    said = conclusions.of_groups(result)
    assert said[0].startswith("Sources kept apart (7 sources): macro AUC")
    assert said[2].startswith(f"Sources on both sides, for comparison: macro AUC {plain['report']['macro']['auc']['value']:.3f}")
    assert conclusions.of_groups(plain) == [said_of_sharing(None)]


def test_scaling_learns_from_no_source_that_is_held_out(many):
    result = StudyScaling(*ASKED, detector="residual", k=(1, 2), repeats=1, more_images=(), groups=SOURCES).run(Context(many))
    assert _apart(result["trained_from"], result["held_out"])
    assert result["ungrouped"]["shared"]["of"] == 4
    assert len(conclusions.of_groups(result)) == 4


def test_leaving_a_generator_out_leaves_its_source_out(many):
    result = StudyLeaveOneOut(*ASKED, by="generator", groups=SOURCES).run(Context(many))
    assert {row["source"] for row in result["rows"]} == set(GENERATORS)
    for row in result["rows"]:
        assert _apart(row["learned_from"], [row["source"]])
        assert set(row["learned_from"]) == {name for name in GENERATORS if SOURCES[name] != SOURCES[row["source"]]}
    assert sum(one["sharing"] for one in result["ungrouped"]["shared"]) == 7
    assert "7 of the 8 held-out generators (over 8 splits)" in conclusions.of_groups(result)[-1]


def test_a_source_can_be_left_out_whole_and_only_where_sources_are_known(many):
    result = StudyLeaveOneOut(*ASKED, by="source", groups=SOURCES).run(Context(many))
    assert {row["source"]: set(row["generators"]) for row in result["rows"]}["lab/two"] == {"board-d", "stripe-a"}
    assert all(_apart(row["learned_from"], row["generators"]) for row in result["rows"])
    assert result["ungrouped"] is None
    with pytest.raises(BadInput, match="give groups"):
        StudyLeaveOneOut(*ASKED, by="source")


def test_leaving_a_family_out_is_refused_where_nothing_else_is_left(many):
    groups = SOURCES | {"stripe-b": "lab/one", "stripe-d": "lab/one", "stripe-c": "lab/one"}
    with pytest.raises(BadInput, match="no generator is left to learn from"):
        StudyLeaveOneOut(*ASKED, by="family", groups=groups).run(Context(many))


def test_every_deal_of_the_codec_study_keeps_sources_apart(many):
    result = StudyCodec("photos", "many", "jpeg", "lossless", (), "residual", repeats=2, groups=SOURCES).run(Context(many))
    assert [one["sharing"] for one in result["shared"]] == [0, 0]
    assert sum(one["of"] for one in result["ungrouped"]["shared"]) == 8
    assert [path["path"] for path in result["ungrouped"]["paths"]] == [path["path"] for path in result["paths"]]


def test_groups_change_which_study_it_is_and_none_is_the_study_of_before(many):
    """A request without groups has the digest it had before there were any: what earlier versions stored is found."""
    from cifake_core.studies.unseen.shelves import Shelf

    plain = StudyRecipe(*ASKED, candidates=("residual",), references=())
    assert Shelf.of(many, "recipe", plain, "abc").folder.name == "recipe-e1fe8e2d1d20"
    assert Shelf.of(many, "recipe", StudyRecipe(*ASKED, candidates=("residual",), references=(), groups=SOURCES), "abc") != Shelf.of(many, "recipe", plain, "abc")
