"""The parts of the pages that decide something: allowed paths, the plan of a launch, what a cell of the grid shows."""

import io
import os
import shlex
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cifake_core.detectors import runs, trainable
from cifake_core.detectors.past_pace import PastPace
from cifake_core.detectors.presets import preset
from cifake_core.detectors.request import TrainSettings
from cifake_core.detectors.runs import Run
from cifake_core.errors import BadInput
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs.states import State
from pages.build.sets import import_sources
from pages.build.training.plan import Plan, parsed_seeds
from pages.build.training.results import Cell, best_cell, cells_of
from pages.build.training.tables import leaderboard


@pytest.fixture
def root(tmp_path, monkeypatch):
    folder = tmp_path / "allowed"
    folder.mkdir()
    monkeypatch.setenv("CIFAKE_IMPORT_ROOTS", str(folder))
    return folder


def test_without_a_setting_only_the_import_folder_of_the_workspace_is_allowed(workspace):
    assert import_sources.import_roots() == [workspace.home / "import"]


def test_a_path_inside_a_root_is_allowed_absolute_or_relative_to_it(root):
    (root / "set.parquet").write_bytes(b"x")
    assert import_sources.allowed_path(str(root / "set.parquet")) == (root / "set.parquet").resolve()
    assert import_sources.allowed_path(" set.parquet ") == (root / "set.parquet").resolve()


def test_links_and_dots_that_lead_out_are_refused_like_what_is_not_there(root, tmp_path):
    (tmp_path / "secret.parquet").write_bytes(b"x")
    (root / "out").symlink_to(tmp_path / "secret.parquet")
    (root / "loop").symlink_to(root / "loop")
    said = set()
    for typed in ("out", "loop", "../secret.parquet", str(tmp_path / "secret.parquet"), str(tmp_path / "absent"), "absent", "/etc"):
        with pytest.raises(BadInput) as error:
            import_sources.allowed_path(typed)
        said.add(str(error.value))
    assert len(said) == 1, "the answers tell what lies outside"


def test_a_sibling_folder_whose_name_begins_alike_is_outside(root, tmp_path):
    (tmp_path / "allowed-not").mkdir()
    with pytest.raises(BadInput):
        import_sources.allowed_path(str(tmp_path / "allowed-not"))


def kept(name: str, content: bytes, age_s: float = 0.0) -> Path:
    path = import_sources.keep_upload(name, io.BytesIO(content))
    then = time.time() - age_s
    os.utime(path.parent, (then, then))
    return path


def test_an_upload_is_kept_under_a_safe_name_beside_the_others_of_its_form(workspace):
    first = kept("../../evil name$.ZIP", b"first")
    assert (first.name, first.read_bytes()) == ("evil-name.zip", b"first")
    assert first.is_relative_to(workspace.home / "uploads")
    second = kept("b.parquet", b"second")
    assert first.read_bytes() + second.read_bytes() == b"firstsecond"
    assert kept("b.parquet", b"second") == second


def test_uploads_that_nothing_needs_are_swept_and_those_of_unfinished_imports_stay(workspace, monkeypatch):
    unused, again, read, waiting = (kept(f"{name}.zip", name.encode(), age_s=90_000) for name in ("unused", "again", "read", "waiting"))
    imports = [SimpleNamespace(kind="import", state=state, arguments={"sources": [str(path)]}) for path, state in ((read, State.DONE), (waiting, State.FAILED))]
    monkeypatch.setattr(import_sources.queue, "jobs", lambda *_: imports)
    kept("again.zip", b"again")  # chosen once more: as good as new
    kept("new.zip", b"new")
    assert [path.exists() for path in (unused, again, read, waiting)] == [False, True, False, True]


