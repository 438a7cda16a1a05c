"""The Generate page from the app's own frame, and the plan behind its form. Nothing here loads a generator."""

import json
import shlex

import numpy as np
import pytest

from cifake_core import CLASS_NAMES
from cifake_core.errors import BadInput
from cifake_core.generators import catalogue
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_jpeg
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE, NewImage
from cifake_core.jobs import launching, queue
from pages.build.generation import plan as generate_plan
from pages.build.generation.plan import Plan
from pages.build.generation.recall import request_of
from tests.test_pages import everything_said, opened

PAGE = "pages/build/generate.py"
EVERY = dict.fromkeys(CLASS_NAMES, 20)


@pytest.fixture(autouse=True)
def _no_bundled_generators_and_no_workers(monkeypatch, tmp_path):
    """The same whether or not this copy has them; and a queued job stays queued."""
    monkeypatch.setattr(catalogue, "BUNDLED_FOLDER", tmp_path / "none")
    monkeypatch.setattr(launching, "ensure_workers", lambda workspace: 0)


@pytest.fixture
def trained(workspace):
    """A generator as far as a page sees it: its record."""
    folder = workspace.generators / "mine"
    folder.mkdir(parents=True)
    record = {"dataset": {"name": "<b>reals</b>", "reals": 200}, "parameters": {"transformer": 1_000_000}, "sampling": {"steps": 8, "guidance": 2.0}}
    (folder / "record.json").write_text(json.dumps(record))
    return "mine"


def made(workspace, name: str = "made-1", per_class: int = 3, **request) -> ImageSet:
    """A set as a generator leaves it, drawn by a random generator of numbers."""
    random, rows = np.random.default_rng(0), []
    step = {"name": name, "generator": "mine", "per_class": per_class, "classes": ["cat", "dog"], "counts": {}, "seed": 7, "steps": 0,
            "guidance": -1.0, "modifiers": {}, "template": "", **request}  # fmt: skip
    for index in range(per_class):
        for word in step["classes"]:
            record = {"generator": "mine", "class": word, "seed": index, "steps": 12, "guidance": 3.0, "scheduler_asked": "default", "size": 0,
                      "prompt": "a *bold* <script>", "negative_prompt": ""}  # fmt: skip
            data = encode_jpeg(random.integers(0, 256, (32, 32, 3), np.uint8))
            rows.append(NewImage(data, FAKE, CLASS_NAMES.index(word), path=f"{word}-{index}.jpg", generator="mine", seed=index, provenance=record))
    return new_image_set(workspace, name, rows, kind="generated", source={"request": "r", "step": step})


# ---- the plan


def test_a_plan_is_balanced_as_its_smallest_class_is_to_its_largest():
    assert Plan("x", "demo", EVERY).balance == 1.0
    uneven = Plan("x", "demo", {"cat": 50, "dog": 10, "ship": 0})
    assert uneven.balance == pytest.approx(0.2)
    assert uneven.total == 60
    assert "Fewest dog (10), most cat (50): 20 % balanced" in generate_plan.balance_text(uneven)


