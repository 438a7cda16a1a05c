"""Recipes, what may be loaded, and sets made by a generator: each image once, each the same every time."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cifake_core import hardware
from cifake_core.errors import BadInput, Cancelled, CifakeError, Conflict, Damaged, NotFound, OutOfMemory
from cifake_core.generators import checking, painting, pipelines, remaking, sampling
from cifake_core.generators.generating import Generate
from cifake_core.generators.recipe import Recipe, image_seed, load_recipe
from cifake_core.images.codec import encode_jpeg, shrink
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace
from tests.generator_models import stand_ins, tiny_stable_diffusion, tiny_training


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "use_threads", lambda threads=0: torch.set_num_threads(1))
        torch.set_num_threads(1)
        yield


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    stand_ins(workspace)
    tiny_training().run(Context(workspace))
    return workspace


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory) -> Path:
    return tiny_stable_diffusion(tmp_path_factory.mktemp("models") / "sd")


def files(workspace: Workspace, name: str) -> list[bytes]:
    made = ImageSet.open(workspace, name)
    return made.encoded_rows("train", range(made.record["rows"]["train"]))


# ---- recipe


def test_the_papers_template_and_its_cat_and_dog_modifiers_are_in_the_recipe():
    recipe = load_recipe()
    reported = ("indoors", "outdoor", "walking", "running", "sleeping", "eating", "jumping", "sitting")
    assert recipe.modifiers["cat"] == recipe.modifiers["dog"] == reported
    assert {name for name, origin in recipe.origins.items() if origin == "reported"} == {"cat", "dog"}
    assert set(recipe.modifiers) == set(CLASSES)
    assert (recipe.size, recipe.steps) == (512, 50)


def test_a_prompt_is_article_class_and_modifier_and_depends_on_the_seed_alone():
    recipe = Recipe("r", "R", "a photograph of {article} {class}", {"airplane": ("at dusk",)})
    assert recipe.prompt("airplane", 5) == "a photograph of an airplane at dusk"
    assert Recipe("r", "R", "{modifier} {class}!", {"cat": ("happy",)}).prompt("cat", 1) == "happy cat!"
    every = {load_recipe().prompt("cat", seed) for seed in range(200)}
    assert every == {f"a photograph of a cat {word}" for word in load_recipe().modifiers["cat"]}


@pytest.mark.parametrize("template", ["a photograph", "{class} {x}", "{class} {0.__class__}", "{class}{"])
def test_a_template_without_the_class_or_with_other_braces_is_refused(template):
    with pytest.raises(BadInput, match="template"):
        Recipe("r", "R", template, {})


def test_seeds_depend_on_set_class_and_number_and_none_repeats():
    seeds = {image_seed(s, name, i) for s in (0, 1) for name in CLASSES for i in range(500)}
    assert len(seeds) == 2 * 10 * 500
    assert image_seed(7, "cat", 3) == image_seed(7, "cat", 3)
    assert 0 <= min(seeds) <= max(seeds) < 2**48


# ---- what may be loaded


def test_a_pipeline_class_that_is_not_on_the_list_is_refused_before_loading(stable_diffusion, tmp_path, workspace):
    index = json.loads((stable_diffusion / "model_index.json").read_text())
    for other in ("ShapEPipeline", ["my_code", "Evil"], None):
        shutil.rmtree(tmp_path / "m", ignore_errors=True)
        shutil.copytree(stable_diffusion, tmp_path / "m")
        (tmp_path / "m" / "model_index.json").write_text(json.dumps({**index, "_class_name": other}))
        with pytest.raises(BadInput, match="not among the pipelines"):
            pipelines.find(workspace, str(tmp_path / "m"))


def test_code_of_others_is_refused_as_a_part_and_as_a_file(stable_diffusion, tmp_path, workspace):
    shutil.copytree(stable_diffusion, tmp_path / "m")
    (tmp_path / "m" / "unet" / "evil.py").write_text("raise SystemExit")
    with pytest.raises(BadInput, match="program code"):
        pipelines.find(workspace, str(tmp_path / "m"))
    (tmp_path / "m" / "unet" / "evil.py").unlink()
    index = json.loads((stable_diffusion / "model_index.json").read_text())
    (tmp_path / "m" / "model_index.json").write_text(json.dumps({**index, "unet": ["evil", "UNet"]}))
    with pytest.raises(BadInput, match="code of its own"):
        pipelines.find(workspace, str(tmp_path / "m"))


def test_pickled_weights_are_refused_and_never_opened(stable_diffusion, tmp_path, workspace):
    shutil.copytree(stable_diffusion, tmp_path / "m")
    weights = next((tmp_path / "m" / "unet").glob("*.safetensors"))
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(BadInput, match="format that can run code"):
        pipelines.find(workspace, str(tmp_path / "m"))


@pytest.mark.parametrize("content", [b"\x80\x04.", b"", b"\xff\xff\xff\x0f\x00\x00\x00\x00{}"])
def test_a_pickle_named_safetensors_an_empty_file_and_a_giant_header_are_called_damaged(
    stable_diffusion, tmp_path, workspace, content
):
    shutil.copytree(stable_diffusion, tmp_path / "m")
    next((tmp_path / "m" / "unet").glob("*.safetensors")).write_bytes(content)
    with pytest.raises(Damaged, match="damaged or no safetensors"):
        pipelines.find(workspace, str(tmp_path / "m"))


def test_links_that_leave_the_folder_are_refused(stable_diffusion, tmp_path, workspace):
    shutil.copytree(stable_diffusion, tmp_path / "m")
    (tmp_path / "m" / "vae" / "extra.json").symlink_to("/etc/hostname")
    with pytest.raises(BadInput, match="link to somewhere else"):
        pipelines.find(workspace, str(tmp_path / "m"))


@pytest.mark.parametrize("name", ["someone/model", "someone/model@main", "someone/model@" + "a" * 39, "a/b@" + "G" * 40])
def test_a_hub_model_without_a_full_commit_is_refused_without_asking_the_network(workspace, name, monkeypatch):
    monkeypatch.setattr(pipelines, "_downloaded", lambda *a: pytest.fail("asked the network"))
    with pytest.raises(BadInput, match="40 digits"):
        pipelines.find(workspace, name)


def test_a_hub_model_at_a_commit_is_fetched_at_that_commit_and_checked(workspace, stable_diffusion, monkeypatch):
    asked = []
    monkeypatch.setattr(pipelines, "_downloaded", lambda *pair: asked.append(pair) or stable_diffusion)
    source = pipelines.find(workspace, "someone/model@" + "a1" * 20)
    assert asked == [("someone/model", "a1" * 20, None, None)]
    assert (source.kind, source.revision, source.by_class) == ("hub", "a1" * 20, False)


@pytest.mark.parametrize("name", ["nothing", "../x", "/nowhere/at/all", "a\0b", "x" * 5000, ""])
def test_an_unknown_generator_is_answered_in_one_sentence(workspace, name):
    with pytest.raises(CifakeError) as caught:
        pipelines.find(workspace, name)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_numbers_are_found_before_anything_runs(workspace, stable_diffusion, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(stable_diffusion, tmp_path / "m")
    path = next((tmp_path / "m" / "unet").glob("*.safetensors"))
    tensors = load_file(path)
    tensors["conv_in.weight"].fill_(float("nan"))
    save_file(tensors, path, metadata={"format": "pt"})
    source = pipelines.find(workspace, str(tmp_path / "m"))
    with pytest.raises(Damaged, match="no numbers"):
        pipelines.load(source, torch.device("cpu"))


def test_one_flipped_byte_in_a_generator_of_our_own_is_found(workspace, tmp_path):
    other = Workspace(tmp_path)
    shutil.copytree(workspace.generators / "tiny", other.generators / "tiny")
    path = next(other.generators.rglob("transformer/*.safetensors"))
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="does not match its checksum"):
        pipelines.find(other, "tiny")


def test_the_identity_of_a_folder_is_its_model_files_wherever_it_lies(stable_diffusion, tmp_path):
    shutil.copytree(stable_diffusion, tmp_path / "elsewhere")
    assert checking.content_digest(tmp_path / "elsewhere") == checking.content_digest(stable_diffusion)
    (tmp_path / "elsewhere" / "unet" / "config.json").write_text("{}")
    assert checking.content_digest(tmp_path / "elsewhere") != checking.content_digest(stable_diffusion)


# ---- generating


def test_a_plan_goes_class_after_class_in_turn_and_counts_can_differ(workspace):
    step = Generate("p", "tiny", per_class=1, classes=("cat", "dog", "ship"), counts={"dog": 3, "ship": 0})
    plan = step.requests(pipelines.find(workspace, "tiny"))
    assert [(r.class_name, r.index) for r in plan] == [("cat", 0), ("dog", 0), ("dog", 1), ("dog", 2)]


def test_batches_are_of_nearly_equal_size(workspace):
    step = Generate("p", "tiny", per_class=11, classes=("cat",), batch=5)
    assert [len(batch) for batch in step.batches(pipelines.find(workspace, "tiny"))] == [4, 4, 3]


def test_the_same_request_gives_identical_files_in_another_workspace_and_the_same_set_in_this_one(workspace, tmp_path):
    step = Generate("twice", "tiny", per_class=2, seed=7, batch=8)
    first = step.run(Context(workspace))
    assert first["images"] == 20
    assert step.run(Context(workspace)) == first
    other = Workspace(tmp_path)
    shutil.copytree(workspace.generators / "tiny", other.generators / "tiny")
    step.run(Context(other))
    assert files(other, "twice") == files(workspace, "twice")


def test_an_image_does_not_depend_on_its_neighbours(workspace):
    Generate("few", "tiny", per_class=1, seed=3, batch=10).run(Context(workspace))
    Generate("others", "tiny", per_class=1, seed=3, batch=10, counts={"cat": 0, "dog": 2}).run(Context(workspace))
    few, others = (ImageSet.open(workspace, name).part("train+validation") for name in ("few", "others"))
    pixels = {(c, s): p for c, s, p in zip(others.class_labels, others.manifest.seed, others.pixels, strict=True)}
    same = [key for key in zip(few.class_labels, few.manifest.seed, strict=True) if key in pixels]
    assert len(same) == 9
    for number, key in enumerate(zip(few.class_labels, few.manifest.seed, strict=True)):
        if key in pixels:  # its place in the batch may differ, so the last bit may too
            assert np.abs(few.pixels[number].astype(int) - pixels[key]).mean() < 1


def test_another_request_under_the_name_is_a_conflict(workspace):
    Generate("taken", "tiny", per_class=1, classes=("cat",)).run(Context(workspace))
    with pytest.raises(Conflict, match="taken by other images"):
        Generate("taken", "tiny", per_class=1, classes=("cat",), seed=1).run(Context(workspace))


def test_cancelled_work_is_kept_and_only_what_is_missing_is_made(workspace, monkeypatch):
    asked: list[int] = []
    plain = sampling.sample

    def counting(pipeline, classes, seeds, *rest):
        asked.extend(seeds)
        return plain(pipeline, classes, seeds, *rest)

    def cancel_after_two_batches(done, total, message):
        if done >= 8:
            raise Cancelled("stopped")

    monkeypatch.setattr(sampling, "sample", counting)
    step = Generate("resumed", "tiny", per_class=2, seed=1, batch=4)
    with pytest.raises(Cancelled):
        step.run(Context(workspace, cancel_after_two_batches))
    assert not (workspace.image_sets / "resumed").exists()
    step.run(Context(workspace))
    assert len(asked) == len(set(asked)) == 20
    Generate("straight", "tiny", per_class=2, seed=1, batch=4).run(Context(workspace))
    assert files(workspace, "resumed") == files(workspace, "straight")
    assert not list((workspace.generators / ".making").glob("resumed-*"))


def test_what_a_cancelled_run_has_made_can_be_kept_as_a_set(workspace):
    def cancel(done, total, message):
        if done >= 4:
            raise Cancelled("stopped")

    step = Generate("early", "tiny", per_class=2, batch=4)
    with pytest.raises(NotFound, match="Nothing of 'early'"):
        step.keep_done(Context(workspace))
    with pytest.raises(Cancelled):
        step.run(Context(workspace, cancel))
    assert step.keep_done(Context(workspace))["images"] == 4


_KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from cifake_core.generators.generating import Generate
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace

def die(done, total, message):
    if done >= 8:
        os.kill(os.getpid(), signal.SIGKILL)

Generate("killed", "tiny", per_class=2, seed=1, batch=4).run(Context(Workspace(Path(sys.argv[1])), die))
"""


