"""The parts of the Train page that decide what is shown: filters, smoothing, comparison, whose job a cell is."""

import time
from collections import namedtuple
from dataclasses import dataclass, field
from threading import Event, Thread

import pandas as pd
import psutil
import pytest
from streamlit.testing.v1 import AppTest

from cifake_core import machine_load
from cifake_core.detectors.runs import Run, Unfinished
from pages.build.training.curve_figure import curves_figure, smoothed
from pages.build.training.results import Cell, job_of, stopped_cells
from pages.build.training.tables import compared, filtered, networks
from tests.test_page_parts import a_run


@dataclass
class _Set:
    name: str = "tiny"


@dataclass
class _Job:
    arguments: dict
    id: str = field(default="job")


def _run(topology: str, seed: int, test: float | None, **settings):
    return a_run(topology, seed, 0.9, test, **settings)


def test_a_training_under_way_tells_how_many_images_its_epoch_saw():
    def box():
        from cifake_core.detectors.runs import Unfinished
        from pages.build.training.cell import _under_way

        last = {"epoch": 2, "validation_accuracy": 0.9389, "duration_s": 135.9}
        _under_way(None, Unfinished("x", "small", 0, [{**last, "images": 43_750}]), [])
        _under_way(None, Unfinished("y", "small", 1, [last]), [])  # of a version that did not record it

    app = AppTest.from_function(box).run()
    assert not app.exception
    told, untold = (text.value for text in app.markdown)
    assert "135.9 s an epoch of 43,750 images. A checkpoint" in told
    assert "135.9 s an epoch. A checkpoint" in untold


def test_smoothing_keeps_that_share_of_the_past_and_none_keeps_the_values():
    assert smoothed([0.0, 1.0, 1.0], 0.5) == [0.0, 0.5, 0.75]
    assert smoothed([3.0, 1.0], 0.0) == [3.0, 1.0]
    assert smoothed([], 0.5) == []


def test_on_a_logarithmic_scale_accuracy_is_shown_as_errors(monkeypatch):
    from pages.build.training import curve_figure

    monkeypatch.setattr(curve_figure, "colours", lambda: {"paper": "#000000"})
    history = [
        {"epoch": 1, "validation_accuracy": 0.9, "train_accuracy": 0.8, "validation_loss": 0.3, "train_loss": 0.4}
    ]
    errors = curves_figure({"a": history}, "accuracy", log_scale=True)
    assert errors.layout.yaxis.type == "log"
    assert errors.data[0].y[0] == pytest.approx(10)
    plain = curves_figure({"a": history * 3}, "loss", smooth=0.5)
    assert plain.layout.yaxis.type == "linear"
    assert len(plain.data) == 3  # validation as it was and smoothed, train smoothed


def test_the_leaderboard_is_filtered_by_words_of_topology_and_seed_and_by_accuracy():
    runs = [_run("32x2-64x1", 0, 0.95), _run("32x2-64x1", 1, 0.93), _run("16x1-64x1", 1, 0.90)]
    assert filtered(runs, "") == runs
    assert filtered(runs, "32x2 seed 1") == [runs[1]]
    assert filtered(runs, "64x1", 0.94) == [runs[0]]
    assert filtered(runs, "128") == []


def test_with_seeds_together_a_network_is_one_row_with_mean_and_spread_in_the_leaderboards_order():
    runs = [_run("a", 0, 0.90), _run("a", 1, 0.92), _run("b", 0, 0.95), _run("c", 0, None)]
    table = networks(runs, "test accuracy")
    assert list(table["topology"]) == ["b", "a", "c"]
    assert table["test"][1] == pytest.approx(91)
    assert list(table["sd"]) == ["–", "± 1.41", "–"]
    assert list(table["seeds"]) == ["0", "0, 1", "0"]
    assert networks(runs, "test accuracy", least=0.915)["topology"].tolist() == ["b"]  # a's mean is below, though not its best seed
    assert networks([_run("a", seed, 0.9) for seed in range(9)], "newest first")["seeds"][0] == "9: 0 – 8"
    assert pd.isna(table["test"][2])


