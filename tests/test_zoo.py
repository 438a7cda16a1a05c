"""The zoo of our own generators, tiny: who is in it, what each differs in, and that it is made once."""

import json

import pytest

from cifake_core.errors import BadInput, Cancelled
from cifake_core.generators import catalogue
from cifake_core.generators.zoo import TRAININGS, VARIANTS, BuildZoo
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from tests.generator_models import TINY, stand_ins

SMALL = ("base", "base-2-steps", "base-unipc", "half", "base-decoder")


def zoo(**changes) -> BuildZoo:
    return BuildZoo("reals", "zoo", SMALL, per_class=1, training_steps=3, design=TINY, **changes)


def test_at_least_a_dozen_generators_differ_in_what_they_are_or_how_they_are_sampled():
    assert len(VARIANTS) >= 12
    made = {
        (str(TRAININGS[one.training]), one.training == "half", one.steps, one.guidance, one.scheduler, one.reconstructs)
        for one in VARIANTS
    }
    assert len(made) == len(VARIANTS)


def test_a_zoo_is_one_set_with_generator_family_and_architecture_and_is_made_once(workspace):
    stand_ins(workspace, per_class=22)

    def stop(done, total, message):
        if message.startswith("images of half"):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        zoo().run(Context(workspace, stop))
    seen = []
    result = zoo().run(Context(workspace, lambda done, total, message: seen.append((done / total, message))))
    assert result["generators"] == {f"zoo-{name}": 10 for name in SMALL}
    assert not [
        message for _, message in seen if "step" in message and message.startswith("training")
    ]  # trained before the stop
    made = ImageSet.open(workspace, "zoo").manifest("test")
    assert set(made["family"]) == {"zoo-base", "zoo-half"}
    assert made.groupby("generator")["architecture"].first().to_dict()["zoo-base-decoder"] == "Autoencoder"
    provenance = made["provenance"].map(json.loads)
    steps = {about["variant"]["name"]: (about.get("steps"), about.get("scheduler")) for about in provenance}
    assert steps["base-2-steps"][0] == 2
    assert steps["base-unipc"][1] == "UniPCMultistepScheduler"
    reals = set(ImageSet.open(workspace, "reals").manifest("train+validation")["image_id"])
    assert {about["reconstructs"] for about in provenance if "reconstructs" in about} <= reals
    assert {one.name for one in catalogue.trained(workspace)} == {"zoo-base", "zoo-half"}
    half = next(one for one in catalogue.trained(workspace) if one.name == "zoo-half")
    assert half.record["dataset"]["reals"] == 110
    assert [one.name for one in ImageSet.list(workspace)] == ["reals", "zoo"]  # the set of every second real is gone
    assert zoo().run(Context(workspace)) == result


def test_a_request_that_cannot_be_is_refused_at_once():
    with pytest.raises(BadInput, match="The zoo has no 'bear'"):
        BuildZoo("reals", "zoo", ("bear",))
    with pytest.raises(BadInput, match="at least 1 image"):
        BuildZoo("reals", "zoo", per_class=0)
