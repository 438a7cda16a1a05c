"""A catalogue of Hub models, and images from each: against a server of our own with good, broken and hostile models."""

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest

from cifake_core.errors import BadInput, Cancelled, Conflict, DownloadFailed, NotFound
from cifake_core.generators.hub import cache, faults, frozen, overview
from cifake_core.generators.hub.listing import FreezeCatalogue, listed
from cifake_core.generators.hub.models import Filters, HubModel
from cifake_core.generators.hub.sampling import SampleCatalogue
from cifake_core.images.image_set import ImageSet
from cifake_core.orphans import end_with_starter
from cifake_core.step import Context
from tests.generator_models import tiny_stable_diffusion
from tests.hub_server import SHA, Hub
from tests.ray_nodes import two_nodes

GOOD = ("anna/good", "bert/also-good")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_stable_diffusion(tmp_path_factory.mktemp("tiny") / "sd")


@pytest.fixture(scope="module")
def hub(tiny, tmp_path_factory):
    """Eight models, most downloaded first: two good ones, and one of each kind that must not be run or cannot be."""
    server = Hub(tmp_path_factory.mktemp("hub"))
    server.add(GOOD[0], tiny, 1000, base=("runwayml/stable-diffusion-v1-5",))
    server.add(GOOD[1], tiny, 900, license="creativeml-openrail-m")
    corrupt = server.add("carl/corrupt", tiny, 800) / "unet" / "diffusion_pytorch_model.safetensors"
    corrupt.write_bytes(corrupt.read_bytes()[:200])
    server.add("dora/gated", tiny, 700, gated="manual")
    pickled = server.add("emil/pickle-only", tiny, 600) / "unet"
    (pickled / "diffusion_pytorch_model.safetensors").rename(pickled / "diffusion_pytorch_model.bin")
    index = server.add("fred/remote-code", tiny, 500) / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"unet": ["my_code", "Trojan"]}))
    (server.add("gina/python", tiny, 400) / "unet" / "pipeline.py").write_text("raise SystemExit('run!')")
    (server.add("hugo/lora", tiny, 300) / "model_index.json").unlink()
    yield server
    server.close()


@pytest.fixture
def asked(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    hub.failing.clear()
    return hub


def sampling(**changes) -> SampleCatalogue:
    settings = {"name": "fakes", "per_model": 3, "steps": 1, "size": 64, "attempts": 2, **changes}
    return SampleCatalogue("all", **settings)


# ---- the catalogue


def test_models_come_by_downloads_and_what_is_unsafe_or_unwanted_is_counted_by_reason(asked):
    found = listed(Filters(), 10)
    assert [model.id for model in found.models] == [*GOOD, "carl/corrupt", "emil/pickle-only", "fred/remote-code"]
    assert found.left_out == {"gated": 1, "carries program code": 1, "no whole pipeline": 1}
    good = found.models[0]
    assert (good.sha, good.pipeline, good.family, good.licence) == (
        SHA,
        "StableDiffusionPipeline",
        "Stable Diffusion 1 / 2",
        "mit",
    )
    assert good.bytes == sum(
        path.stat().st_size for name, path in asked.files(GOOD[0]).items() if "/" in name or name == "model_index.json"
    )
    assert not asked.downloads


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({"licences": ["mit"]}, "another licence"), ({"pipelines": ["FluxPipeline"]}, "another pipeline class"),
        ({"families": ["flux"]}, "another family"), ({"max_gb": 1e-6}, "too large"), ({"min_downloads": 950}, "too few downloads"),
    ],
)  # fmt: skip
def test_each_filter_leaves_out_for_its_reason(filters, reason):
    model = HubModel(
        "a/b", SHA, 900, licence="openrail", pipeline="StableDiffusionPipeline", safetensors=True, bytes=2000
    )
    assert Filters().why_not(model) == ""
    assert Filters(**filters).why_not(model) == reason


def test_a_frozen_catalogue_is_dated_pinned_and_never_changes(workspace, asked):
    first = FreezeCatalogue("all", 10).run(Context(workspace))
    kept = frozen.open_catalogue(workspace, "all")
    assert [model.sha for model in kept.models()] == [SHA] * 5
    assert kept.record["frozen_at"][:2] == "20"
    assert FreezeCatalogue("all", 10).run(Context(workspace)) == first
    with pytest.raises(Conflict, match="never changes"):
        FreezeCatalogue("all", 11).run(Context(workspace))
    with pytest.raises(NotFound, match="None of 8 models fits"):
        FreezeCatalogue("none", 1, filters={"families": ["flux"]}).run(Context(workspace))
    with pytest.raises(BadInput, match="cannot be filtered"):
        FreezeCatalogue("wrong", 1, filters={"colour": "red"})


def test_a_hub_that_does_not_answer_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadFailed, match="check the network and HF_ENDPOINT"):
        listed(Filters(), 1)


# ---- sampling


