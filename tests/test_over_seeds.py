"""The table of networks: seeds taken together, duplicates left out, written as text."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cifake_core.cli import app
from cifake_core.detectors import runs
from cifake_core.errors import BadInput, Damaged, NotFound
from cifake_core.evaluation.over_seeds import Spread, network_table, of_grid, repeated
from cifake_core.evaluation.reporting import network_tables
from cifake_core.evaluation.reporting.grid_tables import grid_tables
from cifake_core.images.image_set import ImageSet
from cifake_core.store import artifacts
from pages.build.training.tables import leaderboard, networks

CELL = "16x1-64x1"


@pytest.fixture
def two_seeds(lab):
    """A second seed of a network whose every third test logit is another's, and its accuracy as stored."""
    first = next(run for run in runs.runs(lab) if run.topology == CELL)
    folder = lab.runs / f"{CELL}-s1-0123456789"
    shutil.copytree(first.folder, folder)
    table = first.predictions("test")
    table.loc[::3, "logit"] = -table.loc[::3, "logit"] - 0.01
    table.to_parquet(folder / "predictions-test.parquet", index=False)
    labels = ImageSet.open(lab, "tiny").manifest("test")["label"].to_numpy()
    accuracy = float(((table["logit"] >= 0) == (labels == 1)).mean())
    record = {**first.record, "id": folder.name, "settings": {**first.record["settings"], "seed": 1}}
    record["test"] = {**record["test"], "accuracy": accuracy}
    record["validation"] = {**record["validation"], "accuracy": 1.0}
    artifacts.write_record(folder, record, [name for name in first.record["sha256"] if (folder / name).exists()])
    return first, runs.open_run(lab, folder.name)


def test_a_spread_is_mean_and_sample_deviation_and_one_value_has_none():
    found = Spread.of([0.7, 0.9, 0.8])
    assert (found.n, found.mean, found.sd) == (3, pytest.approx(0.8), pytest.approx(0.1))
    assert Spread.of([0.5]).sd is None
    assert Spread.of([]) is None


def test_seeds_of_one_request_are_one_row_and_other_settings_are_another(lab, two_seeds):
    first, second = two_seeds
    other = runs.Run("x", first.folder, {**first.record, "settings": {**first.record["settings"], "epochs": 99}})
    rows = repeated([second, other, first])
    assert sorted(len(row.runs) for row in rows) == [1, 2]
    together = next(row for row in rows if len(row.runs) == 2)
    assert [run.seed for run in together.runs] == [0, 1]
    assert together.accuracy("test").mean == pytest.approx((first.record["test"]["accuracy"] + second.record["test"]["accuracy"]) / 2)
    assert rows[0] is together  # the better one on validation


def test_the_table_judges_every_seed_also_without_the_images_it_has_seen(lab, two_seeds, monkeypatch):
    first, second = two_seeds
    test = ImageSet.open(lab, "tiny").manifest("test")
    inside = set(test["image_id"][::4])
    monkeypatch.setattr("cifake_core.evaluation.over_seeds.seen_in", lambda ids, _train: np.isin(ids, list(inside)))
    table = network_table(lab, "tiny")
    row = next(row for row in table["rows"] if row["network"] == CELL)
    assert (table["n_test"], table["n_seen"]) == (len(test), len(test[::4]))
    assert row["seeds"] == [0, 1]
    kept = ~test["image_id"].isin(inside).to_numpy()
    expected = []
    for run in (first, second):
        right = (run.predictions("test")["logit"].to_numpy() >= 0) == (test["label"].to_numpy() == 1)
        assert right.mean() == pytest.approx(run.record["test"]["accuracy"])
        expected.append(right[kept].mean())
    assert row["without_duplicates"]["values"] == pytest.approx(expected)
    assert row["without_duplicates"]["mean"] != row["test"]["mean"]


