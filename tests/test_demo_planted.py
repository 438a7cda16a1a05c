"""Planted artefacts: where they are said to be, visible after JPEG, nowhere else."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from cifake_core.errors import BadInput, Refused
from cifake_core.generators.demo_world import Artefact, Kind, Where, plant, render_frame, render_many
from cifake_core.generators.demo_world.rendering import decoded
from cifake_core.images.codec import encode_jpeg


@pytest.fixture(scope="module")
def frames():
    drawn = (render_frame(seed % 10, seed) for seed in range(60))
    return [f for f in drawn if min(f.mask.sum(), (~f.mask).sum()) >= 130]


def untouched(frame):
    return decoded(encode_jpeg(frame.pixels)).astype(float)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("where", Where)
def test_the_artefact_lies_inside_the_chosen_region_and_is_as_large_as_asked(frames, kind, where):
    for seed, frame in enumerate(frames[:12]):
        planted = plant(frame.pixels, frame.mask, Artefact(kind, 0.5, area=0.1), where, seed)
        assert not (planted.artefact_mask & (frame.mask if where is Where.BACKGROUND else ~frame.mask)).any()
        assert planted.artefact_mask.sum() == round(0.1 * 32 * 32)
        np.testing.assert_array_equal(decoded(planted.jpeg), planted.pixels)


@pytest.mark.parametrize("kind", Kind)
def test_far_from_the_mask_the_decoded_picture_is_the_same(frames, kind):
    beyond_block, beyond_unit = [], []
    for seed, frame in enumerate(frames[:25]):
        planted = plant(frame.pixels, frame.mask, Artefact(kind, 0.5), Where.BACKGROUND, seed)
        change = np.abs(planted.pixels - untouched(frame)).mean(axis=2)
        distance = distance_transform_edt(~planted.artefact_mask)
        beyond_block.append(change[distance > 8])
        beyond_unit.append(change[distance > 8 * 2 * np.sqrt(2) + 2])
    far, farther = np.concatenate(beyond_block), np.concatenate(beyond_unit)
    assert len(far) > 1000
    assert len(farther) > 50
    assert far.mean() < 1.0  # grey levels of 255; lightness is confined to blocks of 8 px, colour to units of 16 px
    assert not farther.any()


def _signal(kind: Kind, planted: np.ndarray, clean: np.ndarray, where: np.ndarray) -> tuple[float, float]:
    """One simple number that the artefact should move: fine contrast, or colour and lightness against the clean twin."""
    if kind in (Kind.GRID, Kind.RINGING):

        def fine(p):
            grey = p.mean(axis=2)
            return (
                np.abs(np.diff(grey, axis=0))[where[1:] & where[:-1]].mean()
                + np.abs(np.diff(grey, axis=1))[where[:, 1:] & where[:, :-1]].mean()
            )

        return fine(planted), fine(clean)
    return np.abs(planted - clean)[where].mean(), 4.0  # grey levels; 4:2:0 thins colour out on narrow entities


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("where", Where)
def test_a_simple_statistic_sees_the_artefact_after_jpeg(frames, kind, where):
    seen = []
    for seed, frame in enumerate(frames):
        planted = plant(frame.pixels, frame.mask, Artefact(kind, 0.6), where, seed)
        with_it, without = _signal(kind, planted.pixels.astype(float), untouched(frame), planted.artefact_mask)
        seen.append(with_it > without)
    assert np.mean(seen) > 0.9


@pytest.mark.parametrize("kind", Kind)
def test_a_stronger_artefact_changes_more(frames, kind):
    frame = frames[0]
    changes = [
        np.abs(plant(frame.pixels, frame.mask, Artefact(kind, s), Where.BACKGROUND, 4).pixels - untouched(frame)).mean()
        for s in (0.15, 0.4, 1.0)
    ]
    assert changes[0] < changes[1] < changes[2]


def test_a_hue_shift_leaves_lightness_nearly_as_it_was(frames):
    luma = np.array([0.299, 0.587, 0.114])
    for seed, frame in enumerate(frames[:10]):
        planted = plant(frame.pixels, frame.mask, Artefact(Kind.HUE_SHIFT, 0.3), Where.BACKGROUND, seed)
        shift = (planted.pixels @ luma - untouched(frame) @ luma)[planted.artefact_mask]
        assert np.abs(shift).mean() < 8


def test_the_same_seed_plants_the_same_and_the_picture_given_is_left_alone(frames):
    frame = dataclasses.replace(frames[0])
    before = frame.pixels.copy()
    first, second, other = (plant(frame.pixels, frame.mask, Artefact(Kind.PATCH), "entity", s) for s in (7, 7, 8))
    assert first.jpeg == second.jpeg != other.jpeg
    np.testing.assert_array_equal(frame.pixels, before)


def test_a_decoded_rendering_can_be_planted_too():
    picture = render_many([9], [1], workers=1)[0]
    assert plant(picture.pixels, picture.mask, Artefact("grid"), "background", 0).artefact_mask.any()


@pytest.mark.parametrize("wrong", [{"strength": 0}, {"strength": 1.5}, {"area": 0}, {"kind": "smell"}])
def test_an_artefact_out_of_range_is_refused(wrong):
    with pytest.raises(BadInput):
        Artefact(**{"kind": "grid", **wrong})


def test_a_region_too_small_or_a_wrong_shape_is_refused():
    pixels, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), bool)
    with pytest.raises(Refused, match="entity has 0 pixels"):
        plant(pixels, mask, Artefact(Kind.GRID), Where.ENTITY, 0)
    with pytest.raises(BadInput, match="bool"):
        plant(pixels, mask.astype(int), Artefact(Kind.GRID), Where.ENTITY, 0)
    with pytest.raises(BadInput, match="uint8"):
        plant(pixels.astype(float), mask, Artefact(Kind.GRID), Where.ENTITY, 0)
    with pytest.raises(BadInput, match="moon"):
        plant(pixels, mask, Artefact(Kind.GRID), "moon", 0)