def test_comparing_two_runs_names_what_differs_and_only_that():
    table = compared(_run("a", 0, 0.8, epochs=3), _run("a", 1, 0.8, epochs=10))
    assert set(table[table["differs"]]["what"]) == {"seed", "epochs"}
    assert not compared(_run("a", 0, 0.8), _run("a", 0, 0.8))["differs"].any()
    today, older = (Run("a", None, _run("a", 0, 0.8).record | {"preset": {"recipe": {"muon": muon}}}) for muon in (True, False))
    table = compared(today, older)
    assert table[table["differs"]].values.tolist() == [["muon", "True", "False", True]]


def test_a_cell_belongs_to_the_newest_job_that_asked_for_it_with_that_seed():
    jobs = [
        _Job({"dataset": "other", "grid": "quick", "seeds": [0]}),
        _Job({"dataset": "tiny", "topologies": ["48x1"], "seeds": [0, 7]}, "own"),
        _Job({"dataset": "tiny", "grid": "quick", "seeds": [0]}, "quick"),
    ]
    assert job_of(_Set(), jobs, "48x1-64x1", 7).id == "own"
    assert job_of(_Set(), jobs, "16x1-64x1", 0).id == "quick"
    assert job_of(_Set(), jobs, "16x1-64x1", 7) is None


def test_a_paused_cell_tells_what_is_kept_and_one_of_no_job_here_is_not_shown():
    jobs = [_Job({"dataset": "tiny", "grid": "quick", "seeds": [0]})]
    wishes = [("x", "16x1-64x1", 0, "pause"), ("y", "16x2-64x1", 0, "cancel"), ("z", "128x3-64x1", 0, "pause")]
    said = stopped_cells(_Set(), jobs, wishes, [Unfinished("x", "16x1-64x1", 0, [{"epoch": 1}, {"epoch": 2}])])
    assert said == {("16x1-64x1", 0): "paused, 2 epochs are kept", ("16x2-64x1", 0): "cancelled"}
    assert "seed 0: cancelled" in Cell("16x2-64x1", stopped={0: "cancelled"}).lines()


def test_the_processors_share_is_taken_over_a_time_that_says_something(monkeypatch):
    times = namedtuple("times", ["user", "idle", "guest"])
    said = iter([times(0, 0, 0), times(1, 9, 1), times(4, 12, 1)])
    monkeypatch.setattr(machine_load.psutil, "cpu_times", lambda: next(said))
    busy, processor = [], machine_load._Processor()
    for moment in (100.0, 100.2, 100.6, 100.9):
        monkeypatch.setattr(machine_load.time, "monotonic", lambda moment=moment: moment)
        busy.append(processor.busy())
    assert busy == pytest.approx([0.1, 0.1, 0.5, 0.5])


def test_the_processors_share_is_right_when_each_page_asks_from_a_thread_of_its_own():
    processor, found, over = machine_load._Processor(), [], Event()

    def page() -> None:
        found.append(processor.busy())
        over.wait()  # else the next thread gets this one's number

    pages = [Thread(target=page) for _ in range(3)]
    for asked, thread in enumerate(pages, 1):
        thread.start()
        until = time.monotonic() + 1
        while time.monotonic() < until or len(found) < asked:  # at least one core is busy
            pass
    over.set()
    for thread in pages:
        thread.join()
    assert min(found[1:]) > 0.5 / psutil.cpu_count()


def test_the_meter_reads_a_line_of_the_drivers_tool_and_tells_the_machines_memory():
    gpu = machine_load.parsed("NVIDIA H200, 87, 1024, 143771")
    assert (gpu.name, gpu.busy, gpu.memory_used) == ("NVIDIA H200", 0.87, 1 << 30)
    load = machine_load.now()
    assert 0 <= load.cpu <= 1
    assert 0 < load.memory_used < load.memory_total
    assert load.cores >= 1