def test_a_run_on_test_images_alone_has_its_row_last_and_breaks_no_list(lab, two_seeds):
    first, _ = two_seeds
    record = {name: value for name, value in first.record.items() if name != "validation"}
    record["settings"] = {"topology": "commfor-384", "seed": 0, "detector": "theirs"}
    folder = lab.runs / "commfor-384-s0-0123456789"
    shutil.copytree(first.folder, folder)
    artifacts.write_record(folder, record | {"id": folder.name}, ["predictions-test.parquet"])
    table = network_table(lab, "tiny")
    assert table["rows"][-1]["network"] == "commfor-384"
    assert table["rows"][-1]["validation"] is None
    assert any(line.startswith("commfor-384  1      –") for line in network_tables.as_lines(table))
    assert "commfor-384" in CliRunner().invoke(app, ["runs"], catch_exceptions=False).stdout
    on_it = runs.runs(lab)
    assert len(leaderboard(on_it, "validation accuracy")) == len(on_it)
    assert "commfor-384" in set(networks(on_it, "test accuracy")["topology"])


def test_runs_of_a_preset_whose_numbers_were_others_are_not_seeds_of_todays(lab, two_seeds):
    first, second = two_seeds
    of_old = [runs.Run(run.id, run.folder, run.record | {"preset": {"epochs": 24}}) for run in (first, second)]
    assert [len(row.runs) for row in repeated([first, of_old[1]])] == [1, 1]
    assert [len(row.runs) for row in repeated(of_old)] == [2]


def test_predictions_of_other_images_are_named_and_not_counted(lab, two_seeds):
    _, second = two_seeds
    table = second.predictions("test")
    table["image_id"] = table["image_id"].to_numpy()[::-1]
    table.to_parquet(second.folder / "predictions-test.parquet", index=False)
    artifacts.write_record(second.folder, second.record, list(second.record["sha256"]))
    with pytest.raises(Damaged, match="of other images"):
        network_table(lab, "tiny")


def test_the_command_prints_a_row_a_network_and_writes_what_the_ending_names(lab, two_seeds, tmp_path):
    def command(*words):
        return CliRunner().invoke(app, ["table", "--dataset", "tiny", *words], catch_exceptions=False).stdout

    told = command("--json")
    rows = json.loads(told)["rows"]
    assert [row["network"] for row in rows].count(CELL) == 1
    mean, sd = (100 * next(row for row in rows if row["network"] == CELL)["test"][part] for part in ("mean", "sd"))
    assert f"{mean:.2f} ± {sd:.2f}" in command("--out", str(tmp_path / "table.md"))
    assert f"| {mean:.2f} ± {sd:.2f} |" in (tmp_path / "table.md").read_text()
    command("--out", str(tmp_path / "table.csv"))
    flat = pd.read_csv(io.BytesIO((tmp_path / "table.csv").read_bytes())).set_index("network")
    assert flat.loc[CELL, "test_sd"] == pytest.approx(sd / 100)
    assert flat.loc[CELL, "epochs"] == rows[0]["settings"]["epochs"]
    command("--out", str(tmp_path / "table.json"))
    assert json.loads((tmp_path / "table.json").read_text()) == json.loads(told)
    with pytest.raises(BadInput, match="ending"):
        network_tables.write(json.loads(told), tmp_path / "table.xlsx")
    assert sorted(path.name for path in tmp_path.glob("table*")) == ["table.csv", "table.json", "table.md"]


def test_rows_of_one_network_say_what_tells_them_apart_and_times_of_two_machines_are_not_averaged(lab, two_seeds):
    first, second = two_seeds
    record = {**first.record, "settings": {**first.record["settings"], "batch_size": 7}, "hardware": "another machine", "duration_s": 9000.0}
    artifacts.write_record(first.folder, record, [name for name in first.record["sha256"] if (first.folder / name).exists()])
    lines = network_tables.as_lines(network_table(lab, "tiny"))
    batch = second.record["settings"]["batch_size"]
    assert sum(line.startswith(f"{CELL} (batch size 7) ") for line in lines) == 1
    assert sum(line.startswith(f"{CELL} (batch size {batch}) ") for line in lines) == 1
    assert all("(" not in line.split("  ")[0] for line in lines[1:-3] if not line.startswith(CELL))

    artifacts.write_record(second.folder, {**second.record, "settings": {**record["settings"], "seed": 1}}, list(second.record["sha256"]))
    together = next(line for line in network_tables.as_lines(network_table(lab, "tiny")) if line.startswith(f"{CELL} "))
    assert together.endswith(f"{second.record['duration_s']:,.0f} – 9,000")
    rows = networks(runs.runs(lab), "shortest training")
    assert rows["topology"].iloc[-1] == CELL
    assert rows["seconds"].isna().sum() == 1