def test_every_model_ends_in_the_state_it_deserves_and_the_good_ones_are_a_set(workspace, asked, tmp_path):
    FreezeCatalogue("all", 10, filters={"gated": True}).run(Context(workspace))
    seen = []
    result = sampling(workers=2).run(Context(workspace, lambda done, total, message: seen.append(message)))
    assert result["states"] == {"completed": 2, "model fault": 4}
    kinds = {fault["model"]: fault["kind"] for fault in result["faults"]}
    assert kinds == {
        "carl/corrupt": "damaged", "dora/gated": "gated", "emil/pickle-only": "unsafe or unusable", "fred/remote-code": "unsafe or unusable",
    }  # fmt: skip
    assert all(fault["attempts"] == 1 for fault in result["faults"])  # a model's own fault is not tried again
    made = ImageSet.open(workspace, "fakes").manifest("test")
    assert made["generator"].value_counts().to_dict() == dict.fromkeys(GOOD, 3)
    assert set(made["family"]) == {"Stable Diffusion 1 / 2"}
    assert set(made["architecture"]) == {"LatDiff"}
    assert made["prompt"].str.contains("photograph").all()
    assert any("2 of 6 models" in message or "images/s" in message for message in seen)
    # again: the same set, nothing fetched or made
    before = list(asked.downloads)
    assert sampling(workers=2).run(Context(workspace))["states"] == result["states"]
    assert asked.downloads == before
    with pytest.raises(Conflict):
        sampling(per_model=2).run(Context(workspace))
    (known,) = overview.samplings(workspace)
    assert (known.name, known.models, len(known.outcomes)) == ("fakes", 6, 6)


def test_a_fault_of_the_network_is_tried_again_and_the_set_waits_for_it(workspace, asked):
    FreezeCatalogue("all", 2).run(Context(workspace))
    asked.failing[GOOD[1]] = 10_000
    result = sampling(per_model=1, attempts=2).run(Context(workspace))
    assert (result["dataset"], result["states"]) == (None, {"completed": 1, "infrastructure fault": 1})
    assert [(fault["kind"], fault["attempts"]) for fault in result["faults"]] == [("network", 2)]
    assert overview.cost(sampling(per_model=1), workspace).done == 2
    fetched = sum(GOOD[0] in name for name in asked.downloads)
    asked.failing.clear()
    result = sampling(per_model=1).run(Context(workspace))
    assert result["states"] == {"completed": 2}
    assert len(ImageSet.open(workspace, "fakes").manifest("test")) == 2
    assert sum(GOOD[0] in name for name in asked.downloads) == fetched  # the finished model was left alone


def test_a_stopped_sampling_ends_its_processes_and_goes_on_later(workspace, asked):
    FreezeCatalogue("all", 2).run(Context(workspace))

    def stop(done, total, message):
        if done:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        sampling(per_model=1).run(Context(workspace, stop))
    assert sampling(per_model=1).run(Context(workspace))["images"] == 2


def test_the_cache_makes_room_for_the_next_model_and_a_model_larger_than_it_is_not_fetched(workspace, asked):
    FreezeCatalogue("all", 2).run(Context(workspace))
    one = frozen.open_catalogue(workspace, "all").models()[0].bytes
    result = sampling(per_model=1, cache_gb=1.5 * one / 1e9).run(Context(workspace))
    assert result["states"] == {"completed": 2}
    assert 0 < cache.used(cache.folder(workspace)) <= 1.5 * one
    small = SampleCatalogue("all", "small", 1, steps=1, size=64, cache_gb=0.5 * one / 1e9).run(Context(workspace))
    assert small["kinds"] == {"too large": 2}


# ---- whose fault it was


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device"), "disk"), (MemoryError(), "memory"), (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "memory"),
        (DownloadFailed("the network is gone"), "network"), (BadInput("a pickle"), "unsafe or unusable"), (ValueError("odd"), "failed"),
    ],
)  # fmt: skip
def test_an_error_is_told_apart_by_what_caused_it(error, kind):
    assert faults.told("a/b", error).kind == kind
    wrapped = DownloadFailed("could not be fetched")
    wrapped.__cause__ = error
    assert faults.told("a/b", wrapped).kind == (kind if kind in ("disk", "memory") else "network")


@pytest.mark.parametrize(("sign", "kind"), [(signal.SIGKILL, "killed"), (signal.SIGSEGV, "crashed")])
def test_a_process_that_dies_without_a_word_is_told_by_its_signal(sign, kind, tmp_path):
    from cifake_core.generators.hub import crew

    class Process:
        exitcode = -sign

    class Unit:
        folder, model, attempt = str(tmp_path), HubModel("a/b", SHA), 1

    assert crew._outcome(crew._Running(Unit, Process, 0.0), False, 9.0).kind == kind
    assert faults.read(tmp_path, "a/b").kind == kind