def test_the_command_line_of_a_plan_asks_for_the_same_trainings_as_its_job(monkeypatch):
    from typer.testing import CliRunner

    from cifake_core import cli
    from cifake_core.cli import detectors
    from cifake_core.detectors.grid import TrainGrid

    asked = []
    monkeypatch.setattr(detectors, "run_step", lambda step: asked.append(step) or {"runs": [], "failed": []})
    for plan in (
        Plan("tiny", "quick", (), (0,)),
        Plan("tiny", "paper", (), (0, 1, 2), epochs=3),
        Plan("tiny", "custom", ("32x2", "48x1-64x2"), (7,), batch_size=32, learning_rate=2e-4, patience=0),
        Plan("tiny", "custom", ("small",), (1,), **preset("small").settings()),
        Plan("tiny", "strong", (), (0, 1), **{**preset("strong").settings(), "epochs": 5}),
    ):
        words = shlex.split(plan.command())
        assert words[:3] == ["python", "-m", "cifake_core"]
        assert CliRunner().invoke(cli.app, words[3:]).exit_code == 0
        assert asked[-1].trainings() == TrainGrid(**plan.arguments()).trainings()
        assert len(asked[-1].trainings()) == plan.trainings()


def test_the_paper_plan_has_35_different_networks_because_one_cell_is_in_both_tables():
    assert len(Plan("tiny", "paper", (), (0,)).names()) == 35


def test_seeds_are_read_once_each_and_nonsense_is_refused():
    assert parsed_seeds("0, 1,1 , 2") == (0, 1, 2)
    for nonsense in ("", "a", "1;2", "-1", ","):
        with pytest.raises(BadInput):
            parsed_seeds(nonsense)


def a_run(topology: str, seed: int, validation: float, test: float | None, **settings) -> Run:
    """With the figures a cell reads, and no files."""
    figures = {"validation": {"accuracy": validation, "low": 0.0, "high": 1.0}}
    if test is not None:
        figures["test"] = {"accuracy": test, "low": 0.0, "high": 1.0}
    known = {"dataset": "tiny", "dataset_digest": "d" * 64, "settings": {"topology": topology, "seed": seed, **settings}}
    extra = {"parameters": 10, "epochs": 2, "best_epoch": 1, "duration_s": 1.0, "created_at": f"2026-01-0{seed + 1}"}
    return Run(f"{topology}-s{seed}-0123456789", Path("nowhere"), known | figures | extra)


def test_a_plan_counts_the_trainings_that_are_runs_already(lab):
    there = runs.runs(lab)
    settings = {name: there[0].record["settings"][name] for name in ("epochs", "batch_size", "learning_rate", "patience")}
    image_set, cells = ImageSet.open(lab, "tiny"), tuple(sorted({run.topology for run in there}))
    left = Plan("tiny", "custom", cells, (0, 7), **settings).left(image_set, there)
    assert [(one.topology, one.seed) for one in left] == [(cell, 7) for cell in cells]
    assert len(Plan("tiny", "custom", cells, (0,), **{**settings, "epochs": 77}).left(image_set, there)) == len(cells)


def test_time_is_judged_by_past_runs_of_the_same_network_and_by_multiplications_for_others(monkeypatch):
    monkeypatch.setenv("CIFAKE_THREADS", "1")
    image_set = ImageSet(Path("nowhere"), {"digest": "d" * 64, "rows": {"train": 1000}})
    there = [a_run("16x1-64x1", 0, 0.9, 0.8), a_run("32x2-64x1", 0, 0.9, 0.8), a_run("32x2-64x1", 1, 0.9, 0.8)]
    for run, seconds in zip(there, (2.0, 30.0, 10.0), strict=True):  # of two epochs over 900 images
        run.record["duration_s"] = seconds
    pace = PastPace.of(there, [image_set])
    asked = [TrainSettings("32x2-64x1", 5, epochs=4), TrainSettings("16x1-64x1", 5, epochs=2)]
    assert pace.seconds(asked, 2, image_set) == pytest.approx(2 * 20 + 2)
    each = [trainable.cost(name) for name in ("16x1-64x1", "32x2-64x1", "64x3-64x1")]
    judged = (2 / each[0] + 20 / each[1]) / 2 * each[2]
    assert pace.seconds([TrainSettings("64x3-64x1", 0, epochs=2)], 1, image_set) == pytest.approx(judged)
    small = TrainSettings("small", **{**preset("small").settings(), "epochs": 24})
    seen = preset("small").recipe.images_seen(900, 24)
    assert seen < 24 * 900
    assert pace.seconds([small], 1, image_set) == pytest.approx((2 / each[0] + 20 / each[1]) / 2 / 1800 * trainable.cost("small") * seen)
    assert PastPace.of(there, [ImageSet(Path("nowhere"), {"digest": "e" * 64, "rows": {"train": 1000}})]) is None
    there[0].record["settings"]["topology"] = "residual-18"  # trained elsewhere, imported
    assert set(PastPace.of(there, [image_set]).own) == {"32x2-64x1"}