def _row(network: str, mean: float, seeds: int = 1, **settings) -> dict:
    values = [mean] * seeds
    spread = {"n": seeds, "mean": mean, "sd": 0.001 if seeds > 1 else None, "values": values}
    return {
        "network": network, "settings": {"epochs": 1, "patience": 0} | settings, "preset": None, "parameters": 10, "seeds": list(range(seeds)),
        "validation": spread, "test": spread, "without_duplicates": None, "seconds": spread, "best_epochs": [1], "hardware": ["a"],
    }  # fmt: skip


def test_rows_of_a_preset_say_which_of_its_numbers_differ():
    preset = {"name": "small", "channels": [8, 8], "epochs": 9, "both_ways": True, "recipe": {"muon": True, "shift": 2}}
    rows = [
        _row("small", 0.97) | {"preset": preset},
        _row("small", 0.96) | {"preset": preset | {"both_ways": False, "recipe": {"muon": True, "shift": 0}}},
        _row("small", 0.95),
    ]
    lines = network_tables.as_lines({"dataset": "cifake", "paper_accuracy": None, "n_test": 0, "n_seen": 0, "rows": rows})
    assert [line.split("  ")[0] for line in lines[1:4]] == ["small (both ways True, shift 2)", "small (both ways False, shift 0)", "small (an older version's)"]


def test_a_grids_cells_stand_where_the_paper_has_them_and_were_all_trained_alike():
    rows = [
        _row("32x2-64x1", 0.99, epochs=50),  # better, but nothing else was trained so long
        _row("small", 0.98),
        _row("128x3-64x1", 0.91, seeds=3),
        _row("32x2-64x1", 0.90),
        _row("16x1-64x1", 0.86),
        _row("32x2-4096x3", 0.89),
    ]
    table = {"dataset": "cifake", "paper_accuracy": 0.9298, "n_test": 20_000, "n_seen": 378, "rows": rows}
    found = of_grid(table, "paper")
    assert [row["network"] for row in found["rows"]] == ["16x1-64x1", "32x2-64x1", "128x3-64x1", "32x2-4096x3"]
    assert found["grid"] == {"name": "paper", "networks": 35, "settings": {"epochs": 1, "patience": 0}}
    lines = network_tables.as_lines(found)
    cells = [line.split() for line in lines]
    assert cells[2:5] == [["1", "86.00", "–", "–", "–"], ["2", "–", "90.00", "–", "–"], ["3", "–", "–", "–", "91.00", "±", "0.10"]]
    heads = cells[8:11]
    assert [row[0] for row in heads] == ["1", "2", "3"]
    assert (heads[0][2], heads[2][8]) == ("90.00", "89.00")  # 64 × 1 and 4096 × 3
    assert "4 of the 35 networks of the grid 'paper', all trained with epochs 1, patience 0." in lines
    markdown = network_tables.as_markdown(found).splitlines()
    assert "| 3 | – | – | – | 91.00 ± 0.10 |" in markdown
    assert "python -m cifake_core train --dataset cifake --grid paper --epochs 1 --patience 0 --seeds 0,1,2" in markdown
    assert len(grid_tables(of_grid(table, "extractors"))) == 2  # 32x2-64x1 is a cell of both of the paper's tables
    assert len(grid_tables(of_grid({**table, "rows": rows[4:5]}, "paper"))) == 1


def test_a_grid_without_runs_or_without_a_name_is_answered_in_a_sentence(lab):
    with pytest.raises(NotFound, match="No network of the grid 'heads'"):
        of_grid({"dataset": "tiny", "rows": [_row("16x1-64x1", 0.9)]}, "heads")
    with pytest.raises(BadInput, match="known are"):
        of_grid({"dataset": "tiny", "rows": []}, "papers")
    told = CliRunner().invoke(app, ["table", "--dataset", "tiny", "--grid", "quick"], catch_exceptions=False).stdout
    assert "Feature extractors" in told


def test_a_set_without_runs_says_how_to_train_one(lab):
    shutil.rmtree(lab.runs)
    told = CliRunner().invoke(app, ["table", "--dataset", "tiny"], catch_exceptions=False).stdout
    assert "No run on 'tiny' yet" in told
