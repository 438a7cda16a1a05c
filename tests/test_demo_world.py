"""The demo world: deterministic by seed, a true mask, the codec of CIFAKE, statistics near those of photographs."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from cifake_core import CLASS_NAMES
from cifake_core.errors import BadInput, Cancelled
from cifake_core.generators.demo_world import render, render_frame, render_many
from cifake_core.generators.demo_world.light import Light
from cifake_core.generators.demo_world.projecting import View, rotation
from cifake_core.generators.demo_world.raster import rasterised
from cifake_core.generators.demo_world.solids import Model, Paint
from cifake_core.generators.demo_world.texture import fields, grain

RED, BLUE = Paint((1.0, 0.0, 0.0)), Paint((0.0, 0.0, 1.0))


def view(**changes) -> View:
    plain = {
        "yaw": 0,
        "pitch": 0,
        "roll": 0,
        "width": 0.5,
        "height": 0.5,
        "centre": 0.5,
        "bottom": 0.75,
        "perspective": 0,
    }
    return View(**{**plain, **changes})


def test_a_sphere_covers_the_circle_of_its_radius_and_its_normals_point_outward():
    model = Model()
    model.ball((0, 0, 0), 1.0, RED)
    seen = rasterised([model], [view()], 100)
    assert seen.covered.sum() == pytest.approx(np.pi * 25**2, rel=0.01)  # half of 100 px wide: radius 25
    rows, columns = np.nonzero(seen.covered[0])
    expected_x, expected_y = (columns + 0.5 - 50) / 25, -(rows + 0.5 - 50) / 25
    expected_z = np.sqrt(np.maximum(1 - expected_x**2 - expected_y**2, 0))
    np.testing.assert_allclose(seen.normals, [expected_x, expected_y, expected_z], atol=2e-3)


def test_a_turned_ellipsoid_matches_a_brute_force_search_along_the_line_of_sight():
    model = Model()
    model.ball((0.1, 0.2, 0.0), (1.0, 0.4, 0.6), RED, axis=(1, 0.5, 0.3))
    chosen = view(yaw=0.7, pitch=0.3, roll=0.2)
    seen = rasterised([model], [chosen], 48)
    points = seen.points.T  # object coordinates of the surface
    along = np.array([1, 0.5, 0.3]) / np.linalg.norm([1, 0.5, 0.3])
    side = np.cross(along, [0, 1, 0]) / np.linalg.norm(np.cross(along, [0, 1, 0]))
    local = (points - [0.1, 0.2, 0.0]) @ np.stack([along, side, np.cross(side, along)], axis=1) / [1.0, 0.4, 0.6]
    np.testing.assert_allclose((local**2).sum(axis=1), 1, atol=2e-3)
    behind = points - 0.01 * (np.array([0, 0, 1]) @ rotation(chosen))  # a step away from the viewer is inside
    inside = (
        (behind - [0.1, 0.2, 0.0]) @ np.stack([along, side, np.cross(side, along)], axis=1) / [1.0, 0.4, 0.6]
    ) ** 2
    assert (inside.sum(axis=1) < 1.0).mean() > 0.97


def test_the_nearer_of_two_solids_hides_the_farther_one_whatever_their_order():
    for order in (1, -1):
        model = Model()
        for z, paint in [(-2.0, RED), (2.0, BLUE)][::order]:
            model.box((-1, -1, z - 0.5), (1, 1, z + 0.5), paint)
        seen = rasterised([model], [view()], 40)
        assert set(map(tuple, seen.finish.colour.T)) == {BLUE.colour}  # +z is towards the viewer at yaw 0


def test_a_ball_is_hidden_by_a_face_in_front_of_it_and_hides_one_behind_it():
    model = Model()
    model.ball((0, 0, 0), 0.5, RED)
    model.face(((-1, -1, -0.9), (1, -1, -0.9), (1, 1, -0.9), (-1, 1, -0.9)), BLUE)
    colours = rasterised([model], [view()], 60).finish.colour
    assert (colours[0] == 1).mean() == pytest.approx(np.pi * 0.25 / 4, abs=0.02)  # the ball's share of the square
    model.face(((-1, -1, 0.9), (1, -1, 0.9), (1, 1, 0.9), (-1, 1, 0.9)), BLUE)
    assert not (rasterised([model], [view()], 60).finish.colour[0] == 1).any()


def test_pictures_drawn_together_do_not_see_each_other_with_or_without_flat_faces():
    round_one, square_one = Model(), Model()
    round_one.ball((0, 0, 0), 1.0, RED)
    square_one.box((-1, -1, -1), (1, 1, 1), BLUE)
    views = [view(), view(width=0.3, height=0.3, yaw=0.4), view(centre=0.2)]
    models = [round_one, square_one, round_one]
    together = rasterised(models, views, 40)
    for i in range(3):
        alone = rasterised([models[i]], [views[i]], 40)
        np.testing.assert_array_equal(together.covered[i], alone.covered[0])
        np.testing.assert_array_equal(together.normals[:, together.of(i)], alone.normals)
        np.testing.assert_array_equal(together.points[:, together.of(i)], alone.points)


def test_yaw_of_minus_ninety_degrees_turns_the_front_to_the_viewer():
    np.testing.assert_allclose(rotation(view(yaw=-np.pi / 2)) @ [1, 0, 0], [0, 0, 1], atol=1e-6)


def test_textures_have_unit_variance_and_an_amplitude_that_falls_like_one_over_frequency():
    from random import Random

    drawn = [field for seed in range(40) for field in fields(Random(seed), 96).both]
    assert np.mean([f.var() for f in drawn]) == pytest.approx(1, abs=0.15)
    assert np.mean([grain(f, 9).var() for f in drawn]) == pytest.approx(1, abs=0.15)
    power = np.mean([np.abs(np.fft.fft2(f)) ** 2 for f in drawn], axis=0)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(96, 1 / 96), np.fft.fftfreq(96, 1 / 96)))
    bins = [power[(radius >= k - 0.5) & (radius < k + 0.5)].mean() for k in range(2, 40)]
    assert np.polyfit(np.log(range(2, 40)), np.log(bins), 1)[0] == pytest.approx(-2.3, abs=0.15)


@pytest.mark.parametrize("class_label", range(10))
def test_every_class_renders_with_its_entity_in_the_picture(class_label):
    for picture in render_many([class_label] * 12, range(100, 112), workers=1):
        assert picture.pixels.shape == (32, 32, 3)
        assert picture.pixels.dtype == np.uint8
        assert picture.mask.shape == (32, 32)
        assert picture.mask.dtype == bool
        assert 0.005 < picture.mask.mean() < 0.95
        assert picture.pixels.std() > 4


def test_the_entity_is_in_the_middle_and_not_in_the_upper_corners():
    masks = np.stack([render_frame(seed % 10, seed).mask for seed in range(80)])
    assert masks[:, 12:20, 12:20].mean() > 0.5
    assert masks[:, :4, :4].mean() < 0.1
    assert masks[:, :4, -4:].mean() < 0.1


def test_the_mask_lies_on_what_differs_between_the_entity_and_its_background():
    contrast = []
    for seed in range(60):
        frame = render_frame(seed % 10, seed)
        means = [frame.pixels[part].mean(axis=0) for part in (frame.mask, ~frame.mask)]
        turned = np.roll(frame.mask, (16, 16), axis=(0, 1))
        wrong = [frame.pixels[part].mean(axis=0) for part in (turned, ~turned)]
        contrast.append(np.linalg.norm(means[0] - means[1]) - np.linalg.norm(wrong[0] - wrong[1]))
    assert np.mean(contrast) > 5


def test_the_same_seed_gives_the_same_bytes_alone_in_a_batch_in_another_order_and_in_another_process():
    labels, seeds = [i % 10 for i in range(140)], list(range(140))
    alone = {s: render(c, s) for c, s in zip(labels[:10], seeds[:10], strict=True)}
    backwards = render_many(labels[:10][::-1], seeds[:10][::-1], workers=1)[::-1]
    elsewhere = render_many(labels, seeds, workers=2)
    for i in range(10):
        assert alone[i].jpeg == backwards[i].jpeg == elsewhere[i].jpeg
        np.testing.assert_array_equal(alone[i].mask, elsewhere[i].mask)
    assert len({hashlib.sha256(r.jpeg).digest() for r in elsewhere}) == 140  # and all seeds differ


def test_the_same_seed_is_the_same_scene_at_another_size():
    small, large = render_frame(7, 3, 32).mask, render_frame(7, 3, 64).mask
    shrunk = large.reshape(32, 2, 32, 2).mean(axis=(1, 3)) >= 0.5
    assert (small & shrunk).sum() / (small | shrunk).sum() > 0.9


def test_the_files_have_the_quantisation_tables_and_subsampling_of_cifake():
    picture = render(3, 5)
    opened = Image.open(io.BytesIO(picture.jpeg))
    np.testing.assert_array_equal(np.asarray(opened), picture.pixels)
    reference = io.BytesIO()
    Image.new("RGB", (32, 32)).save(reference, "JPEG", quality=75, subsampling=2)
    assert opened.quantization == Image.open(io.BytesIO(reference.getvalue())).quantization
    assert [layer[1:3] for layer in opened.layer] == [(2, 2), (1, 1), (1, 1)]  # 4:2:0


def test_the_power_spectrum_falls_like_that_of_small_photographs():
    pixels = np.stack([p.pixels for p in render_many([i % 10 for i in range(200)], range(200), workers=1)]) / 255
    grey = pixels.mean(axis=3)
    window = np.outer(np.hanning(32), np.hanning(32))
    power = (np.abs(np.fft.fft2((grey - grey.mean(axis=(1, 2), keepdims=True)) * window)) ** 2).mean(axis=0)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(32, 1 / 32), np.fft.fftfreq(32, 1 / 32)))
    bins = [power[(radius >= k - 0.5) & (radius < k + 0.5)].mean() for k in range(2, 15)]
    assert np.polyfit(np.log(range(2, 15)), np.log(bins), 1)[0] == pytest.approx(-3.09, abs=0.35)  # CIFAR-10 after JPEG
    assert pixels.mean() == pytest.approx(0.476, abs=0.06)
    assert pixels.std() == pytest.approx(0.249, abs=0.04)


def test_backdrops_are_shared_between_classes_and_vary_within_each():
    from cifake_core.generators.demo_world.casting import CAST

    places = {name: {place for role in CAST[name] for place in role.places} for name in CLASS_NAMES}
    for name, own in places.items():
        others = set().union(*(p for n, p in places.items() if n != name))
        assert len(own) >= 4
        assert len(own & others) / len(own) >= 0.5, name


@pytest.mark.parametrize(
    ("arguments", "told"),
    [((10, 0), "no class 10"), ((-1, 0), "no class -1"), ((0, -4), "seed is -4"), ((0, 0, 8), "8 pixels a side")],
)
def test_what_cannot_be_rendered_is_refused_in_a_sentence(arguments, told):
    with pytest.raises(BadInput, match=told):
        render(*arguments)


def test_progress_counts_every_picture_and_a_cancel_leaves_at_once():
    seen = []
    render_many([0] * 70, range(70), workers=1, on_progress=lambda done, total, message: seen.append((done, total)))
    assert seen == [(0, 70), (32, 70), (64, 70), (70, 70)]

    def stop(done, total, message):
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        render_many([0] * 70, range(70), workers=1, on_progress=stop)


def test_two_processes_share_the_pictures_out_and_a_cancel_stops_both():
    seen = []

    def watch(done, total, message):
        seen.append(done)

    labels = [i % 10 for i in range(150)]
    together = render_many(labels, range(150), workers=2, on_progress=watch)
    assert [p.jpeg for p in together] == [p.jpeg for p in render_many(labels, range(150), workers=1)]
    assert seen[0] == 0
    assert seen[-1] == 150
    assert seen == sorted(seen)

    def stop(done, total, message):
        if done:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        render_many(labels, range(150), workers=2, on_progress=stop)


def test_light_from_the_left_brightens_the_left_flank():
    from random import Random

    from cifake_core.generators.demo_world.light import lit

    model = Model()
    model.ball((0, 0, 0), 1.0, Paint((0.5, 0.5, 0.5), rough=0.0))
    seen = rasterised([model], [view()], 60)
    lamp = Light(np.float32([-0.8, 0.6, 0]), np.ones(3, np.float32), *(np.full(3, 0.2, np.float32) for _ in range(2)))
    light = lit(seen, [lamp], [fields(Random(0), 60)])
    left = seen.normals[0] < -0.5
    right = seen.normals[0] > 0.5
    assert light[:, left].mean() > 2 * light[:, right].mean()
