"""Training a generator of our own: the arithmetic, resuming, and that stock diffusers loads the result."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cifake_core import hardware
from cifake_core.errors import BadInput, Cancelled, Conflict, Refused
from cifake_core.generators import autoencoder, diffusion_transformer, fitting, sampling
from cifake_core.generators.designs import PRESETS
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace
from tests.generator_models import stand_ins, tiny_training


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Sums differ in the last bit between numbers of threads; and tests are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "use_threads", lambda threads=0: torch.set_num_threads(1))
        torch.set_num_threads(1)
        yield


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    stand_ins(workspace)
    return workspace


@pytest.fixture(scope="module")
def trained(workspace) -> dict:
    return tiny_training().run(Context(workspace))


def weights(result: dict) -> dict[str, str]:
    return {name: digest for name, digest in result["sha256"].items() if name.endswith(".safetensors")}


def test_the_learning_rate_warms_up_and_then_falls_along_half_a_cosine():
    schedule = fitting.Schedule(steps=100, learning_rate=1.0, warmup_steps=10)
    assert schedule.rate(0, 0.0) == pytest.approx(0.1)
    assert schedule.rate(50, 0.5) == pytest.approx(0.01 + 0.99 * 0.5)
    assert schedule.rate(99, 1.0) == pytest.approx(0.01)


def test_the_clock_or_the_steps_rule_a_training_but_not_both():
    assert fitting.Schedule(minutes=2).share(step=7, elapsed_s=30) == pytest.approx(0.25)
    assert fitting.Schedule(steps=8).share(step=2, elapsed_s=1e9) == pytest.approx(0.25)
    with pytest.raises(BadInput, match="exactly one"):
        fitting.Schedule(steps=8, minutes=2)


def test_batches_visit_every_image_once_an_epoch_also_across_the_seam():
    rows = torch.cat([fitting.batch_rows(seed=3, step=step, batch=4, rows=10) for step in range(5)])
    assert sorted(rows[:10].tolist()) == sorted(rows[10:].tolist()) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()


def test_edges_of_a_constant_shift_are_free_and_of_a_step_are_as_computed_by_hand():
    flat = torch.zeros(1, 1, 8, 8)
    assert autoencoder.edges(flat + 0.3, flat) == pytest.approx(0.0, abs=1e-6)
    step = flat.clone()
    step[..., 4:] = 1.0  # one of 7, 3 and 1 horizontal differences is 1 at the three scales; vertical ones are 0
    assert autoencoder.edges(step, flat) == pytest.approx((1 / 7 + 1 / 3 + 1) / 2 / 3, abs=1e-6)


def test_standardising_the_latents_leaves_the_pictures_as_they_were():
    model = autoencoder.build(4, (8, 8, 8), seed=0).eval().requires_grad_(False)
    pixels = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    before = autoencoder.reconstruction_error(model, pixels)
    spread = model.encode(autoencoder.as_input(pixels)).latent_dist
    noise = spread.std / torch.cat(list(autoencoder.encode(model, pixels))).std((0, 2, 3))[:, None, None]
    autoencoder.standardise(model, pixels)
    latents = torch.cat(list(autoencoder.encode(model, pixels)))
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)
    assert autoencoder.reconstruction_error(model, pixels) == pytest.approx(before, abs=1e-3)
    after = model.encode(autoencoder.as_input(pixels)).latent_dist.std  # the noise of a latent is scaled with it
    torch.testing.assert_close(after, noise, rtol=1e-3, atol=1e-5)


def test_a_new_transformer_answers_zero_so_the_flow_loss_is_the_variance_of_noise_minus_latents():
    model = diffusion_transformer.build(4, layers=1, heads=2, head_width=8, patch=2, seed=0)
    latents = torch.full((64, 2, 4, 8, 8), 2.0).half()
    loss = diffusion_transformer.FlowLoss(latents, torch.zeros(64, dtype=torch.long), 64, 0.1, seed=0)
    assert float(loss(model, 0).detach()) == pytest.approx(1 + 2**2, rel=0.03)  # E(ε − 2)² = 1 + 4


def test_the_sampler_reaches_the_latent_that_a_perfect_flow_points_to():
    """With v = (x − x₀) / σ known exactly, every step of the solver keeps x₀, so the end is x₀ itself."""
    scheduler = diffusion_transformer.scheduler()
    scheduler.set_timesteps(6)
    goal, latents = torch.full((1, 4, 8, 8), 0.7), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for number, t in enumerate(scheduler.timesteps):
        latents = scheduler.step((latents - goal) / scheduler.sigmas[number], t, latents).prev_sample
    torch.testing.assert_close(latents, goal, atol=1e-3, rtol=0)


def test_the_result_is_a_folder_that_stock_diffusers_loads_and_calls_by_name(trained):
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(trained["folder"], use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    assert type(pipeline).__name__ == "DiTPipeline"
    assert pipeline.get_label_ids(["airplane", "truck"]) == [0, 9]
    pictures = pipeline(class_labels=[3, 9], guidance_scale=2.0, num_inference_steps=2).images
    assert [picture.size for picture in pictures] == [(32, 32)] * 2
    folder = Path(trained["folder"])
    assert all(artifacts.verify(folder, name) for name in trained["sha256"])
    header = json.loads((folder / "curve.json").read_text())
    assert header["autoencoder"]
    assert header["transformer"]
    assert {t.dtype for t in _tensors(folder)} == {torch.float16}


def _tensors(folder: Path) -> list[torch.Tensor]:
    from safetensors.torch import load_file

    return [tensor for path in folder.rglob("*.safetensors") for tensor in load_file(path).values()]


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_our_sampling_loop_gives_the_pixels_of_the_stock_pipeline_call(trained, guidance):
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(trained["folder"], use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    torch.manual_seed(0)
    with torch.no_grad():  # six steps of training teach no class: without this any formula of guidance gives the same
        for weights in pipeline.transformer.parameters():
            weights.add_(0.15 * torch.randn_like(weights))
    seeds, classes = [11, 12, 13], [0, 5, 9]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    stock = pipeline(classes, guidance_scale=guidance, generator=generators, num_inference_steps=4, output_type="np").images
    ours = sampling.to_pixels(sampling.sample(pipeline, classes, seeds, steps=4, guidance=guidance))
    assert np.abs(ours.astype(int) - (stock * 255).round().astype(int)).max() <= 1
    other = sampling.sample(pipeline, classes, seeds, steps=4, guidance=guidance + 2)
    assert np.abs(ours.astype(int) - other.astype(int)).max() > 20  # the network looks at the class


@pytest.mark.parametrize("stop_at", [2, 8])
def test_a_stopped_training_ends_with_the_weights_of_an_uninterrupted_one(workspace, trained, stop_at):
    calls = 0

    def stop(done: int, total: int, message: str) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise Cancelled("stopped")

    step = tiny_training(f"again-{stop_at}", seed=0)
    with pytest.raises(Cancelled):
        step.run(Context(workspace, stop))
    assert weights(step.run(Context(workspace))) == weights(trained)


@pytest.mark.parametrize("lost", ["model.", "average.", "optimizer.", "step"])
def test_leaving_any_part_out_of_the_checkpoint_changes_the_result(tmp_path, lost, monkeypatch):
    def loss(model, step):
        return (model(torch.randn(8, 4, generator=fitting.draws(0, step))) - 1).square().mean()

    def run(path, stop=None):
        torch.manual_seed(0)

        def report(training):
            if training.step == stop:
                raise Cancelled("stopped")

        return fitting.fit(torch.nn.Linear(4, 2), loss, fitting.Schedule(steps=12, warmup_steps=2), path, report)

    whole = run(tmp_path / "whole.safetensors").average.weight
    with pytest.raises(Cancelled):
        run(tmp_path / "cut.safetensors", stop=5)
    (tmp_path / "copy.safetensors").write_bytes((tmp_path / "cut.safetensors").read_bytes())
    assert torch.equal(run(tmp_path / "copy.safetensors").average.weight, whole)
    restore = fitting._part
    monkeypatch.setattr(fitting, "_part", lambda t, p: {} if p == lost == "optimizer." else restore(t, p))
    if lost in ("model.", "average."):
        _without(tmp_path / "cut.safetensors", lost)
    if lost == "step":
        monkeypatch.setattr(fitting, "draws", lambda seed, *numbers: torch.Generator().manual_seed(7))
    assert not torch.equal(run(tmp_path / "cut.safetensors").average.weight, whole)


def _without(path: Path, prefix: str) -> None:
    """Replaces the tensors of that prefix by zeros, as if they had not been kept."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    save_file({n: t * 0 if n.startswith(prefix) else t for n, t in tensors.items()}, path, metadata=metadata)


