"""Masks of the entity: the truth rendered again, guesses measured against it, and what people give."""

import numpy as np
import pytest
from PIL import Image

from cifake_core.errors import BadInput, NotFound
from cifake_core.explanations import masks, segmenting
from cifake_core.explanations.planting import PlantArtefacts
from cifake_core.generators.demo_world import render
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    from cifake_core.store.workspace import Workspace

    workspace = Workspace(tmp_path_factory.mktemp("planted"))
    PlantArtefacts("planted", "background", "patch", 1.0, 0.15, per_class=6, per_class_test=2).run(Context(workspace))
    return ImageSet.open(workspace, "planted"), workspace


def test_the_truth_is_rendered_again_from_what_each_image_remembers(planted):
    part = planted[0].part("test")
    found = masks.entity_masks(part, np.array([0, 7]), "auto")
    assert found.source == "truth"
    assert found.known.all()
    for mask, row in zip(found.entity, (0, 7), strict=True):
        made = part.manifest.iloc[row]
        np.testing.assert_array_equal(mask, render(int(made["class_label"]), int(made["seed"])).mask)


def test_a_planted_artefact_is_found_again_where_the_pixels_differ_most(planted):
    part = planted[0].part("test")
    found = masks.artefact_masks(part.manifest)
    np.testing.assert_array_equal(found.known, part.labels == 1)
    truth, ratios = masks.true_masks(part.manifest), []
    for row in np.flatnonzero(found.known)[:8]:
        made = part.manifest.iloc[row]
        clean = render(int(made["class_label"]), int(made["seed"])).pixels.astype(float)
        change = np.abs(part.pixels[row].transpose(1, 2, 0) - clean).sum(2)
        assert not (found.entity[row] & truth.entity[row]).any()  # it was put on the background
        ratios.append(change[found.entity[row]].mean() / change[~found.entity[row]].mean())
    assert np.median(ratios) > 4


def test_planting_twice_makes_nothing_twice(planted):
    image_set, workspace = planted
    again = PlantArtefacts("planted", "background", "patch", 1.0, 0.15, per_class=6, per_class_test=2).run(Context(workspace))
    assert again["digest"] == image_set.digest
    with pytest.raises(BadInput, match="not on 'everywhere'"):
        PlantArtefacts("planted", "everywhere")


def test_a_clear_entity_is_found_by_both_segmentations():
    random = np.random.default_rng(0)
    picture = random.normal(60, 4, (32, 32, 3))
    truth = np.zeros((32, 32), bool)
    truth[9:24, 8:25] = True
    picture[truth] = random.normal((200, 60, 40), 4, (truth.sum(), 3))
    picture = picture.clip(0, 255).astype(np.uint8)
    for how in (segmenting.grabcut, segmenting.saliency):
        assert masks.overlap(how(picture)[None], truth[None])[0] > 0.85


def test_guesses_of_flat_or_noisy_pictures_are_still_masks_and_the_same_twice():
    random = np.random.default_rng(0)
    for picture in (np.zeros((32, 32, 3), np.uint8), random.integers(0, 256, (32, 32, 3), dtype=np.uint8)):
        for how in (segmenting.grabcut, segmenting.saliency):
            first = how(picture)
            assert 0 < first.mean() < 1
            np.testing.assert_array_equal(first, how(picture))


def test_the_centre_has_the_asked_area_and_is_in_the_middle():
    found = segmenting.centre((32, 32), 0.25)
    assert found.sum() == 256
    assert found[15:17, 15:17].all()
    assert not found[0].any()


def test_the_outline_of_a_mask_lies_on_its_border_alone():
    from cifake_core.explanations.overlay import enlarge, outlined

    picture, mask = np.full((4, 4, 3), 9, np.uint8), np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True
    drawn = (outlined(picture, mask, 8) != enlarge(picture, 8)).any(2)
    assert drawn[8, 8:24].all()
    assert not drawn[10:22, 10:22].any()
    assert drawn.sum() == 16 * 16 - 12 * 12


def test_overlap_by_hand():
    guess, truth = np.zeros((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    guess[0, 0], truth[0, :, 0] = True, True
    np.testing.assert_allclose(masks.overlap(guess, truth), [1 / 3, 1])


def test_the_quality_of_a_guess_is_measured_and_better_than_the_centre_s():
    measured = {source: masks.measured_quality(source, 60) for source in ("grabcut", "centre")}
    assert measured["grabcut"]["iou"].estimate.value > measured["centre"]["iou"].estimate.value
    assert measured["grabcut"]["iou"].n == 60
    assert 0 < measured["centre"]["entity_found"].estimate.value < 1


def test_a_drawn_mask_of_any_size_is_shrunk_and_an_empty_one_refused():
    canvas = np.zeros((256, 256, 4), np.uint8)
    canvas[64:128, 0:64, 3] = 255  # drawn = opaque
    found = masks.drawn(canvas)
    assert found.shape == (32, 32)
    assert found[8:16, 0:8].all()
    assert found.sum() == 64
    with pytest.raises(BadInput, match="draw over the entity"):
        masks.drawn(np.zeros((256, 256, 4)))


def test_imported_masks_are_found_by_image_id_and_the_missing_are_marked(tmp_path):
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :16] = 255
    Image.fromarray(mask).save(tmp_path / "a.png")
    np.savez(tmp_path / "masks.npz", image_ids=np.array(["b"]), masks=mask[None].T[:, :, 0][None] > 0)
    found = masks.imported(tmp_path, np.array(["a", "b", "c"]))
    assert found.known.tolist() == [True, True, False]
    assert found.entity[0, :, :16].all()
    assert found.entity[1, :16].all()
    assert not found.entity[1, 16:].any()
    with pytest.raises(NotFound, match="no mask of these images"):
        masks.imported(tmp_path, np.array(["z"]))
    (tmp_path / "masks.npz").write_bytes(b"broken")
    with pytest.raises(BadInput, match="cannot be read"):
        masks.imported(tmp_path, np.array(["a"]))


def test_masks_of_a_whole_part_are_computed_once(planted, monkeypatch):
    image_set, workspace = planted
    part = image_set.part("test")
    first = masks.kept_masks(workspace, part, image_set.digest, "grabcut")
    monkeypatch.setattr(masks, "entity_masks", None)
    again = masks.kept_masks(workspace, part, image_set.digest, "grabcut")
    np.testing.assert_array_equal(first.entity, again.entity)
    assert (again.source, len(again.known)) == ("grabcut", len(part))
