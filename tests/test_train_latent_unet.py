"""The training of the bundled generator, version 2: resumable to the bit, and what it exports is a stock pipeline."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks import train_latent_unet as training
from cifake_core.generators import pipelines
from cifake_core.generators.fitting import draws
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

RECIPE = training.Recipe(channels=(16, 32, 32), text_width=16, batch=4, warmup_steps=2)


@pytest.fixture(scope="module")
def tokenizer():
    return training.build_tokenizer()


@pytest.fixture(scope="module")
def loss(tokenizer):
    pixels = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=draws(0, 9))
    projection = training.Projection.of(pixels, 6)
    return training.DenoisingLoss(pixels, torch.arange(20) % 10, projection, training.Prompts(tokenizer), RECIPE)


def sitting(folder, loss, tokenizer, recipe, until):
    folder.mkdir(exist_ok=True)
    artifacts.write_json(folder / training.RECIPE, training.asdict(recipe))
    state = training.fresh(recipe, tokenizer)
    if (folder / training.STATE).exists():
        training.restore(folder / training.STATE, state)
    training.Sitting(folder, recipe, training.Plan(until=until, validate_every=2)).train(state, loss, loss)
    return load_file(folder / training.STATE)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_training_in_two_sittings_ends_with_the_weights_of_one(tmp_path, loss, tokenizer, optimizer, monkeypatch):
    monkeypatch.setattr(training, "_LOG_EVERY", 1)
    recipe = training.Recipe(**{**training.asdict(RECIPE), "optimizer": optimizer})
    once = sitting(tmp_path / "once", loss, tokenizer, recipe, 4)
    sitting(tmp_path / "twice", loss, tokenizer, recipe, 2)
    twice = sitting(tmp_path / "twice", loss, tokenizer, recipe, 4)
    assert once.keys() == twice.keys()
    assert all(torch.equal(once[name], twice[name]) for name in once)
    logs = [(tmp_path / name / training.LOG).read_text().splitlines() for name in ("once", "twice")]
    entries = [[{**json.loads(line), "cpu_s": 0} for line in log] for log in logs]
    assert entries[0] == entries[1]
    assert [entry["step"] for entry in entries[0]] == [1, 2, 2, 3, 4, 4]


def test_what_was_logged_after_the_checkpoint_is_dropped(tmp_path):
    path = tmp_path / training.LOG
    path.write_text('{"step": 20}\n{"step": 40}\n{"step": 60}\n')
    training.truncate_log(path, 40)
    assert path.read_text() == '{"step": 20}\n{"step": 40}\n'


def test_latents_are_uncorrelated_with_deviation_one_and_twelve_of_them_lose_nothing():
    smooth = torch.nn.functional.avg_pool2d(torch.rand((30, 3, 34, 34), generator=draws(0, 8)), 3, 1)
    pixels = (smooth * 255).to(torch.uint8)
    images = training.autoencoder.as_input(pixels)
    whole = training.Projection.of(pixels, 12)
    latents = whole.latents(images).permute(1, 0, 2, 3).flatten(1).double()
    assert torch.allclose(torch.cov(latents), torch.eye(12, dtype=torch.float64), atol=1e-3)
    blocks = whole.axes @ (whole.deviation[:, None] * latents.float()) + whole.mean[:, None]
    expected = torch.nn.functional.pixel_unshuffle(images, 2).permute(1, 0, 2, 3).flatten(1)
    assert torch.allclose(blocks, expected, atol=1e-4)
    kept = training.Projection.of(pixels, 6)
    assert torch.allclose(kept.deviation, whole.deviation[:6])
    assert bool((whole.deviation.diff() < 0).all())


def test_the_target_is_what_the_stock_scheduler_turns_back_into_the_latents(loss, monkeypatch):
    """Where the denoiser answers v of known latents, the loss is 0, and the exported scheduler gives these latents."""
    calls = {}

    def record(model, noisy, times, tokens):
        calls.update(noisy=noisy, times=times)
        return torch.zeros_like(noisy)

    monkeypatch.setattr(training, "predict", record)
    monkeypatch.setattr(torch.nn.functional, "mse_loss", lambda answer, target: calls.setdefault("target", target).sum())
    loss(None, 0)
    scheduler = training.schedule()
    scheduler.set_timesteps(1000)
    rows = training.batch_rows(0, 0, 4, 20)
    images = training.autoencoder.as_input(loss.pixels[rows])
    both = [loss.projection.latents(side) for side in (images, images.flip(3))]
    for number, time in enumerate(calls["times"].tolist()):
        assert scheduler.timesteps[999 - time] == time
        scheduler._step_index = 999 - time
        latents = scheduler.convert_model_output(calls["target"][number : number + 1], sample=calls["noisy"][number : number + 1])
        assert min((latents - side[number]).abs().max() for side in both) < 1e-3


def test_times_cover_the_whole_schedule_evenly():
    times = training.DenoisingLoss._times(100, draws(0, 1))
    assert sorted(int(time) // 10 for time in times) == list(range(100))
    assert times.tolist() != sorted(times.tolist())


def test_merges_by_hand():
    """a·b is the most frequent pair of abab and abc; then all are equal, and the last by spelling goes first."""
    merges = training.learn_merges(["abab", "abc"])
    assert merges == [("a", "b"), ("ab", "c</w>"), ("ab", "a"), ("aba", "b</w>")]
    assert training.merged(["a", "b", "a", "b</w>"], ("a", "b")) == ["ab", "a", "b</w>"]


def test_each_word_of_a_prompt_is_one_token_and_other_text_still_has_some(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("a photograph of an airplane flying").input_ids)
    assert tokens[1:-1] == ["a</w>", "photograph</w>", "of</w>", "an</w>", "airplane</w>", "flying</w>"]
    assert tokenizer.eos_token_id not in tokenizer("Zürich 9%").input_ids[1:-1]
    assert training.Prompts(tokenizer).tokens.shape[1] == training.PROMPT_LENGTH
    assert bool((training.Prompts(tokenizer).tokens[:, -1] == tokenizer.pad_token_id).all())  # none is cut


def test_a_tenth_of_the_prompts_is_empty_and_the_rest_name_the_class(tokenizer):
    prompts = training.Prompts(tokenizer)
    drawn = prompts.draw(torch.full((2000,), 3), 0.1, draws(0, 2))
    words = tokenizer.batch_decode(drawn, skip_special_tokens=True)
    assert abs(sum(not word for word in words) / 2000 - 0.1) < 0.03
    assert all("cat" in word for word in words if word)
    assert 0.4 < sum(word == "a photograph of a cat" for word in words) / 2000 < 0.6


def test_averages_follow_the_power_function(tokenizer):
    state = training.fresh(RECIPE, tokenizer)
    weights = [next(iter(module.parameters())) for module in (state.model, state.averages["average-long"])]
    with torch.no_grad():
        weights[0].fill_(1.0)
        state.step = 1
        training.follow(state)
        assert bool((weights[1] == 1).all())  # the first step counts whole
        weights[0].fill_(2.0)
        state.step = 4
        training.follow(state)
    assert torch.allclose(weights[1], torch.tensor(2 - 0.75**7.94))


def test_the_rate_warms_up_stays_and_falls_to_zero():
    recipe = training.Recipe(learning_rate=1.0, warmup_steps=10)
    plan = training.Plan(until=100, decay_steps=20)
    assert [plan.rate(recipe, step) for step in (0, 9, 80, 90, 100)] == [0.1, 1.0, 1.0, 0.5, 0.0]
    assert training.Plan().rate(recipe, 10**6) == 1.0


@pytest.fixture(scope="module")
def exported(tmp_path_factory, loss, tokenizer):
    folder = tmp_path_factory.mktemp("training") / "state"
    sitting(folder, loss, tokenizer, RECIPE, 2)
    projection = loss.projection
    save_file({"mean": projection.mean, "axes": projection.axes, "deviation": projection.deviation}, folder / training.PROJECTION)
    training.train_autoencoder(folder, loss.pixels, loss.pixels, projection, 2)
    training.export(folder, folder / "pipeline", "average-long")
    return folder


def test_the_export_is_a_stock_pipeline_that_every_stock_scheduler_samples(exported, tmp_path, tokenizer):
    source = pipelines.find(Workspace(tmp_path), str(exported / "pipeline"))
    assert source.pipeline == "StableDiffusionPipeline"
    assert all(path.stat().st_size <= 15e6 for path in (exported / "pipeline").rglob("*"))
    pipeline = pipelines.load(source, torch.device("cpu"))
    assert pipeline.vae.config.scaling_factor == training.LATENT_SCALE
    text = "a photograph of a deer in tall grass"
    assert pipeline.tokenizer(text).input_ids == tokenizer(text).input_ids
    for name in ("default", *pipelines.schedulers()):
        pipelines.use_scheduler(source, pipeline, name)
        picture = pipeline(text, num_inference_steps=4, guidance_scale=2.0, output_type="np").images
        assert picture.shape == (1, 32, 32, 3), name
        assert np.isfinite(picture).all(), name


def test_a_packed_copy_goes_on_where_the_training_stood(exported, tmp_path, loss, tokenizer, monkeypatch):
    monkeypatch.setattr(training, "_PACKED_BYTES", 200_000)
    training.pack(exported, tmp_path / "packed", "average-short")
    assert len(list((tmp_path / "packed").glob("weights-*"))) > 1
    assert all(path.stat().st_size < 400_000 for path in (tmp_path / "packed").glob("weights-*"))
    (tmp_path / "again").mkdir()
    training.unpack(tmp_path / "packed", tmp_path / "again")
    before, after = (load_file(folder / training.STATE) for folder in (exported, tmp_path / "again"))
    own = [name for name in before if not name.startswith("optimizer.")]
    assert after.keys() == set(own)
    assert all(torch.allclose(before[f"average-short.{name.split('.', 1)[1]}"], after[name], atol=1e-3) for name in own)
    state = training.fresh(RECIPE, tokenizer)
    training.restore(tmp_path / "again" / training.STATE, state)
    assert state.step == 2
    training.Sitting(tmp_path / "again", RECIPE, training.Plan(until=3)).train(state, loss, loss)
    assert state.step == 3


def test_a_copy_packed_before_the_first_step_holds_what_is_decided_by_then(exported, tmp_path):
    for name in (training.RECIPE, training.PROJECTION, training.DECODER):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    training.pack(tmp_path, tmp_path / "packed", "average-long")
    (tmp_path / "again").mkdir()
    training.unpack(tmp_path / "packed", tmp_path / "again")
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == sorted(
        [training.RECIPE, training.PROJECTION, training.DECODER]
    )
    assert training.read_recipe(tmp_path / "again") == RECIPE