def test_a_cell_shows_the_mean_over_its_seeds_and_the_best_is_chosen_on_validation():
    honest = Cell("a", runs={0: a_run("a", 0, 0.90, 0.80), 1: a_run("a", 1, 0.92, 0.82)})
    lucky = Cell("b", runs={0: a_run("b", 0, 0.85, 0.99)})
    assert honest.value("test") == pytest.approx(0.81)
    assert best_cell({"a": honest, "b": lucky}) == "a"


def test_a_cell_takes_no_mean_over_runs_that_were_trained_differently(lab):
    def trained(seed, test, epochs, **record):
        run = a_run("a", seed, test, test, epochs=epochs)
        return replace(run, record=run.record | {"dataset_digest": image_set.digest} | record)

    image_set = ImageSet.open(lab, "tiny")
    newest = [trained(0, 0.8, 1), trained(2, 0.7, 1), trained(0, 0.9, 9), trained(1, 0.9, 9), trained(3, 0.9, 1, preset={"epochs": 9})]
    cell = cells_of(image_set, newest, [], [])["a"]
    assert (sorted(cell.runs), cell.others) == ([0, 2], 3)
    assert cell.value("test") == pytest.approx(0.75)
    assert "3 more with other settings: see the leaderboard" in cell.lines()
    assert [one.request == newest[0].request for one in newest] == [one.is_another_seed_of(newest[0]) for one in newest]


def test_hovering_tells_the_spread_in_points():
    lines = Cell("a", runs={0: a_run("a", 0, 0.9, 0.80), 1: a_run("a", 1, 0.9, 0.82)}).lines()
    assert "mean of 2 seeds 81.00 %, sd 1.41 points" in lines


def test_the_leaderboard_is_sorted_and_runs_without_test_images_come_last():
    table = leaderboard([a_run("a", 0, 0.7, 0.7), a_run("b", 0, 0.9, None), a_run("c", 0, 0.6, 0.8)], "test accuracy")
    assert list(table["topology"]) == ["c", "a", "b"]
    assert table["metrics"][0].startswith("metrics?metrics_run=c+%C2%B7+seed+0")


def test_an_unfinished_training_is_read_with_its_history_and_a_stranger_in_the_folder_is_not(workspace):
    from cifake_core.detectors import runs
    from cifake_core.store import artifacts

    history = [{"epoch": 1, "validation_accuracy": 0.5}]
    for name in ("32x2-64x1-s3-0123456789", "something-else"):
        artifacts.write_json(workspace.runs / ".unfinished" / name / runs.HISTORY, {"epochs": history})
    (found,) = runs.unfinished(workspace)
    assert (found.topology, found.seed, found.history) == ("32x2-64x1", 3, history)


def test_a_set_whose_reals_were_rendered_is_never_called_photographs():
    from pages.build.sets.image_set_view import _KIND, _kind

    label, *_ = _KIND[_kind({"kind": "mixed", "generators": {"demo-world-2": 10, "demo": 10}})]
    assert "no photographs" in label
    assert _kind({"kind": "mixed", "generators": {"Stable Diffusion 1.4": 10}}) == "mixed"


