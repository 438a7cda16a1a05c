"""Generators as people have them: the Hub's cache, half-precision variants, single files, models without classes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cifake_core import hardware
from cifake_core.errors import BadInput, Cancelled, CifakeError, Damaged
from cifake_core.generators import catalogue, checking, pipelines, remaking
from cifake_core.generators.generating import Generate
from cifake_core.generators.recipe import image_seed
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store import artifacts
from tests.generator_models import as_hub_cache, as_single_file, tiny_stable_diffusion, tiny_unconditional


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "use_threads", lambda threads=0: torch.set_num_threads(1))
        yield


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory) -> Path:
    return tiny_stable_diffusion(tmp_path_factory.mktemp("models") / "sd")


def pixels_of(workspace, generator: Path, name: str) -> np.ndarray:
    Generate(name, str(generator), classes=("cat", "dog"), per_class=1, steps=2, size=64, batch=2).run(Context(workspace))
    return np.array(ImageSet.open(workspace, name).pixels("train"))


# ---- the Hub's cache


def test_a_folder_of_the_hubs_cache_and_its_snapshot_make_the_images_of_the_plain_folder(workspace, stable_diffusion, tmp_path):
    home = as_hub_cache(stable_diffusion, tmp_path)
    plain = pixels_of(workspace, stable_diffusion, "plain")
    assert (pixels_of(workspace, home, "cache") == plain).all()
    source = pipelines.find(workspace, str(home / "snapshots" / ("0" * 40)))
    assert (source.title, source.kind) == ("someone/tiny", "folder")
    assert source.revision == pipelines.find(workspace, str(stable_diffusion)).revision
    assert str(tmp_path) not in json.dumps(ImageSet.open(workspace, "cache").record["note"]) + source.title


def test_of_several_snapshots_one_has_to_be_named(workspace, stable_diffusion, tmp_path):
    home = as_hub_cache(stable_diffusion, tmp_path)
    shutil.copytree(home / "snapshots" / ("0" * 40), home / "snapshots" / ("1" * 40), symlinks=True)
    with pytest.raises(BadInput, match=r"holds 2 snapshots \(0000000000, 1111111111\)"):
        pipelines.find(workspace, str(home))


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../secret.json", "nowhere", "model_index.json"])
def test_a_link_out_of_the_cache_into_nothing_or_to_itself_is_refused_before_anything_is_opened(
    workspace, stable_diffusion, tmp_path, target, monkeypatch
):
    home = as_hub_cache(stable_diffusion, tmp_path)
    (tmp_path / "secret.json").write_text("{}")
    index = home / "snapshots" / ("0" * 40) / "scheduler" / "scheduler_config.json"
    index.unlink()
    index.symlink_to(index.name if target == "model_index.json" else target)
    monkeypatch.setattr(artifacts, "read_json", lambda path: pytest.fail(f"opened {path}"))
    monkeypatch.setattr(artifacts, "sha256", lambda path: pytest.fail(f"opened {path}"))
    with pytest.raises(BadInput, match="is a link"):
        pipelines.find(workspace, str(home))


def test_a_link_to_blobs_is_refused_where_the_folder_is_no_snapshot(workspace, stable_diffusion, tmp_path):
    shutil.copytree(stable_diffusion, tmp_path / "x" / "m")
    (tmp_path / "x" / "blobs").mkdir()
    config = tmp_path / "x" / "m" / "unet" / "config.json"
    shutil.move(config, tmp_path / "x" / "blobs" / "a")
    config.symlink_to(tmp_path / "x" / "blobs" / "a")
    with pytest.raises(BadInput, match="link to somewhere else"):
        pipelines.find(workspace, str(tmp_path / "x" / "m"))


# ---- variants


def as_fp16(source: Path, folder: Path) -> Path:
    from diffusers import DiffusionPipeline

    DiffusionPipeline.from_pretrained(source, use_safetensors=True).save_pretrained(folder, variant="fp16", safe_serialization=True)
    return folder


def test_a_folder_with_half_precision_weights_only_loads_and_makes_the_same_images(workspace, stable_diffusion, tmp_path):
    half = as_fp16(stable_diffusion, tmp_path / "half")
    assert not list(half.rglob("model.safetensors"))
    assert checking.variant(half) == "fp16"
    assert checking.variant(stable_diffusion) == ""
    assert (pixels_of(workspace, half, "half") == pixels_of(workspace, stable_diffusion, "whole")).all()


def test_plain_weights_are_taken_where_both_are_there_and_mixed_variants_are_refused(stable_diffusion, tmp_path):
    both = as_fp16(stable_diffusion, tmp_path / "both")
    shutil.copytree(stable_diffusion, both, dirs_exist_ok=True)
    assert checking.variant(both) == ""
    mixed = as_fp16(stable_diffusion, tmp_path / "mixed")
    weights = mixed / "vae" / "diffusion_pytorch_model.fp16.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.bf16.safetensors"))
    with pytest.raises(BadInput, match="bf16, fp16"):
        checking.variant(mixed)


def test_names_of_weights_in_pieces_tell_their_variant_too(tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline", "unet": ["diffusers", "X"]}))
    (tmp_path / "unet").mkdir()
    for name in ("model-00001-of-00002.fp16.safetensors", "model.fp16-00002-of-00002.safetensors"):
        (tmp_path / "unet" / name).touch()
    assert checking.variant(tmp_path) == "fp16"
    (tmp_path / "unet" / "model-00001-of-00002.safetensors").touch()
    assert checking.variant(tmp_path) == ""


def test_from_the_hub_half_precision_weights_are_fetched_only_where_a_part_has_no_others(stable_diffusion, tmp_path, monkeypatch):
    import huggingface_hub

    whole, asked = as_fp16(stable_diffusion, tmp_path / "whole"), []

    def snapshot_download(repository, ignore_patterns, **_):
        asked.append("*.fp16*" in ignore_patterns)
        ignored = shutil.ignore_patterns(*ignore_patterns)
        shutil.copytree(whole, tmp_path / "fetched", ignore=ignored, dirs_exist_ok=True)
        return str(tmp_path / "fetched")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    folder = pipelines._downloaded("someone/half", "a" * 40, None, None)
    assert asked == [True, False]
    assert checking.checked_pipeline(folder) == "StableDiffusionPipeline"
    assert checking.variant(folder) == "fp16"
    whole, asked[:] = stable_diffusion, []
    shutil.rmtree(tmp_path / "fetched")
    pipelines._downloaded("someone/plain", "a" * 40, None, None)
    assert asked == [True]


# ---- single files


def checkpoint(path: Path, *names: str) -> Path:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.zeros(1) for name in names}, path)
    return path


WHOLE = ("model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.encoder.conv_in.weight")


@pytest.mark.parametrize(
    ("name", "tensors", "sentence"),
    [
        ("unet.safetensors", ("conv_in.weight",), r"no UNet and no decoder is among its 1 tensors, such as 'conv_in.weight'"),
        ("half.safetensors", WHOLE[:1], "no decoder is among its 1 tensors"),
        ("alone.safetensors", WHOLE, r"put the model's diffusers folder \(model_index.json.*no weights\) beside it as 'alone'"),
    ],
)
def test_a_single_file_that_cannot_be_used_is_refused_with_what_is_missing(workspace, tmp_path, name, tensors, sentence):
    with pytest.raises(BadInput, match=sentence) as caught:
        pipelines.find(workspace, str(checkpoint(tmp_path / name, *tensors)))
    assert "\n" not in str(caught.value)


def test_a_pickled_checkpoint_is_refused_unopened_and_a_false_safetensors_is_called_damaged(workspace, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x04.")
    with pytest.raises(BadInput, match="can run code"):
        pipelines.find(workspace, str(tmp_path / "model.ckpt"))
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04.")
    with pytest.raises(Damaged, match="no safetensors file"):
        pipelines.find(workspace, str(tmp_path / "model.safetensors"))


def test_a_single_file_that_is_a_link_to_elsewhere_is_refused(workspace, tmp_path):
    checkpoint(tmp_path / "elsewhere" / "a.safetensors", *WHOLE)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.safetensors").symlink_to(tmp_path / "elsewhere" / "a.safetensors")
    with pytest.raises(BadInput, match="link to somewhere else"):
        pipelines.find(workspace, str(tmp_path / "mine" / "a.safetensors"))


def test_a_single_file_is_identified_by_its_weights_and_its_configuration_only(workspace, stable_diffusion, tmp_path):
    file = checkpoint(tmp_path / "model.safetensors", *WHOLE)
    shutil.copytree(stable_diffusion, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    source = pipelines.find(workspace, str(file))
    assert (source.title, source.checkpoint, source.pipeline) == ("model.safetensors", file, "StableDiffusionPipeline")
    (tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"left over")
    assert pipelines.find(workspace, str(file)).revision == source.revision
    checkpoint(file, *WHOLE, "another")
    assert pipelines.find(workspace, str(file)).revision != source.revision


def test_a_single_file_with_its_configuration_makes_the_images_of_the_folder_without_a_network(workspace, stable_diffusion, tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("asked the network"))
    file = as_single_file(stable_diffusion, tmp_path / "model.safetensors")
    shutil.copytree(stable_diffusion, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    assert (pixels_of(workspace, file, "single") == pixels_of(workspace, stable_diffusion, "folder")).all()
    assert ImageSet.open(workspace, "single").record["generators"] == {"model.safetensors": 2}


def test_a_single_file_of_another_pipeline_is_refused(workspace, tmp_path):
    file = checkpoint(tmp_path / "model.safetensors", *WHOLE)
    tiny_unconditional(tmp_path / "model", "DDPMPipeline")
    with pytest.raises(BadInput, match="belongs to a DDPMPipeline"):
        pipelines.find(workspace, str(file))


# ---- models without classes


@pytest.mark.parametrize("kind", checking.UNCONDITIONAL)
def test_a_model_without_classes_makes_the_sum_of_the_plan_of_no_known_class(workspace, tmp_path, kind):
    folder = tiny_unconditional(tmp_path / "uncond", kind)
    assert catalogue.asked_by(folder) == "nothing"
    step = Generate("u", str(folder), per_class=2, classes=("cat", "dog"), counts={"dog": 1}, steps=2, batch=2)
    result = step.run(Context(workspace))
    images = ImageSet.open(workspace, "u")
    assert result["classes"] == {"train": {"real": {}, "fake": {"unknown": 3}}}
    known = images.manifest("train+validation")
    assert known["seed"].tolist() == [image_seed(0, "", index) for index in range(3)]
    assert len(set(known["image_id"])) == 3
    assert set(known["path"]) == {f"unknown-0000{index}.jpg" for index in range(3)}
    made = json.loads(known["provenance"][2])
    assert (made["class"], made["prompt"], made["steps"], made["guidance"]) == ("", "", 2, 0.0)
    pixels, _ = remaking.regenerate(made, workspace, str(folder))
    np.testing.assert_array_equal(pixels.transpose(2, 0, 1), images.pixels("train")[2])


def test_a_model_without_classes_can_be_stopped_between_two_steps(workspace, tmp_path):
    folder, calls = tiny_unconditional(tmp_path / "uncond", "DDPMPipeline"), []

    def stop(done, total, message):
        calls.append(message)
        if len(calls) == 5:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        Generate("u", str(folder), per_class=1, classes=("cat",), steps=50).run(Context(workspace, stop))
    assert len(calls) == 5


def test_a_model_without_classes_takes_its_own_scheduler_or_ddim(workspace, tmp_path):
    folder = str(tiny_unconditional(tmp_path / "uncond", "DDPMPipeline"))
    step = {"per_class": 1, "classes": ("cat",), "steps": 2}
    with pytest.raises(BadInput, match="its own scheduler or with DDIM"):
        Generate("pndm", folder, scheduler="PNDM", **step).run(Context(workspace))
    Generate("ddim", folder, scheduler="DDIM", **step).run(Context(workspace))
    made = json.loads(ImageSet.open(workspace, "ddim").manifest("train+validation")["provenance"][0])
    assert made["scheduler"] == "DDIMScheduler"


def test_every_refusal_of_a_path_is_one_sentence(workspace, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "models--a--b" / "snapshots").mkdir(parents=True)
    for name in ("empty", "models--a--b"):
        with pytest.raises(CifakeError) as caught:
            pipelines.find(workspace, str(tmp_path / name))
        assert "\n" not in str(caught.value)
