"""Sets put together: exactly the images asked for, with what was known of them."""

import numpy as np
import pytest

from cifake_core.errors import BadInput, NotFound
from cifake_core.images.building import new_image_set
from cifake_core.images.combining import CombineSets
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from tests.conftest import drawn_images


@pytest.fixture
def two_sets(workspace):
    images = list(drawn_images({"train": 12, "test": 3}))
    new_image_set(workspace, "first", [i for i in images if i.class_label < 5])
    new_image_set(workspace, "second", [i for i in images if i.class_label >= 5])
    return workspace


def test_the_reals_of_one_and_the_fakes_of_another_become_one_set(two_sets):
    result = CombineSets(("first:real", "second:fake"), "both").run(Context(two_sets))
    assert result["counts"] == {"train": {"real": 60, "fake": 60}, "test": {"real": 15, "fake": 15}}
    first, both = (ImageSet.open(two_sets, name).part("test") for name in ("first", "both"))
    assert set(both.class_labels[both.labels == 0]) == set(range(5))
    assert set(both.class_labels[both.labels == 1]) == set(range(5, 10))
    np.testing.assert_array_equal(both.pixels[both.labels == 0], first.pixels[first.labels == 0])
    assert set(both.manifest["generator"]) == {"", "checkerboard"}
    assert both.manifest["path"].str.startswith(("first/", "second/")).all()


def test_combining_twice_makes_nothing_twice(two_sets):
    step = CombineSets(("first", "second"), "both")
    assert step.run(Context(two_sets)) == step.run(Context(two_sets))
    assert len(ImageSet.open(two_sets, "both").part("test")) == 60


def test_what_cannot_be_combined_is_said_in_a_sentence(two_sets):
    with pytest.raises(BadInput, match="label 'reals'"):
        CombineSets(("first:reals", "second"), "both")
    with pytest.raises(BadInput, match="at least two"):
        CombineSets(("first",), "both")
    with pytest.raises(NotFound, match="no image set named 'third'"):
        CombineSets(("first", "third"), "both").run(Context(two_sets))
