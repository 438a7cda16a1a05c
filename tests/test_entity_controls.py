"""The controls of the entity test, by hand: another image's mask, two flat colours, the seam, reals and fakes apart."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cifake_core.explanations import entity, entity_words, needing, treating
from cifake_core.explanations.needing import OTHER, SAME, Scene
from cifake_core.explanations.resampling import Resampled

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.int8)


def scene_of(pixels, masks, labels=LABELS, seed=0):
    return Scene(SimpleNamespace(), pixels, masks, labels, np.zeros(len(labels), np.int8), seed)


@pytest.fixture
def two_halves():
    """Eight pictures of 4 × 4: the left half is the entity, the right half the background; the label is the colour of both."""
    masks = np.zeros((8, 4, 4), bool)
    masks[:, :, :2] = True
    pixels = np.repeat(LABELS[:, None, None, None] * np.uint8(200), 3, 1) + np.zeros((8, 3, 4, 4), np.uint8)
    return scene_of(pixels, masks)


def looks_at(monkeypatch, column):
    monkeypatch.setattr(needing, "logits_of", lambda _detector, images: 10 * images[:, 0, 0, column] - 3)


def test_a_swap_keeps_the_entity_and_takes_the_other_background():
    mask = np.zeros((1, 2, 2), bool)
    mask[0, 0, 0] = True
    mixed = treating.swapped(np.ones((1, 3, 2, 2)), mask, np.zeros((1, 3, 2, 2)))
    assert mixed[0, 0].tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(("column", "entity_area", "background_area", "follows"), [(0, 1, 0.5, 1), (3, 0.5, 1, 0)])
def test_swaps_tell_a_network_of_entities_from_one_of_backgrounds(monkeypatch, two_halves, column, entity_area, background_area, follows):
    looks_at(monkeypatch, column)
    swaps = needing.logits_under_swap(two_halves)
    tally = entity.Tally(two_halves, two_halves.score(two_halves.images(slice(None))), 0)
    swap = tally.swapped(swaps)
    assert swap["auc_of_entity"]["value"] == entity_area
    assert swap["auc_of_background"]["value"] == background_area
    assert swap["entity_over_background"]["value"] == entity_area - background_area
    assert {group: swap["follows_entity"][group]["value"] for group in ("all", "real", "fake")} == dict.fromkeys(("all", "real", "fake"), follows)
    assert swap["accuracy_same_label"]["all"]["value"] == 1
    assert swap["seam_cost"]["real"]["value"] == 0


def test_areas_of_swaps_hold_the_other_half_fixed():
    """A real entity scores 0 before a real and 2 before a fake background; a fake one 1 and 3: each half ranks perfectly."""
    other, same = np.array([2.0, 2, 1, 1]), np.array([0.0, 0, 3, 3])
    labels = np.array([0, 0, 1, 1])
    of_entity, of_background = entity._areas_of_swaps(Resampled(labels, 50), other, same, labels)
    assert (of_entity.value, of_background.value) == (1, 1)
    upside_down, _ = entity._areas_of_swaps(Resampled(labels, 50), np.array([2.0, 2, -1, -1]), same, labels)
    assert upside_down.value == 0.5  # before real backgrounds fakes score below reals, before fake ones above


def test_what_the_seam_costs_is_told_by_label(two_halves):
    tally = entity.Tally(two_halves, np.where(LABELS == 1, 1.0, -1.0), 0)
    swap = tally.swapped({OTHER: np.ones(8), SAME: np.ones(8)})  # every seam looks fake
    assert (swap["seam_cost"]["real"]["value"], swap["seam_cost"]["fake"]["value"]) == (1, 0)
    assert (swap["follows_entity"]["real"]["value"], swap["follows_entity"]["fake"]["value"]) == (0, 1)


def test_costs_are_towards_the_truth_and_held_against_another_image_s_mask(two_halves):
    """Flattened entities lose 3 logits of their truth, backgrounds 1; by another's mask 2 and 1."""
    signs = 2.0 * LABELS - 1
    tally = entity.Tally(two_halves, 5 * signs, 0)
    names = ("entity part", "background part", "permuted entity part", "permuted background part")
    logits = {("mean", name): signs * left for name, left in zip(names, (2, 4, 3, 4), strict=True)}
    row = tally.equal("mean", logits)
    for group in ("all", "real", "fake"):
        assert row["entity_costs_more_logit"][group]["value"] == pytest.approx(2)
        assert row["permuted_costs_more_logit"][group]["value"] == pytest.approx(1)
        assert row["excess_over_permuted"][group]["value"] == pytest.approx(1)
        assert row["entity_cost"][group]["value"] == pytest.approx(3)
        assert row["permuted_entity_cost"][group]["value"] == pytest.approx(2)
        assert row["entity_cost_over_permuted"][group]["value"] == pytest.approx(1)