def test_a_chart_of_layers_keeps_its_description_when_only_its_data_change(monkeypatch):
    from pages.shared import vega

    drawn = []
    monkeypatch.setattr(vega.st, "vega_lite_chart", lambda data, spec, **_: drawn.append((data, spec)))
    for threshold in (0.4, 0.6):
        layers = [vega.diagonal("x", "y"), {"data": vega.values([{"at": threshold}]), "mark": "rule", "encoding": {}}]
        vega.chart(layers, "two lines")
    (before, spec), (after, same) = drawn
    assert spec == same
    before, after = before.to_pandas(), after.to_pandas()
    column = before.columns.difference(["x", "y", "at"]).item()
    for number, rows in ((0, 2), (1, 1)):
        assert spec["layer"][number]["transform"] == [{"filter": f"datum['{column}'] === {number}"}]
        assert (before[column] == number).sum() == rows
        assert "data" not in spec["layer"][number]
    assert before["at"].dropna().tolist() == [0.4]
    assert after["at"].dropna().tolist() == [0.6]


def test_a_value_that_only_later_rows_have_is_not_lost():
    from pages.shared import vega

    table = vega._part([{"a": 1}, {"a": 2, "low": 0.1}], 0).to_pydict()
    assert table["low"] == [None, 0.1]


def test_what_the_server_has_read_ahead_no_page_reads_again_and_nothing_is_said_of_it(lab, monkeypatch, caplog):
    from cifake_core.detectors import runs
    from cifake_core.evaluation import evaluating, scored
    from pages.shared import serving

    serving.prepare()
    assert not caplog.records
    from pages.shared import cached  # not before: what is said may be said while it is loaded

    newest = runs.runs(lab)[0]
    monkeypatch.setattr(scored, "scored", None)  # would raise if it were called
    monkeypatch.setattr(evaluating, "predictions", None)
    assert len(cached.scores_of(newest)) == 200
    assert {"_ordered", "classes", "generator_names", "group_columns"} <= vars(cached.scores_of(newest)).keys()
    assert cached.thresholds_of(newest)
    assert set(cached.curves_of(cached.scores_of(newest))) >= {"roc", "histogram"}


def test_a_damaged_run_does_not_keep_the_server_from_starting(lab):
    from cifake_core.detectors import runs
    from pages.shared import serving

    newest = runs.runs(lab)[0]
    for content in ("{}", "[]"):
        (newest.folder / "record.json").write_text(content)
        serving.read_ahead()


def test_a_library_that_is_there_and_broken_does_not_keep_the_server_from_starting(tmp_path, monkeypatch):
    from pages.shared import serving

    (tmp_path / "broken_library.py").write_text("raise RuntimeError('built for another machine')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(serving, "LARGE", ("broken_library", "not_there_at_all"))
    monkeypatch.setattr(serving, "PARTS", ())
    serving.prepare()


def test_the_server_loads_ahead_only_what_is_there():
    import importlib.util

    from pages.shared import serving

    assert all(importlib.util.find_spec(name) for name in serving.LARGE + serving.PARTS + serving.LARGEST)


def test_libraries_loaded_since_are_left_out_of_the_search_for_garbage_and_nothing_else_is():
    import gc
    import sys
    import types

    from pages.shared.serving import MANY, Libraries

    libraries = Libraries()
    gc.callbacks.append(libraries)
    try:
        gc.collect()
        frozen = gc.get_freeze_count()
        assert frozen > 10_000  # what pytest and the imports above have loaded
        kept = [[] for _ in range(1000)]
        gc.collect()
        assert gc.get_freeze_count() <= frozen  # nothing was loaded since; fewer where a frozen object has died by itself
        for number in range(MANY):
            sys.modules[f"loaded_{number}"] = types.ModuleType(f"loaded_{number}")
        gc.collect(0)
        assert gc.get_freeze_count() <= frozen  # only after a whole search: it has just freed the garbage
        gc.collect()
        assert gc.get_freeze_count() > frozen + len(kept) // 2 + MANY  # half: some frozen object or other may have died by itself
    finally:
        gc.callbacks.remove(libraries)
        gc.unfreeze()
        for number in range(MANY):
            sys.modules.pop(f"loaded_{number}", None)
