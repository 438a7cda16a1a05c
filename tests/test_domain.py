"""What a dataset's images are, from its record alone, and which sizes lie outside."""

import dataclasses

import numpy as np
import pytest

from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_png
from cifake_core.images.domain import Domain
from cifake_core.images.preparing import Treatment
from cifake_core.images.schema import NewImage

AS_IT_CAME = Domain("cifake", "mixed", True, (50_000, 50_000), ((), ()), ((1.0, 1.0), (1.0, 1.0)))


def imported(workspace, sides: dict[int, tuple[int, ...]], generators: dict[int, str] | None = None):
    """A dataset whose images of each label came with these sides."""
    random = np.random.default_rng(0)

    def rows():
        for label, each in sides.items():
            for number, side in enumerate(each):
                data = encode_png(random.integers(0, 256, (side, side, 3), np.uint8))
                yield NewImage(data, label, path=f"{label}-{number}.png", generator=(generators or {}).get(label, ""))

    return Domain.of(new_image_set(workspace, "some", rows(), treatment=Treatment(resize=True)))


def test_the_sentence_says_what_is_recorded_and_nothing_else(workspace):
    assert AS_IT_CAME.sentence == "trained on CIFAKE: 50,000 32-pixel photographs and 50,000 32-pixel Stable Diffusion 1.4 fakes"
    found = imported(workspace, {0: (32,) * 3, 1: (32,) * 2}, {0: "demo-world-2", 1: "demo"})
    assert found.sentence == "trained on the dataset some: 3 32-pixel rendered scenes (demo-world-2) and 2 32-pixel fake images (demo)"
    unknown = dataclasses.replace(AS_IT_CAME, official_cifake=False)
    assert "photographs" not in unknown.sentence  # nobody said so
    many = dataclasses.replace(unknown, makers=((), ("a", "b", "c", "d", "e")))
    assert "fake images (a, b, c and 2 more)" in many.sentence


@pytest.mark.parametrize(("size", "outside"), [((32, 32), False), ((33, 32), False), ((48, 40), False), ((49, 49), True), ((3024, 4032), True), ((31, 31), True), ((1, 1), True)])
def test_a_dataset_of_32_pixel_files_has_no_larger_or_smaller_pictures(size, outside):
    found = AS_IT_CAME.unlike_in_size(*size)
    assert (found is not None) == outside
    if outside:
        assert f"from {size[0]} × {size[1]}" in found
        assert ("shrunk" in found) == (min(size) > 32)
        assert "trained on 32-pixel files" in found


def test_a_dataset_that_was_shrunk_holds_pictures_shrunk_alike(workspace):
    found = imported(workspace, {0: (64, 96, 128), 1: (96, 128)})
    assert found.shrunk == ((2.0, 4.0), (3.0, 4.0))
    assert found.resized
    assert found.unlike_in_size(128, 200) is None
    assert found.unlike_in_size(96, 96) is None
    assert "64- to 128-pixel real and 96- to 128-pixel fake files" in found.unlike_in_size(1024, 1024)
    assert found.unlike_in_size(32, 32) is None  # nothing is resampled
    assert "enlarged" in found.unlike_in_size(16, 16)


def test_where_only_fakes_were_shrunk_a_shrunk_picture_lies_outside(workspace):
    found = imported(workspace, {0: (32, 32), 1: (256, 256)})
    assert found.unlike_in_size(256, 256) is not None  # that it was shrunk would give it away as fake
    assert "32-pixel real and 256-pixel fake files" in found.unlike_in_size(256, 256)


def test_sizes_recorded_by_earlier_versions_count(workspace):
    from cifake_core.images import domain

    made = new_image_set(workspace, "old", [NewImage(encode_png(np.full((32, 32, 3), 9 * i, np.uint8)), i % 2, provenance={"resized_from": [512, 640]}) for i in range(4)])
    manifest = made.manifest("train+validation").assign(original_width=0, original_height=0)
    assert domain._factors(manifest).tolist() == [16.0] * 4


def test_a_domain_comes_back_from_json():
    assert Domain.of_dict(AS_IT_CAME.as_dict()) == AS_IT_CAME