def test_each_mask_is_given_to_another_image_of_its_class_and_label():
    labels, classes = np.repeat([0, 1, 0, 1], 5).astype(np.int8), np.repeat([0, 0, 1, 1], 5).astype(np.int8)
    scene = Scene(None, np.zeros((20, 3, 4, 4), np.uint8), np.zeros((20, 4, 4), bool), labels, classes)
    donors = scene.donors
    assert (donors != np.arange(20)).all()
    assert sorted(donors) == list(range(20))
    assert (labels[donors] == labels).all()
    assert (classes[donors] == classes).all()


def test_the_permuted_regions_are_those_of_the_donor_and_all_four_parts_are_equally_large():
    masks = np.zeros((8, 16, 16), bool)
    for row in range(8):
        masks[row, : 1 + row] = True
    scene = scene_of(np.zeros((8, 3, 16, 16), np.uint8), masks)
    regions, given = needing.regions(scene, slice(0, 8))
    assert given.all()
    np.testing.assert_array_equal(regions["permuted entity"], masks[scene.donors])
    np.testing.assert_array_equal(regions["permuted background"], ~masks[scene.donors])
    sizes = {name: regions[name].sum((1, 2)).tolist() for name in regions if name.endswith("part")}
    assert len(sizes) == 4
    assert len(set(map(tuple, sizes.values()))) == 1
    own, another = masks.sum((1, 2)), masks[scene.donors].sum((1, 2))
    assert sizes["entity part"] == (np.minimum(own, another) // 2).tolist()
    assert not (regions["permuted entity part"] & ~masks[scene.donors]).any()


def test_a_network_that_looks_at_one_place_shows_no_excess_over_another_image_s_mask(monkeypatch):
    """Every entity lies in the middle, where this network looks, whatever lies there: its raw cost is all place."""
    random = np.random.default_rng(12345)  # not the stream that pieces are drawn from
    labels = np.repeat([0, 1], 40).astype(np.int8)
    masks = np.zeros((80, 16, 16), bool)
    for mask in masks:
        top, left = random.integers(3, 6, 2)
        mask[top : top + 8, left : left + 8] = True
    pixels = random.integers(0, 80, (80, 3, 16, 16)).astype(np.uint8) + labels[:, None, None, None] * np.uint8(100)
    monkeypatch.setattr(needing, "logits_of", lambda _detector, images: 40 * images[:, 0, 7:9, 7:9].std((1, 2)) * np.where(images.mean((1, 2, 3)) > 0.3, 1, -1))
    scene = scene_of(pixels, masks, labels)
    logits = needing.logits_under_treatment(scene)
    row = entity.Tally(scene, logits["none", "everywhere"], 0).equal("mean", logits)
    assert row["entity_costs_more_logit"]["all"]["low"] > 0.5
    excess = row["excess_over_permuted"]["all"]
    assert excess["low"] < 0 < excess["high"]


def test_maps_are_held_against_another_image_s_mask_less_its_area(two_halves):
    tally = entity.Tally(two_halves, 5.0 * LABELS - 2, 0)
    tally.permuted_area = np.full(8, 0.25)
    shares, random = {"entity": np.full(8, 0.7), "permuted": np.full(8, 0.4)}, {"entity": np.full(8, 0.6), "permuted": np.full(8, 0.32)}
    row = tally.placed("gradcam", "relu", shares, random)
    assert row["excess"]["all"]["value"] == pytest.approx(0.2)
    assert row["permuted_excess"]["all"]["value"] == pytest.approx(0.15)
    assert row["excess_over_permuted"]["all"]["value"] == pytest.approx(0.05)
    assert row["excess_over_random"]["all"]["value"] == pytest.approx(0.1)
    assert row["excess_over_both"]["all"]["value"] == pytest.approx(0.02)  # .3 more than by another's mask, of which .28 are any map's
    assert tally.placed("randomcam", "relu", shares, random)["excess_over_random"] is None


def test_floors_hold_two_colours_an_image_and_the_outline_the_same_two_in_all(monkeypatch):
    random = np.random.default_rng(0)
    masks = np.zeros((8, 4, 4), bool)
    masks[:, :2, :3] = True
    scene = scene_of(random.integers(0, 255, (8, 3, 4, 4)).astype(np.uint8), masks)
    seen = []
    monkeypatch.setattr(needing, "logits_of", lambda _detector, images: seen.append(images) or np.zeros(len(images), np.float32))
    needing.logits_under_treatment(scene)
    images, flat, outline = seen[:3]
    np.testing.assert_allclose(flat[2, :, 0, 0], images[2, :, :2, :3].mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(flat[2, :, 3, 3], images[2][:, ~masks[2]].mean(1), rtol=1e-5)
    assert len(np.unique(flat[2, 0])) == 2
    assert (outline == outline[:1]).all()
    np.testing.assert_allclose(outline[0, :, 0, 0], images[:, :, :2, :3].mean((0, 2, 3)), rtol=1e-5)


def test_one_region_alone_is_held_against_the_floors_and_another_s_region_pairwise(two_halves):
    tally = entity.Tally(two_halves, 5.0 * LABELS - 2, 0)
    perfect, useless = LABELS * 1.0, np.zeros(8)
    logits = {("mean", "background"): perfect, ("mean", "entity"): useless, ("mean", "permuted background"): perfect, ("mean", "permuted entity"): perfect}
    logits |= {("flat", "everywhere"): useless, ("outline", "everywhere"): np.array([0.0, 0, 0, 1, 0, 1, 1, 1])}
    row = tally.alone("entity", logits)  # what is left when the background is flat
    assert row["auc"]["value"] == 1
    assert {name: control["value"] for name, control in row["controls"].items()} == {"flat": 0.5, "outline": 0.75, "permuted": 1}
    assert {name: gain["value"] for name, gain in row["above"].items()} == {"flat": 0.5, "outline": 0.25, "permuted": 0}
    assert (row["above"]["permuted"]["low"], row["above"]["permuted"]["high"]) == (0, 0)
    assert tally.alone("background", logits)["above"]["permuted"]["value"] == -0.5


def test_areas_equal_scikit_learn_s_leave_out_what_is_no_number_and_differ_pairwise():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    scores = (random.normal(size=100) + labels).round(1)  # with ties
    scores[3] = np.nan
    resampled = Resampled(labels, 300)
    found = resampled.ranked_by(scores, labels)
    kept = np.isfinite(scores)
    assert found.value == pytest.approx(roc_auc_score(labels[kept], scores[kept]))
    assert found.n == 99
    weights = resampled._counts[7]
    assert found.draws[7] == pytest.approx(roc_auc_score(labels[kept], scores[kept], sample_weight=weights[kept]))
    other = resampled.ranked_by(scores + 1, labels)
    assert (found - other).as_dict() == {"value": 0, "low": 0, "high": 0, "n": 99}
    assert resampled.ranked(np.full(100, np.nan), scores).as_dict()["value"] is None


# --- in words -----------------------------------------------------------------------------------------------------------


def of(low, high):
    return {"value": (low + high) / 2, "low": low, "high": high, "n": 100}


UP, DOWN, OPEN = of(0.2, 0.4), of(-0.4, -0.2), of(-0.1, 0.1)


def result_of(floor=UP, permuted=UP, pieces=(UP, UP, UP), raw=(UP, UP, UP), maps=(UP, UP, UP), swap=None):
    """The parts of a result that the sentences read."""
    groups = ("all", "real", "fake")
    alone = {"auc": of(0.7, 0.8), "controls": dict.fromkeys(("flat", "outline", "permuted"), of(0.55, 0.6)), "above": {"flat": floor, "outline": UP, "permuted": permuted}}
    row = {"mass": {"all": of(0.3, 0.4)}, "area": {"all": of(0.2, 0.2)}}
    leans = dict(zip(("excess", "excess_over_random", "excess_over_both"), ({"all": each} for each in maps), strict=True))
    leans["excess_over_permuted"] = {"all": UP}
    return {
        "alone": [{"region": "entity", **alone}, {"region": "background", **alone}],
        "place": [{"title": "RandomCAM", **row, "excess_over_random": None}, {"title": "Grad-CAM", **row, **leans}],
        "equal": [
            {
                "treatment": treatment,
                "entity_costs_more_logit": dict(zip(groups, raw, strict=True)),
                "permuted_costs_more_logit": {"all": UP},
                "excess_over_permuted": dict(zip(groups, pieces, strict=True)),
            }
            for treatment in ("mean", "blur")
        ],
        "swap": swap or swap_of(),
        "accuracy": dict.fromkeys(groups, of(0.9, 0.96)),
        "n": 1000,
        "masks": {"source": "truth", "quality": None},
    }  # fmt: skip


WEAK, STRONG, LARGE = of(0.6, 0.7), of(0.8, 0.9), of(0.3, 0.4)


def swap_of(entity_auc=WEAK, background_auc=STRONG, over=DOWN, seam=LARGE):
    return {
        "auc_of_entity": entity_auc, "auc_of_background": background_auc, "entity_over_background": over,
        "follows_entity": {"real": of(0.04, 0.06), "fake": of(0.7, 0.8)}, "accuracy_same_label": {"real": of(0.5, 0.6), "fake": of(0.9, 0.95)},
        "seam_cost": {"real": seam, "fake": of(0, 0.01)}, "entity_area": {"all": of(0.2, 0.2)},
    }  # fmt: skip


def test_the_entity_informs_only_above_both_floors():
    above = entity_words.verdict(result_of())
    assert above["entity_informs"] is True
    assert "first half of the paper's claim does not hold" in above["verdict"]
    assert "above that floor" in above["sentences"]["alone"]
    below = entity_words.verdict(result_of(floor=OPEN))  # far above .5, and yet no more than two flat colours tell
    assert below["entity_informs"] is False
    assert "is not contradicted" in below["verdict"]
    assert "not shown to exceed that floor (0.00 (-0.10 to 0.10))" in below["sentences"]["alone"]
    unknown = entity_words.verdict(result_of(floor={"value": None, "low": None, "high": None, "n": 0}))
    assert unknown["entity_informs"] is None
    assert "could not be tested" in unknown["verdict"]


@pytest.mark.parametrize(
    ("permuted", "said"),
    [(UP, "counts beyond its usual place"), (DOWN, "more than the entity itself gives"), (OPEN, "is not shown to differ")],
)
def test_what_another_s_mask_leaves_is_said_beside_the_entity_alone(permuted, said):
    assert said in entity_words.verdict(result_of(permuted=permuted))["sentences"]["alone"]


@pytest.mark.parametrize(
    ("pieces", "maps", "focus", "said", "concluded"),
    [
        ((UP, UP, UP), (UP, UP, UP), "entity", "for reals and fakes alike the entity counts for more", "second half does not hold"),
        ((DOWN, DOWN, DOWN), (OPEN, DOWN, DOWN), "background", "for reals and fakes alike the background", "second half holds"),
        ((UP, UP, OPEN), (UP, UP, UP), None, "for reals the entity counts for more than its place explains, for fakes neither is shown to", "reals and fakes differ"),
        ((UP, OPEN, UP), (UP, UP, UP), None, "for fakes the entity counts for more than its place explains, for reals neither", "reals and fakes differ"),
        ((UP, UP, DOWN), (UP, UP, UP), None, "for reals the entity counts for more than its place explains, for fakes the background", "differ"),
        ((UP, OPEN, OPEN), (OPEN, UP, UP), None, "though for neither label alone", "is not settled"),
        ((OPEN, OPEN, OPEN), (UP, UP, UP), None, "neither is shown to count for more than its place explains", "is not settled"),
        ((UP, UP, UP), (DOWN, DOWN, DOWN), None, "alike the entity", "maps and removal disagree"),
    ],
)  # fmt: skip
def test_the_second_half_rests_on_the_excess_over_another_s_mask_by_label(pieces, maps, focus, said, concluded):
    found = entity_words.verdict(result_of(pieces=pieces, maps=maps))
    assert found["focus"] == focus
    assert said in found["sentences"]["pieces"]
    assert concluded in found["sentences"]["conclusion"]


def test_a_raw_cost_decides_nothing_and_is_told_by_label():
    found = entity_words.verdict(result_of(pieces=(OPEN, OPEN, OPEN)))  # every raw cost says entity
    assert (found["focus"], found["leans"]["equal pieces"]) == (None, None)
    found = entity_words.verdict(result_of(pieces=(OPEN, OPEN, OPEN), raw=(UP, UP, DOWN)))
    assert "for fakes alone, the reverse" in found["sentences"]["pieces"]
    nothing = entity_words.verdict(result_of(raw=(UP, UP, OPEN)))
    assert "for fakes alone, which shows nothing" in nothing["sentences"]["pieces"]
    assert "alone" not in entity_words.verdict(result_of())["sentences"]["pieces"]


def test_the_excess_is_told_for_both_treatments_and_nought_has_no_minus():
    said = entity_words.verdict(result_of(pieces=(UP, of(-0.104, 0.1), DOWN)))["sentences"]["pieces"]
    assert said.count("+0.30 (+0.20 to +0.40) (reals +0.00 (−0.10 to +0.10), fakes −0.30 (−0.40 to −0.20))") == 2
    assert "is not explained by place, and" in said


def test_maps_lean_only_if_area_random_and_another_s_mask_beyond_random_agree():
    assert entity_words.verdict(result_of())["leans"]["maps"] == "entity"
    for which in range(3):
        maps = [UP, UP, UP]
        maps[which] = OPEN
        found = entity_words.verdict(result_of(maps=maps))
        assert found["leans"]["maps"] is None
        assert "does not lean to one side by all three" in found["sentences"]["maps"]


def test_the_swap_leads_with_areas_and_says_when_the_seam_dominates():
    said = entity_words.verdict(result_of())["sentences"]["swap"]
    assert "by the entity's label with AUC 0.65 (0.60 to 0.70) and by the background's with 0.85" in said
    assert "both carry the label, the background more" in said
    assert "of reals only 55.0 % (50.0 to 60.0) stay right" in said
    assert "the seam alone turns verdicts over, so this agreement says little" in said
    assert "of fakes only" not in said
    mild = entity_words.swap_sentence(result_of(swap=swap_of(seam=of(0.02, 0.2))))
    assert "so the seam explains little of it" in mild
    one = entity_words.swap_sentence(result_of(swap=swap_of(entity_auc=of(0.45, 0.55))))
    assert "the background carries the label, for the entity that is not shown" in one
    none = entity_words.swap_sentence(result_of(swap=swap_of(entity_auc=of(0.45, 0.55), background_auc=of(0.4, 0.6))))
    assert "neither is shown to carry the label" in none
    equal = entity_words.swap_sentence(result_of(swap=swap_of(over=OPEN)))
    assert "neither is shown to carry it more" in equal


def test_a_verdict_from_rough_masks_says_so():
    given = result_of()
    for iou, rough in ((0.4, True), (0.8, False)):
        given["masks"] = {"source": "grabcut", "quality": {"iou": {"value": iou, "low": iou, "high": iou, "n": 9}}}
        assert ("masks this rough" in entity_words.verdict(given)["verdict"]) == rough
