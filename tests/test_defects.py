"""Pictures that cannot be kept: told from what was drawn, drawn again with recorded seeds, never stored, and counted."""

import json

import numpy as np
import pytest
import torch

from cifake_core import hardware
from cifake_core.errors import Cancelled, Refused
from cifake_core.generators import defects, painting, remaking
from cifake_core.generators.defects import BLANK, HOPELESS, MOST_REDRAWS, NO_NUMBERS, SAFETY, Defects
from cifake_core.generators.generating import Generate
from cifake_core.generators.painting import Drawn
from cifake_core.generators.recipe import image_seed, redraw_seed
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace
from tests.generator_models import stand_ins, tiny_training


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    stand_ins(workspace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "use_threads", lambda threads=0: torch.set_num_threads(1))
        tiny_training().run(Context(workspace))
    return workspace


class Faulty:
    """An engine whose picture depends on the seed alone; `reason_of` says what is wrong with it."""

    def __init__(self, reason_of) -> None:
        self.reason_of, self.asked, self.manner = reason_of, [], None

    def __call__(self, requests, tick) -> Drawn:
        self.asked.append([request.seed for request in requests])
        pictures = np.stack([self.picture(request.seed) for request in requests])
        return Drawn(pictures, np.array([self.reason_of(request.seed) == SAFETY for request in requests]))

    def picture(self, seed: int) -> np.ndarray:
        reason = self.reason_of(seed)
        picture = np.random.default_rng(seed).random((32, 32, 3))
        return picture * {"": 1.0, BLANK: 0.004, NO_NUMBERS: np.nan, SAFETY: 0.0}[reason] + (0.3 if reason == BLANK else 0)


@pytest.fixture
def faulty(monkeypatch):
    def use(reason_of) -> Faulty:
        engine = Faulty(reason_of)
        monkeypatch.setattr(painting, "_engine", lambda *_: engine)
        return engine

    return use


def made_by(workspace, name: str, **changes) -> tuple[dict, list[dict], ImageSet]:
    settings = {"per_class": 2, "classes": ("cat", "dog"), "batch": 4, **changes}
    result = Generate(name, "tiny", **settings).run(Context(workspace))
    images = ImageSet.open(workspace, name)
    return result, [json.loads(text) for text in images.manifest("train+validation")["provenance"]], images


def seeds_of(*images: tuple[str, int]) -> list[int]:
    return [image_seed(0, name, index) for name, index in images]


@pytest.mark.parametrize("reason", [SAFETY, NO_NUMBERS, BLANK])
def test_a_picture_that_cannot_be_kept_is_drawn_again_with_the_next_seed_which_is_recorded(workspace, faulty, reason):
    bad = {seeds_of(("cat", 1))[0], redraw_seed(seeds_of(("cat", 1))[0], 1)}
    faulty(lambda seed: reason if seed in bad else "")
    result, records, images = made_by(workspace, f"again-{reason.replace(' ', '-')}")
    cat = next(made for made in records if (made["class"], made["index"]) == ("cat", 1))
    first = image_seed(0, "cat", 1)
    assert cat["rejected"] == [{"seed": first, "reason": reason}, {"seed": redraw_seed(first, 1), "reason": reason}]
    assert cat["seed"] == redraw_seed(first, 2)
    assert "left_out" not in cat
    assert result["defects"] == {"pictures": {reason: 2}, "redrawn": 1, "left_out": 0}
    assert images.record["source"]["defects"] == result["defects"]
    assert result["images"] == 4
    assert min(pixels.std() for pixels in images.pixels("train")) > 10


def test_an_image_none_of_whose_pictures_can_be_kept_is_left_out_and_counted(workspace, faulty):
    lost = image_seed(0, "dog", 0)
    bad = {lost, *(redraw_seed(lost, attempt) for attempt in range(1, MOST_REDRAWS + 1))}
    faulty(lambda seed: SAFETY if seed in bad else "")
    result, records, _ = made_by(workspace, "left-out")
    assert result["images"] == 3
    assert result["defects"] == {"pictures": {SAFETY: 1 + MOST_REDRAWS}, "redrawn": 0, "left_out": 1}
    assert [(made["class"], made["index"]) for made in records] == [("cat", 0), ("cat", 1), ("dog", 1)]
    assert "1 image never did and is left out" in defects.sentence(result["defects"])


