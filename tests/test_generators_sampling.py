"""From seeds, classes and words to pixels: the guidance formula, whose noise is whose, what a pipeline is told, and the path to the file."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from cifake_core import hardware
from cifake_core.errors import BadInput
from cifake_core.generators import chapters, diffusion_transformer, fitting, painting, pipelines, sampling
from cifake_core.generators.diffusion_transformer import NO_CLASS
from cifake_core.generators.generating import Generate
from cifake_core.generators.recipe import image_seed, load_recipe, redraw_seed
from cifake_core.generators.request import Manner, Request
from cifake_core.images import codec
from cifake_core.images.building import new_image_set
from cifake_core.images.schema import NewImage, image_id
from tests.conftest import drawn


class Transformer:
    """Answers an image with a tenth of its class number, and NO_CLASS with a half; keeps what it was asked."""

    config = SimpleNamespace(in_channels=2, sample_size=4)
    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self):
        self.asked = []

    def __call__(self, latents, timestep, class_labels):
        self.asked.append((latents.clone(), timestep.tolist(), class_labels.tolist()))
        value = torch.where(class_labels == NO_CLASS, 0.5, class_labels / 10)[:, None, None, None].expand_as(latents)
        return SimpleNamespace(sample=torch.cat([value, 9 + value], dim=1))  # a learned variance behind the answer


class Scheduler:
    """Adds every answer to the latents, at the times 30, 20, 10 …"""

    def set_timesteps(self, steps):
        self.timesteps = torch.arange(10 * steps, 0, -10)

    def scale_model_input(self, latents, t):
        return latents + 100

    def step(self, answer, t, latents):
        return SimpleNamespace(prev_sample=latents + answer * t)


class Decoder:
    config = SimpleNamespace(scaling_factor=0.25)

    def decode(self, latents):
        self.given = latents
        return SimpleNamespace(sample=torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8).repeat(len(latents), 1, 1, 1))


def parts():
    return SimpleNamespace(transformer=Transformer(), scheduler=Scheduler(), vae=Decoder())


def start(seeds):
    return torch.cat([torch.randn((1, 2, 4, 4), generator=torch.Generator().manual_seed(seed)) for seed in seeds])


@pytest.mark.parametrize("guidance", [1.5, 4.0])
def test_guidance_goes_from_the_answer_without_a_class_beyond_the_one_with_it(guidance):
    """Ho and Salimans 2022: anything + g · (asked − anything), with classes 1 and 3 asked and 0.5 for anything."""
    pipeline, calls = parts(), []
    sampling.sample(pipeline, [1, 3], [11, 12], steps=2, guidance=guidance, after_step=lambda: calls.append(1))
    answers = torch.tensor([0.5 + guidance * (0.1 - 0.5), 0.5 + guidance * (0.3 - 0.5)])[:, None, None, None]
    expected = (start([11, 12]) + answers * (20 + 10)) / 0.25
    torch.testing.assert_close(pipeline.vae.given, expected, rtol=1e-5, atol=1e-4)
    assert len(calls) == 2
    first, second = pipeline.transformer.asked
    assert (first[1], second[1]) == ([20] * 4, [10] * 4)
    assert first[2] == [1, 3, NO_CLASS, NO_CLASS]
    torch.testing.assert_close(first[0], torch.cat([start([11, 12])] * 2) + 100)


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_without_guidance_the_class_alone_is_asked_once(guidance):
    pipeline = parts()
    pictures = sampling.sample(pipeline, [1, 3], [11, 12], steps=1, guidance=guidance)
    assert pictures.shape == (2, 8, 8, 3)
    assert pictures[1].transpose(2, 0, 1).ravel() == pytest.approx(np.linspace(0, 1, 192), abs=1e-6)  # of −1 to 1
    torch.testing.assert_close(pipeline.vae.given, (start([11, 12]) + torch.tensor([0.1, 0.3])[:, None, None, None] * 10) / 0.25)
    assert pipeline.transformer.asked[0][2] == [1, 3]


def test_an_image_s_noise_comes_from_its_own_seed_alone():
    noise = sampling.noise([5, 6, 5], (2, 4, 4), torch.device("cpu"), torch.float32)
    assert torch.equal(noise, start([5, 6, 5]))
    assert not torch.equal(noise[0], noise[1])


def test_pixels_are_rounded_and_cut_off_and_no_number_is_refused():
    assert sampling.to_pixels(np.array([[[[-0.2, 0.5, 1.7]]]])).tolist() == [[[[0, 128, 255]]]]
    with pytest.raises(BadInput, match="without numbers"):
        sampling.to_pixels(np.full((1, 1, 1, 3), np.nan))


class Words:
    """A text-to-image pipeline that keeps what it is told and gives flat pictures."""

    def __call__(self, prompt, num_inference_steps, guidance_scale, height, width, generator, output_type, negative_prompt=None, callback_on_step_end=None):
        self.told = dict(locals())
        callback_on_step_end(self, 0, 0, {})
        return SimpleNamespace(images=np.zeros((len(prompt), 8, 8, 3)))


REQUESTS = [Request("cat", 0, 11, "a cat"), Request("dog", 1, 12, "a dog")]


def test_a_pipeline_of_words_is_told_prompts_seeds_and_manner():
    pipeline, ticks = Words(), []
    engine = painting._PromptEngine(pipeline, Manner(steps=7, guidance=3.5, negative_prompt="blur", size=64))
    assert engine(REQUESTS, lambda: ticks.append(1)).pictures.shape == (2, 8, 8, 3)
    told = pipeline.told
    assert (told["prompt"], told["negative_prompt"]) == (["a cat", "a dog"], ["blur", "blur"])
    assert (told["num_inference_steps"], told["guidance_scale"], told["height"], told["width"]) == (7, 3.5, 64, 64)
    assert [generator.initial_seed() for generator in told["generator"]] == [11, 12]
    assert ticks == [1]
    painting._PromptEngine(pipeline, Manner(steps=7, guidance=3.5))(REQUESTS, lambda: None)
    assert (pipeline.told["negative_prompt"], pipeline.told["height"]) == (None, None)


def test_a_pipeline_of_classes_is_asked_by_its_own_numbers(monkeypatch):
    given = {}
    monkeypatch.setattr(sampling, "sample", lambda *arguments: given.update(all=arguments) or np.zeros((2, 32, 32, 3), np.uint8))
    engine = painting._ClassEngine("pipeline", Manner(steps=7, guidance=3.5), {"cat": 281, "dog": 207})
    assert not engine(REQUESTS, None).flagged.any()
    assert given["all"] == ("pipeline", [281, 207], [11, 12], 7, 3.5, None)


def test_classes_are_numbered_as_the_model_knows_them_and_unknown_ones_refused():
    knows = SimpleNamespace(labels={"cat": 281, "dog": 207})
    assert pipelines.class_ids(CLASSES, knows, ("dog", "cat")) == {"dog": 207, "cat": 281}
    with pytest.raises(BadInput, match="does not know the class 'truck'"):
        pipelines.class_ids(CLASSES, knows, ("cat", "truck"))
    assert pipelines.class_ids(CLASSES, SimpleNamespace(labels=None), ("truck",)) == {"truck": 9}


def painter_of(pictures, manner):
    """A painter without a pipeline, whose engine draws `pictures(requests)`, uint8 (N, H, W, 3)."""
    painter = object.__new__(painting.Painter)
    source = pipelines.Source("mine", "trained", None, "DiTPipeline", "sha256:0", 20, 4.0)
    painter.source, painter.manner, painter.batch, painter.on_message = source, manner, 2, lambda message: None
    painter.device, painter.scheduler = torch.device("cpu"), "DDIMScheduler"
    painter.engine = lambda requests, tick: painting.Drawn(pictures(requests) / 255, np.zeros(len(requests), bool))
    return painter


def test_a_large_picture_is_shrunk_antialiased_and_stored_as_cifake_s_jpeg():
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    painter = painter_of(lambda requests: np.stack([picture] * len(requests)), Manner(5, 2.0))
    painted = painter.paint([Request("cat", 4, 99, "a cat"), *REQUESTS])
    assert [one.request.seed for one in painted] == [99, 11, 12]
    assert [one.provenance["slot"] for one in painted] == [0, 1, 0]
    one = painted[0]
    small = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BICUBIC))
    expected = io.BytesIO()
    Image.fromarray(small).save(expected, format="JPEG", quality=75, subsampling="4:2:0")
    assert one.data == expected.getvalue()
    assert np.array_equal(one.original, picture)
    made = one.provenance
    assert (made["seed"], made["index"], made["class"], made["steps"], made["guidance"], made["batch"]) == (99, 4, "cat", 5, 2.0, 2)
    assert (made["original_size"], made["resize"], made["scheduler"], made["revision"]) == ([128, 128], "bicubic, antialiased", "DDIMScheduler", "sha256:0")


def test_a_picture_of_the_right_size_is_not_resized_and_one_that_is_not_square_loses_its_sides():
    small = np.random.default_rng(1).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    (one,) = painter_of(lambda requests: np.stack([small] * 2), Manner(5, 2.0)).paint(REQUESTS[:1])
    assert one.data == codec.encode_jpeg(small)
    assert one.provenance["resize"] == "none"
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = small
    assert np.array_equal(codec.shrink(wide), small)


def noisy(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3)).astype(np.uint8)


def test_a_short_batch_is_filled_up_so_that_an_image_never_depends_on_how_many_stand_beside_it():
    asked = []

    def pictures(requests):
        asked.append([request.seed for request in requests])
        return np.stack([noisy(request.seed) for request in requests])

    painted = painter_of(pictures, Manner(5, 2.0)).paint([Request("cat", 4, 99, "a cat"), *REQUESTS])
    assert asked == [[99, 11], [12, 12]]
    assert [one.data for one in painted] == [codec.encode_jpeg(noisy(seed)) for seed in (99, 11, 12)]


def test_a_repainted_image_stands_in_its_old_place_of_the_batch():
    asked = []

    def pictures(requests):
        asked.append([request.seed for request in requests])
        return np.stack([noisy(place) for place in range(len(requests))])

    painter = painter_of(pictures, Manner(5, 2.0))
    assert painter.repaint(REQUESTS[1], 1).data == codec.encode_jpeg(noisy(1))
    assert asked == [[12, 12]]


def test_a_picture_of_one_colour_is_drawn_again_with_a_seed_of_its_own_and_says_which_were_tried():
    asked = []

    def pictures(requests):
        asked.extend(request.seed for request in requests)
        return np.stack([np.zeros((32, 32, 3), np.uint8) if request.seed == 11 else noisy(request.seed % 1000) for request in requests])

    first, second = painter_of(pictures, Manner(5, 2.0)).paint(REQUESTS)
    again = redraw_seed(11, 1)
    assert asked[:3] == [11, 12, again]
    assert first.data == codec.encode_jpeg(noisy(again % 1000))
    assert (first.provenance["seed"], [one["seed"] for one in first.provenance["rejected"]]) == (again, [11])
    assert second.data == codec.encode_jpeg(noisy(12))


# ---- what a plan asks for


WORDS = pipelines.Source("sd", "hub", None, "StableDiffusionPipeline", "c", 50, 7.5)
CLASSES = pipelines.Source("mine", "trained", None, "DiTPipeline", "sha256:0", 20, 4.0)
FAST = pipelines.Source("lcm", "hub", None, "LatentConsistencyModelPipeline", "c", 4, 8.5)


def test_what_the_user_gives_goes_before_the_model_s_own_and_the_recipe_s():
    recipe = load_recipe("cifake")
    plan = Generate("x", "sd", 1, ("cat",))
    assert plan.manner(WORDS) == Manner(recipe.steps, recipe.guidance, recipe.negative_prompt, "default", recipe.size)
    assert plan.manner(CLASSES) == Manner(20, 4.0, "", "default", 0)
    assert (plan.manner(FAST).steps, plan.manner(FAST).guidance) == (4, 8.5)
    own = replace(plan, steps=9, guidance=0.0, negative_prompt="blur", scheduler="DDIM", size=64)
    assert own.manner(WORDS) == Manner(9, 0.0, "blur", "DDIM", 64)
    assert own.manner(CLASSES) == Manner(9, 0.0, "", "DDIM", 0)


def test_every_image_of_a_plan_has_the_seed_of_its_set_class_and_number_and_a_prompt_of_that_seed():
    plan = Generate("x", "sd", 2, ("cat", "dog"), counts={"dog": 3}, seed=5)
    asked = plan.requests(WORDS)
    assert [(one.class_name, one.index) for one in asked] == [("cat", 0), ("dog", 0), ("cat", 1), ("dog", 1), ("dog", 2)]
    assert [one.seed for one in asked] == [image_seed(5, one.class_name, one.index) for one in asked]
    assert [one.prompt for one in asked] == [load_recipe("cifake").prompt(one.class_name, one.seed) for one in asked]
    assert {one.prompt for one in plan.requests(CLASSES)} == {""}
    assert {one.seed for one in asked} != {one.seed for one in replace(plan, seed=6).requests(WORDS)}


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_was_made_is_stored_as_fakes_of_its_class_and_split_with_what_made_it(split):
    plan = Generate("x", "mine", 1, ("cat", "truck"), split=split)
    made = [{"class": word, "index": 7, "prompt": "", "seed": 50 + n, "original_size": [64, 48]} for n, word in enumerate(("cat", "truck"))]
    shards = SimpleNamespace(rows=lambda: [{"data": b"jpeg", "original": None, "provenance": one} for one in made])
    rows = list(plan._rows(shards, CLASSES, None))
    assert [(row.label, row.class_label, row.split, row.seed) for row in rows] == [(1, 3, split, 50), (1, 9, split, 51)]
    assert [(row.generator, row.data, row.path) for row in rows] == [("mine", b"jpeg", "cat-00007.jpg"), ("mine", b"jpeg", "truck-00007.jpg")]
    assert rows[0].provenance == made[0]
    assert (rows[0].original.width, rows[0].original.height) == (64, 48)


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"per_class": 3}, {"steps": 5}, {"guidance": 2.0}, {"scheduler": "DDIM"}, {"size": 64}, {"negative_prompt": "x"},
     {"template": "{class}"}, {"modifiers": {"cat": ["red"]}}, {"classes": ("cat", "dog")}, {"split": "test"}, {"batch": 3}],
)  # fmt: skip
def test_another_plan_has_another_digest(change):
    plan = Generate("x", "mine", 2, ("cat",))
    assert plan._digest(CLASSES) != replace(plan, **change)._digest(CLASSES)
    assert plan._digest(CLASSES) == replace(plan, name="y")._digest(CLASSES)
    assert plan._digest(CLASSES) != plan._digest(replace(CLASSES, revision="sha256:1"))


def test_a_model_s_own_steps_and_guidance_follow_from_its_kind(monkeypatch):
    kind = {}
    monkeypatch.setattr(pipelines.checking, "checked_class", lambda folder: kind["pipeline"])

    def source(pipeline, *given):
        kind["pipeline"] = pipeline
        found = pipelines._source("x", None, "folder", "r", *given)
        return found.steps, found.guidance

    assert source("StableDiffusionPipeline") == (50, 7.5)
    assert source("LatentConsistencyModelPipeline") == (4, 7.5)
    assert source("DiTPipeline") == (50, 4.0)
    assert source("DiTPipeline", 12, 0.0) == (12, 0.0)
    assert source("DDPMPipeline") == (1000, 0.0)


# ---- training a generator


def test_a_generator_learns_from_the_reals_of_train_with_a_known_class_alone(workspace, monkeypatch):
    monkeypatch.setattr(chapters, "MINIMUM_IMAGES", 20)
    rows = [(n % 2, n % 5 - 1, "test" if n > 59 else "train") for n in range(80)]  # label, class, split
    images = [NewImage(codec.encode_png(drawn(label, max(word, 0), n)), label, word, split) for n, (label, word, split) in enumerate(rows)]
    pixels, classes = chapters._reals(new_image_set(workspace, "mixed", images))
    wanted = {image_id(drawn(0, word, n)): word for n, (label, word, split) in enumerate(rows) if label == 0 and word >= 0 and split == "train"}
    found = [image_id(picture.permute(1, 2, 0).numpy()) for picture in pixels]
    assert dict(zip(found, classes.tolist(), strict=True)) == wanted


def test_the_flow_is_learned_on_the_straight_path_between_noise_and_latents_with_some_classes_left_out(monkeypatch):
    """Answering with exactly noise − latents, told from the mixture and its noise level, costs nothing."""
    latents = torch.randn(50, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    latents[:, 1] = latents[:, 0] + 30  # the mirrored half, told apart by its mean
    classes = torch.arange(50) % 10
    seen = {"labels": [], "sigma": [], "mirrored": []}

    class Model(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, mixed, timestep, class_labels):
            sigma = (timestep / 1000)[:, None, None, None]
            rows = fitting.batch_rows(1, seen["step"], 50, 50)
            guesses = [(1 - sigma) * latents[rows, side] for side in (0, 1)]
            noises = [(mixed - guess) / sigma for guess in guesses]
            side = (noises[0].mean((1, 2, 3)).abs() > noises[1].mean((1, 2, 3)).abs()).long()
            clean = latents[rows, side]
            seen["labels"] += [(int(a), int(classes[row])) for a, row in zip(class_labels, rows, strict=True)]
            seen["sigma"] += sigma.ravel().tolist()
            seen["mirrored"] += side.tolist()
            return SimpleNamespace(sample=(mixed - (1 - sigma) * clean) / sigma - clean)

    loss = diffusion_transformer.FlowLoss(latents, classes, 50, 0.2, seed=1)
    monkeypatch.setattr(hardware, "fast_precision", lambda device: "fp32")
    for step in range(20):
        seen["step"] = step
        assert float(loss(Model(), step)) == pytest.approx(0, abs=1e-3)
    dropped = np.mean([label == NO_CLASS for label, _ in seen["labels"]])
    assert dropped == pytest.approx(0.2, abs=0.04)
    assert all(label in (NO_CLASS, truth) for label, truth in seen["labels"])
    assert np.mean(seen["mirrored"]) == pytest.approx(0.5, abs=0.06)
    assert np.mean(seen["sigma"]) == pytest.approx(0.5, abs=0.03)  # logit-normal
    assert np.std(seen["sigma"]) == pytest.approx(0.208, abs=0.02)


def test_the_average_follows_the_weights_faster_while_it_is_young():
    model, average = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    for step, expected in ((0, 0.1), (89, 90 / 99), (100_000, 0.999)):
        with torch.no_grad():
            model.weight.fill_(0.0)
            average.weight.fill_(1.0)
        fitting._follow(fitting.Training(model, average, None, step=step), 0.999)
        assert float(average.weight.detach()) == pytest.approx(expected, abs=1e-5)


def test_a_step_of_a_generator_s_training_is_adamw_with_clipped_gradients():
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    twin = torch.nn.Linear(3, 1)
    twin.load_state_dict(model.state_dict())
    schedule = fitting.Schedule(steps=10, learning_rate=0.1, warmup_steps=1, weight_decay=0.3, ema_decay=0.9)
    training = fitting.Training(model, torch.nn.Linear(3, 1), fitting._optimizer(model, schedule))
    adamw = torch.optim.AdamW(twin.parameters(), betas=(0.9, 0.99), weight_decay=0.3)
    x = 100 * torch.randn(8, 3)
    for step in range(3):
        fitting._advance(training, lambda network, _step: network(x).square().mean(), schedule)
        for group in adamw.param_groups:
            group["lr"] = schedule.rate(step, step / 10)
        adamw.zero_grad()
        twin(x).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        adamw.step()
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(model.parameters(), twin.parameters(), strict=True))
    assert (training.step, training.share) == (3, 0.3)