@pytest.mark.parametrize(
    "plan",
    [
        Plan("g7", "demo", EVERY, seed=7),
        Plan("g 'x'".replace(" ", "-").replace("'", ""), "own", {"cat": 5, "dog": 2}, steps=4, guidance=0.0, batch=3, split="test"),
        Plan("w", "a/b@" + "0" * 40, {"ship": 9}, template="a {class}, it's red; $HOME", negative_prompt="'; rm", scheduler="DDIM", size=64, keep_originals=True),
    ],
    ids=["plain", "own numbers", "words"],
)  # fmt: skip
def test_the_command_line_shown_makes_the_very_request_of_the_job(plan, monkeypatch):
    from typer.testing import CliRunner

    from cifake_core.cli import app, generators
    from cifake_core.jobs import registry

    asked = []
    result = {"dataset": "x", "images": 1, "generator": "g", "revision": "r"}
    monkeypatch.setattr(generators, "run_step", lambda step: asked.append(step) or result)
    words = shlex.split(plan.command())
    assert words[:3] == ["python", "-m", "cifake_core"]
    answer = CliRunner().invoke(app, words[3:], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    assert asked == [registry.step("generate", plan.arguments())]


def test_a_plan_without_an_image_is_refused():
    with pytest.raises(BadInput, match="no image"):
        Plan("x", "demo", dict.fromkeys(CLASS_NAMES, 0)).arguments()


@pytest.mark.parametrize(("model", "commit"), [("no-owner", "0" * 40), ("a/b", "main"), ("a/b", "0" * 39), ("a/b/c", "0" * 40), ("", "")])
def test_a_model_of_the_hub_must_be_pinned_to_a_whole_commit(model, commit):
    with pytest.raises(BadInput):
        generate_plan.hub_id(model, commit)


def test_a_strangers_record_gives_the_form_only_what_it_can_hold():
    wild = {"generator": 5, "steps": 10**9, "guidance": "high", "size": 33, "scheduler_asked": "os.system", "negative_prompt": None}
    assert request_of(wild) == {}
    assert request_of({"steps": 12, "guidance": 3, "scheduler_asked": "DDIM", "size": 64}) == {"steps": 12, "guidance": 3.0, "scheduler": "DDIM", "size": 64}


# ---- the page


def test_a_bundled_generator_that_is_not_there_is_said_so_with_what_else_can_be_done(workspace):
    app = opened(PAGE)
    assert "is not in this copy of the program" in everything_said(app)
    assert not [button for button in app.button if button.key == "generate_launch"]
    assert app.get("page_link")


def test_launching_twice_queues_one_job_with_what_the_form_says(trained, workspace):
    app = opened(PAGE)
    app.segmented_control(key="generate_from").set_value("trained").run()
    assert "1.0 million weights" in everything_said(app)
    app.number_input(key="generate_per_class").set_value(3)
    app.number_input(key="generate_steps").set_value(4)
    app.text_input(key="generate_name").set_value("mine-1")
    for _ in range(2):
        app.button(key="generate_launch").click().run()
    assert not app.exception
    assert not app.error
    (job,) = queue.jobs(workspace)
    asked = {key: job.arguments[key] for key in ("name", "generator", "per_class", "steps", "guidance")}
    assert (job.kind, asked) == ("generate", {"name": "mine-1", "generator": "mine", "per_class": 3, "steps": 4, "guidance": -1.0})
    assert job.arguments["classes"] == list(CLASS_NAMES)


def test_a_name_that_cannot_be_a_folder_is_refused_in_one_sentence(trained, workspace):
    app = opened(PAGE)
    app.segmented_control(key="generate_from").set_value("trained").run()
    app.text_input(key="generate_name").set_value("../evil").run()
    assert "cannot be used" in app.error[0].value
    assert not [button for button in app.button if button.key == "generate_launch"]


@pytest.mark.parametrize("typed", ["/etc", "../..", "nul\0byte"])
def test_a_folder_outside_the_allowed_ones_is_not_looked_into(typed, workspace):
    app = opened(PAGE)
    app.segmented_control(key="generate_from").set_value("folder").run()
    app.text_input(key="generate_folder").set_value(typed).run()
    assert app.error
    assert not app.exception


def test_recalling_the_settings_of_an_image_fills_the_form(trained, workspace):
    made(workspace)
    app = opened(PAGE)
    app.number_input(key="generate_image").set_value(1).run()
    app.button(key="generate_recall").click().run()
    assert not app.exception
    values = {key: app.number_input(key=f"generate_{key}").value for key in ("per_class", "seed", "steps", "guidance")}
    assert values == {"per_class": 3, "seed": 7, "steps": 12, "guidance": 3.0}
    assert app.segmented_control(key="generate_from").value == "trained"
    assert app.session_state.generate_classes == ["cat", "dog"]


def test_prompts_are_shown_literally(trained, workspace):
    made(workspace)
    app = opened(PAGE)
    app.number_input(key="generate_image").set_value(1).run()
    assert "a *bold* <script>" in app.code[-1].value
    (facts,) = app.table
    assert "a \\*bold\\* \\<script\\>" in facts.value.to_string()


def test_marked_images_are_left_out_of_a_new_set_and_the_old_one_stays(trained, workspace):
    made(workspace)
    app = opened(PAGE)
    app.selectbox(key="generate_class").set_value("cat").run()
    app.button(key="generate-Mark all of cat").click().run()
    app.button(key="generate_discard").click().run()
    assert not app.exception
    assert ImageSet.open(workspace, "made-2").record["classes"]["train"]["fake"] == {"dog": 3}
    assert ImageSet.open(workspace, "made-1").record["rows"] == {"train": 6}


def test_making_an_image_again_is_a_job_for_that_very_image(trained, workspace):
    made(workspace)
    app = opened(PAGE)
    app.number_input(key="generate_image").set_value(2).run()
    app.button(key="generate_again").click().run()
    (job,) = queue.jobs(workspace)
    assert (job.kind, job.arguments) == ("regenerate", {"dataset": "made-1", "split": "train", "row": 1})


def test_a_stopped_set_offers_to_be_finished_or_kept(trained, workspace):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cifake_core.store import artifacts

    folder = workspace.generators / ".making" / "half-000000000000"
    step = {"name": "half", "generator": "mine", "per_class": 4, "classes": ["cat", "dog"], "counts": {"dog": 1}}
    artifacts.write_json(folder / "step.json", {"step": step, "request": "r"})
    pq.write_table(pa.table({"data": [b"1", b"2"]}), folder / "000000.parquet")
    app = opened(PAGE)
    assert "2 of 5 images are made" in everything_said(app)
    app.button(key="generate-stopped-half-keep").click().run()
    assert [(job.kind, job.arguments["step"]["name"]) for job in queue.jobs(workspace)] == [("keep-done", "half")]


def test_a_detector_says_how_many_of_the_fakes_it_flags(lab, monkeypatch):
    made(lab)
    app = opened(PAGE)
    app.selectbox(key="generate_detector").set_value(app.selectbox(key="generate_detector").options[1]).run()
    assert not app.exception
    (metric,) = app.metric
    assert metric.value.endswith("of 6")
    assert "95 % interval" in everything_said(app)


def test_without_reals_the_training_view_offers_to_render_some(workspace):
    app = opened(PAGE)
    app.segmented_control(key="generate_view").set_value("Train a generator").run()
    app.button(key="generate_render").click().run()
    assert [job.kind for job in queue.jobs(workspace)] == ["render-demo"]


# ---- how good they are


def measured(workspace, name: str = "made <b>1</b>", value: float = 0.5) -> None:
    """A measurement as the step leaves it."""
    from cifake_core.evaluation.quality import measuring
    from cifake_core.images.codec import encode_png
    from cifake_core.store import artifacts

    share = {"value": value, "low": value - 0.1, "high": value + 0.1}
    cloud = {"frechet": {"value": 3.0, "low": 2.0, "high": 4.0}, "kernel": {"value": 0.01, "spread": 0.002, "subsets": 50, "size": 100}}
    near = {"median": 900.0, "median_held_out": 950.0, "closest": 500.0, "closest_held_out": 510.0, "near": share}
    record = {
        "set": name, "reals": "cifake", "n": 400, "classifier": {"held_out": share, "n_train": 50, "n_held_out": 40}, "recognised": share,
        "recognised_by_class": dict.fromkeys(CLASS_NAMES, share), "distances": {"n": 400, "n_reference": 400, "fakes": cloud, "floor": cloud},
        "copying": {"n": 100, "pixels": near, "features": near}, "detector": None,
    }  # fmt: skip
    with artifacts.whole_folder(measuring.results_folder(workspace) / f"{name[:4]}{value}") as folder:
        for file in (measuring.PAIRS, measuring.SAMPLES):
            (folder / file).write_bytes(encode_png(np.zeros((32, 32, 3), np.uint8)))
        artifacts.write_record(folder, record, [measuring.PAIRS, measuring.SAMPLES])


def quality_of():
    app = opened(PAGE)
    return app.segmented_control(key="generate_view").set_value("How good they are").run()


def test_measurements_stand_side_by_side_with_their_intervals_and_names_as_they_are(workspace):
    measured(workspace, value=0.5)
    measured(workspace, "g7", value=0.75)
    app = quality_of()
    assert not app.exception
    (table,) = [frame.value for frame in app.dataframe]
    assert {"g7", "made <b>1</b>", "held-out reals"} <= set(table.columns)
    assert "75.0 % (65.0 % to 85.0 %)" in table["g7"].tolist()


def test_measuring_without_reals_says_what_to_do_first(workspace):
    made(workspace)
    app = quality_of()
    assert not app.exception
    assert "Measuring needs reals" in everything_said(app)


def test_a_measurement_is_launched_as_the_job_its_command_line_names(workspace):
    made(workspace)
    random = np.random.default_rng(0)
    rows = [
        NewImage(encode_jpeg(random.integers(0, 256, (32, 32, 3), np.uint8)), 0, k, split)
        for split in ("train", "test") for k in range(10) for _ in range(10)
    ]  # fmt: skip
    new_image_set(workspace, "reals", rows)
    app = quality_of()
    app.multiselect(key="generate_quality_sets").set_value(["made-1"]).run()
    app.button(key="generate_quality_launch").click().run()
    assert not app.exception
    (job,) = queue.jobs(workspace)
    assert (job.kind, job.arguments["reals"], job.arguments["sets"]) == ("generator-quality", "reals", ["made-1"])


def test_the_launch_of_a_generation_loads_no_torch_in_the_process_of_the_page():
    import subprocess
    import sys

    program = (
        "import sys; from cifake_core.jobs.registry import step; step('generate', {'name': 'x'});"
        "step('estimate', {'step': {'name': 'x'}}); step('train-generator', {'dataset': 'a', 'name': 'b'});"
        "step('generator-quality', {'reals': 'a', 'sets': ['b']}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