@pytest.mark.slow
def test_a_killed_process_leaves_its_finished_batches_and_the_next_run_makes_the_rest(workspace, monkeypatch):
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(workspace.home)],
        env={**os.environ, "CIFAKE_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    made = list((workspace.generators / ".making").glob("killed-*/[0-9]*.parquet"))
    before = {path.name: path.read_bytes() for path in made}
    assert len(before) == 2
    asked: list[int] = []
    plain = sampling.sample
    monkeypatch.setattr(sampling, "sample", lambda p, c, seeds, *rest: asked.extend(seeds) or plain(p, c, seeds, *rest))
    Generate("killed", "tiny", per_class=2, seed=1, batch=4).run(Context(workspace))
    assert len(asked) == 12
    Generate("unhurt", "tiny", per_class=2, seed=1, batch=4).run(Context(workspace))
    assert files(workspace, "killed") == files(workspace, "unhurt")


def test_a_damaged_batch_is_made_again(workspace):
    def cancel(done, total, message):
        if done >= 8:
            raise Cancelled("stopped")

    step = Generate("hurt", "tiny", per_class=2, seed=1, batch=4)
    with pytest.raises(Cancelled):
        step.run(Context(workspace, cancel))
    shard = next((workspace.generators / ".making").glob("hurt-*/000000.parquet"))
    shard.write_bytes(shard.read_bytes()[:200])
    assert step.run(Context(workspace))["images"] == 20


def test_regenerating_from_the_record_gives_the_stored_pixels(workspace):
    Generate("again", "tiny", per_class=1, batch=4, seed=5).run(Context(workspace))
    part = ImageSet.open(workspace, "again").part("train+validation")
    for row in (0, 5, 9):
        pixels, _ = remaking.regenerate(part.manifest.provenance[row], workspace)
        np.testing.assert_array_equal(pixels.transpose(2, 0, 1), part.pixels[row])


def test_regenerating_with_other_weights_is_a_conflict_and_without_a_record_refused(workspace):
    Generate("once", "tiny", per_class=1, classes=("cat",)).run(Context(workspace))
    made = json.loads(ImageSet.open(workspace, "once").manifest("train+validation").provenance[0])
    with pytest.raises(Conflict, match="other weights"):
        remaking.regenerate({**made, "revision": "sha256:0"}, workspace)
    with pytest.raises(BadInput, match="cannot be made again"):
        remaking.regenerate({"generator": "tiny"}, workspace)


def test_the_record_of_an_image_holds_all_that_made_it(workspace):
    Generate("record", "tiny", per_class=1, classes=("ship",), steps=3, guidance=1.5, seed=2).run(Context(workspace))
    row = ImageSet.open(workspace, "record").manifest("train+validation").iloc[0]
    made = json.loads(row.provenance)
    assert made["seed"] == row.seed == image_seed(2, "ship", 0)
    assert (made["steps"], made["guidance"], made["class"]) == (3, 1.5, "ship")
    assert made["revision"] == pipelines.find(workspace, "tiny").revision
    assert made["scheduler"] == "DPMSolverMultistepScheduler"
    assert made["codec"] == "JPEG quality 75, 4:2:0"
    assert set(made["versions"]) == {"torch", "diffusers", "transformers", "pillow"}


def test_out_of_memory_halves_the_batch_and_says_so(workspace, monkeypatch):
    sizes, messages = [], []
    plain = sampling.sample

    def small_machine(pipeline, classes, seeds, *rest):
        sizes.append(len(seeds))
        if len(seeds) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(pipeline, classes, seeds, *rest)

    monkeypatch.setattr(sampling, "sample", small_machine)
    step = Generate("small", "tiny", per_class=1, batch=10)
    assert step.run(Context(workspace, lambda d, t, message: messages.append(message)))["images"] == 10
    assert sizes == [10, 5, 2, 2, 2, 2, 2]
    assert "memory ran out: going on with 2 images at a time" in messages


def test_out_of_memory_with_a_single_image_ends_in_one_sentence_and_other_errors_are_not_hidden(workspace, monkeypatch):
    def fail(message):
        def sample(*rest):
            raise RuntimeError(message)

        return sample

    monkeypatch.setattr(sampling, "sample", fail("DefaultCPUAllocator: can't allocate memory"))
    with pytest.raises(OutOfMemory, match="one image at a time"):
        Generate("none", "tiny", per_class=1, batch=2).run(Context(workspace))
    monkeypatch.setattr(sampling, "sample", fail("a shape is wrong"))
    with pytest.raises(RuntimeError, match="a shape is wrong"):
        Generate("none", "tiny", per_class=1, batch=2).run(Context(workspace))


def test_the_preview_shows_the_images_made_so_far(workspace, tmp_path):
    Generate("seen", "tiny", per_class=1, batch=5).run(Context(workspace, scratch=tmp_path))
    shown = json.loads((tmp_path / "preview.json").read_text())["images"]
    assert [image["class"] for image in shown] == list(CLASSES)
    assert (tmp_path / "preview.png").read_bytes().startswith(b"\x89PNG")


def test_a_stable_diffusion_folder_generates_with_prompts_scheduler_and_originals(workspace, stable_diffusion):
    step = Generate(
        "sd", str(stable_diffusion), per_class=1, classes=("cat", "dog", "ship"), steps=2, size=64, batch=2,
        keep_originals=True, scheduler="DDIM", negative_prompt="blur", modifiers={"ship": ["<b>far</b>"]},
    )  # fmt: skip
    result = step.run(Context(workspace))
    part = ImageSet.open(workspace, result["dataset"]).part("train+validation")
    assert part.manifest.prompt[2] == "a photograph of a ship <b>far</b>"
    assert set(part.manifest.generator) == {"sd"}
    made = json.loads(part.manifest.provenance[0])
    assert (made["scheduler"], made["negative_prompt"], made["original_size"]) == ("DDIMScheduler", "blur", [64, 64])
    from PIL import Image

    original = np.array(Image.open(workspace.home / made["original"]))
    assert encode_jpeg(shrink(original)) == files(workspace, "sd")[0]
    assert made["generator"] == stable_diffusion.name  # not where it lies on this machine
    told = json.dumps(made) + part.manifest.to_json() + ImageSet.open(workspace, "sd").record["note"] + result["generator"]
    assert str(stable_diffusion) not in told
    pixels, again = remaking.regenerate(made, workspace, str(stable_diffusion))
    np.testing.assert_array_equal(again, original)
    np.testing.assert_array_equal(pixels.transpose(2, 0, 1), part.pixels[0])


def test_the_files_are_cifakes_jpeg(workspace):
    import io

    from PIL import Image

    Generate("codec", "tiny", per_class=1, classes=("cat",)).run(Context(workspace))
    image = Image.open(io.BytesIO(files(workspace, "codec")[0]))
    reference = Image.open(io.BytesIO(encode_jpeg(np.zeros((32, 32, 3), np.uint8))))
    assert (image.format, image.size, image.layer) == ("JPEG", (32, 32), reference.layer)
    assert image.quantization == reference.quantization


def test_an_estimate_counts_the_images_and_grows_with_them(workspace):
    few = remaking.estimate(Generate("e", "tiny", per_class=2, batch=10), workspace)
    many = remaking.estimate(Generate("e", "tiny", per_class=200, batch=10), workspace)
    assert (few.images, many.images) == (20, 2000)
    assert many.seconds - many.loading_s > 10 * (few.seconds - few.loading_s)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"classes": ("cow",)}, "no class 'cow'"),
        ({"classes": ()}, "at least one class"),
        ({"per_class": 0}, "0 images"),
        ({"per_class": 10**6}, "ask for 1 to 1,000,000"),
        ({"counts": {"dog": 2}, "classes": ("cat",)}, "not among the chosen"),
        ({"size": 50}, "multiple of 8"),
        ({"steps": -1}, "between 0 and 1000"),
        ({"split": "validation"}, "train or test"),
        ({"name": "a/b"}, "cannot be used"),
        ({"recipe": "x"}, "no recipe 'x'"),
        ({"template": "{class.__init__}"}, "template"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_in_one_sentence(changes, sentence):
    with pytest.raises(BadInput, match=sentence):
        Generate(**{"name": "n", **changes})


def test_a_scheduler_that_is_unknown_or_does_not_fit_is_refused(workspace):
    for scheduler, sentence in (("Magic", "no scheduler 'Magic'"), ("DDIM", "trained for its own scheduler")):
        with pytest.raises(BadInput, match=sentence):
            Generate("s", "tiny", per_class=1, scheduler=scheduler).run(Context(workspace))


def test_the_automatic_batch_is_small_for_large_models_on_a_cpu(workspace, stable_diffusion, monkeypatch):
    monkeypatch.setattr(hardware, "chosen_device", lambda: torch.device("cpu"))
    assert painting.automatic_batch(pipelines.find(workspace, "tiny")) == 50
    assert painting.automatic_batch(pipelines.find(workspace, str(stable_diffusion))) == 1