def test_a_checkpoint_cut_short_is_dropped_and_the_training_starts_over(tmp_path):
    path = tmp_path / "c.safetensors"
    path.write_bytes(b"\x10\x00\x00\x00")
    model = torch.nn.Linear(2, 1)
    state = fitting.fit(model, lambda m, s: m.weight.square().sum(), fitting.Schedule(steps=3), path, lambda s: None)
    assert state.step == 3


def test_the_same_training_again_is_the_same_generator_and_another_under_its_name_is_a_conflict(workspace, trained):
    assert tiny_training().run(Context(workspace))["sha256"] == trained["sha256"]
    with pytest.raises(Conflict, match="choose another name"):
        tiny_training(seed=5).run(Context(workspace))


def test_nothing_of_a_finished_training_is_left_but_its_folder(workspace, trained):
    assert not list(workspace.generators.glob(".training-tiny-*"))


def test_samples_and_curves_are_written_while_it_trains(workspace, tmp_path, monkeypatch):
    tiny_training("watched", seed=1).run(Context(workspace, scratch=tmp_path))
    assert (tmp_path / "transformer-curve.json").exists()
    assert list(tmp_path.glob("samples-*.png"))


def test_fakes_are_not_trained_on(workspace):
    reals = ImageSet.open(workspace, "reals").part("train+validation")
    assert (reals.labels == 0).all()
    stand_ins(workspace, "few", per_class=2)
    with pytest.raises(Refused, match="20 real training images"):
        dataclasses.replace(tiny_training("x"), dataset="few").run(Context(workspace))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preset": "big"}, "no preset 'big'"),
        ({"design": {"depth": 3}}, "no 'depth'"),
        ({"design": {"patch": 3}}, "patch is 3"),
        ({"design": {"widths": [8, 8]}}, "three positive multiples of 8"),
        ({"transformer_steps": 0}, "for both"),
        ({"minutes": 3.0}, "one of the two"),
        ({"name": "../x"}, "cannot be used"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(changes, sentence):
    with pytest.raises(BadInput, match=sentence):
        tiny_training(**{"name": "t", **changes})


@pytest.mark.parametrize(("preset", "most_mb"), [("demo", 8), ("cifar10", 40), ("cifar10-gpu", 40)])
def test_the_presets_stay_under_their_size_in_half_precision(preset, most_mb):
    design = PRESETS[preset]
    with torch.device("meta"):
        from diffusers import AutoencoderKL, DiTTransformer2DModel

        vae = AutoencoderKL(
            block_out_channels=design.widths, down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=design.latent_channels, norm_num_groups=8,
            mid_block_add_attention=False,
        )  # fmt: skip
        transformer = DiTTransformer2DModel(
            num_attention_heads=design.heads, attention_head_dim=design.head_width, num_layers=design.layers,
            in_channels=design.latent_channels, patch_size=design.patch, sample_size=8,
        )  # fmt: skip
    count = sum(p.numel() for model in (vae, transformer) for p in model.parameters())
    assert 2 * count / 1e6 < most_mb - 0.3
    assert math.isfinite(design.minutes)