def test_memory_beyond_the_limit_is_the_models_fault_and_is_tried_again_only_when_asked(workspace, asked):
    FreezeCatalogue("all", 1).run(Context(workspace))
    result = sampling(per_model=1, memory_gb=0.002).run(Context(workspace))
    assert result["kinds"] == {"memory": 1}
    assert sampling(per_model=1).run(Context(workspace))["states"] == {"model fault": 1}
    assert sampling(per_model=1, retry=("memory",)).run(Context(workspace))["states"] == {"completed": 1}


def test_another_batch_size_does_not_take_the_old_ones_images_for_its_own(workspace, asked):
    FreezeCatalogue("all", 1).run(Context(workspace))
    whole = sampling(name="whole", per_model=5, batch=2).run(Context(workspace))

    def stop(done, total, message):
        if list(workspace.generators.rglob("000000.parquet")):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        sampling(name="changed", per_model=5, batch=3).run(Context(workspace, stop))
    changed = sampling(name="changed", per_model=5, batch=2).run(Context(workspace))
    assert changed["images"] == whole["images"] == 5
    prompts = [ImageSet.open(workspace, name).manifest("test")["prompt"].tolist() for name in ("whole", "changed")]
    assert prompts[0] == prompts[1]


def test_a_record_of_the_batch_size_that_cannot_be_read_counts_as_none(tmp_path):
    from cifake_core.generators.hub import unit

    for content in ('{"batch"', "[]", "{}"):
        (tmp_path / "batch.json").write_text(content)
        assert unit._recorded(tmp_path / "batch.json") is None


def test_a_fault_that_cannot_be_written_ends_the_process_all_the_same():
    code = """
import time
from cifake_core.generators.hub import unit
class Unit:
    memory_gb = 0.05
    class model:
        id = "a/b"
def tell(outcome):
    raise OSError(28, "No space left on device")
with unit._limited_memory(Unit, tell):
    hoard = [bytearray(b"x" * 10_000_000) for _ in range(40)]
    time.sleep(30)
print("went on")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "went on" not in ended.stdout


def test_the_process_of_a_model_ends_when_the_one_that_started_it_is_killed():
    code = """
import os, sys, time
from cifake_core.generators.hub.crew import Crew
from tests.test_hub_catalogue import lingering
with Crew(1, 60) as crew:
    process = crew.context.Process(target=lingering, daemon=True)
    process.start()
    print(process.pid, flush=True)
    time.sleep(60)
"""
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.wait()
    child.wait(timeout=60)
    assert not child.is_running()


def lingering() -> None:
    """What a model's process does, without the model: for the test above."""
    end_with_starter()
    time.sleep(300)


# ---- on a Ray cluster


def test_an_address_is_of_no_use_without_ray_and_executors_are_named():
    with pytest.raises(BadInput, match="add --executor ray"):
        sampling(address="head:6379")
    with pytest.raises(BadInput, match="no executor 'slurm'"):
        sampling(executor="slurm")


@pytest.mark.slow
def test_a_cluster_that_loses_a_node_makes_the_images_of_one_machine_and_names_the_same_faults(asked, workspace, monkeypatch):
    FreezeCatalogue("all", 8).run(Context(workspace))
    killed: list[int] = []
    with two_nodes(monkeypatch) as (cluster, doomed):

        def on_progress(done: int, total: int, message: str) -> None:
            if done and not killed:
                killed.append(done)
                cluster.remove_node(doomed, allow_graceful=False)

        step = sampling(name="there", executor="ray", address=cluster.address, attempts=4)
        there = step.run(Context(workspace, on_progress))
    here = sampling(name="here").run(Context(workspace))
    assert killed
    assert there["states"] == here["states"]
    assert there["kinds"] == here["kinds"]
    ids = [set(ImageSet.open(workspace, name).manifest("test")["image_id"]) for name in ("here", "there")]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 3 * len(GOOD)


# ---- the page


def test_the_page_shows_a_catalogue_and_its_button_asks_for_what_the_form_says(workspace, monkeypatch):
    from cifake_core.jobs import launching, queue, registry
    from tests.test_pages import everything_said, opened

    monkeypatch.setattr(launching, "ensure_workers", lambda workspace: 0)
    models = [
        HubModel(f"o/m{n}", SHA, 100 - n, pipeline="FluxPipeline", safetensors=True, bytes=10**9) for n in range(3)
    ]
    frozen.freeze(workspace, "few", models, {}, 9, {"gated": 6}, None)
    app = opened("pages/build/generate.py")
    app.segmented_control(key="generate_view").set_value("Many generators").run()
    assert not app.exception
    assert "Left out: 6 gated" in everything_said(app)
    app.number_input(key="many_per_model").set_value(5).run()
    assert "15 images" in everything_said(app)
    app.button(key="many_sample").click().run()
    (job,) = queue.jobs(workspace)
    assert registry.step(job.kind, job.arguments) == SampleCatalogue("few", "few-fakes", 5)