def test_a_generator_that_gives_nothing_else_is_given_up_early_with_the_reason(workspace, faulty):
    engine = faulty(lambda seed: SAFETY)
    step = Generate("hopeless", "tiny", per_class=50, batch=1)
    with pytest.raises(Refused, match=r"None of the 15 pictures that 'tiny' drew can be kept, all of them blacked out by the model's own safety") as caught:
        step.run(Context(workspace))
    assert "\n" not in str(caught.value)
    assert len(engine.asked) == HOPELESS
    for again in (step.run, step.keep_done):
        with pytest.raises(Refused, match="None of the 15"):  # what was tried is known: nothing is drawn to say so again
            again(Context(workspace))
    assert len(engine.asked) == HOPELESS
    with pytest.raises(Refused, match="None of the 5 pictures"):  # fewer than would be given up early: at the end
        Generate("one", "tiny", per_class=1, classes=("cat",)).run(Context(workspace))
    assert not (workspace.image_sets / "hopeless").exists()


def test_redraws_share_a_batch_and_the_first_that_can_be_kept_in_the_order_of_attempts_is_taken(workspace, faulty):
    first = seeds_of(("cat", 0), ("dog", 0))
    engine = faulty(lambda seed: BLANK if seed in first else "")
    _, records, _ = made_by(workspace, "packed")
    assert engine.asked[1] == [redraw_seed(first[0], 1), redraw_seed(first[1], 1), redraw_seed(first[0], 2), redraw_seed(first[1], 2)]
    assert [made["seed"] for made in records[:2]] == [redraw_seed(seed, 1) for seed in first]
    assert len(engine.asked) == 2


def test_the_same_request_gives_the_same_images_when_it_was_stopped_in_between(workspace, faulty):
    def a_third(seed: int) -> str:
        return SAFETY if seed % 3 == 0 else ""

    def stop(done, total, message):
        if done >= 4:
            raise Cancelled("stopped")

    faulty(a_third)
    step = Generate("stopped", "tiny", per_class=4, classes=("cat", "dog"), batch=2)
    with pytest.raises(Cancelled):
        step.run(Context(workspace, stop))
    step.run(Context(workspace))
    _, records, straight = made_by(workspace, "straight-on", per_class=4, batch=2)
    assert ImageSet.open(workspace, "stopped").digest == straight.digest
    assert ImageSet.open(workspace, "stopped").record["source"]["defects"] == straight.record["source"]["defects"]
    assert any(made.get("rejected") for made in records)


def test_an_image_that_was_drawn_again_can_be_made_again_from_its_record(workspace, faulty):
    faulty(lambda seed: SAFETY if seed == image_seed(0, "cat", 0) else "")
    _, records, images = made_by(workspace, "remade")
    pixels, _ = remaking.regenerate(records[0], workspace)
    np.testing.assert_array_equal(pixels.transpose(2, 0, 1), images.pixels("train")[0])


def test_when_memory_runs_out_while_drawing_again_every_image_still_comes_out_once(workspace, faulty, monkeypatch):
    first = seeds_of(("cat", 0), ("dog", 0), ("cat", 1))
    engine = faulty(lambda seed: BLANK if seed in first else "")
    plain, calls = engine.__call__, []

    def tight(requests, tick):
        calls.append(len(requests))
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(requests, tick)

    monkeypatch.setattr(painting, "_engine", lambda *_: tight)
    result, records, _ = made_by(workspace, "tight")
    assert result["images"] == 4
    assert calls == [4, 4, 2, 2]
    assert [len(made.get("rejected", ())) for made in records] == [1, 1, 1, 0]
    again = {made["seed"] for made in records if made.get("rejected")}
    assert again == {redraw_seed(seed, 1) for seed in first}  # none of them missed its turn


def test_flat_is_below_two_levels_in_every_channel_after_shrinking():
    random = np.random.default_rng(0).normal(0, 1, (32, 32, 3))
    assert defects.is_flat((128 + 1.5 * random).round().astype(np.uint8))
    assert not defects.is_flat((128 + 4 * random).round().astype(np.uint8))
    one_channel = np.full((32, 32, 3), 128.0)
    one_channel[:, :, 1] += 8 * random[:, :, 1]
    assert not defects.is_flat(one_channel.astype(np.uint8))


def test_the_sentence_counts_reasons_and_what_became_of_the_images():
    assert defects.sentence({}) == defects.sentence(Defects({}, 0, 0).as_dict()) == ""
    told = defects.sentence(Defects({SAFETY: 2, BLANK: 1}, 3, 0).as_dict())
    assert told.startswith("3 drawn pictures were not kept (2 blacked out by the model's own safety checker, 1 black or one flat colour)")
    assert told.endswith(": 3 images came out with another seed.")
    both = defects.together([Defects({SAFETY: 2}, 1, 1).as_dict(), Defects({SAFETY: 1}, 1, 0).as_dict()])
    assert both == {"pictures": {SAFETY: 3}, "redrawn": 2, "left_out": 1}
