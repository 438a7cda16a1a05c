"""The report: one file that needs nothing else, says what the evaluation says, and cannot be made to run anything."""

import csv
import json
import re
import shlex
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from cifake_core.cli import app
from cifake_core.detectors import runs
from cifake_core.errors import BadInput
from cifake_core.evaluation import evaluating
from cifake_core.evaluation.audit.auditing import AuditImages
from cifake_core.evaluation.reporting import commands, contents, figures
from cifake_core.evaluation.reporting.writing import write_report
from cifake_core.evaluation.robustness import Robustness
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store import artifacts


class Read(HTMLParser):
    """Tags left open, tags met, attributes and text of a page."""

    VOID = frozenset({"meta", "img", "br", "path", "use", "rect"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def run(lab):
    return runs.runs(lab)[0]


def test_a_report_is_one_whole_file_that_fetches_and_runs_nothing(lab, run, tmp_path):
    out = tmp_path / "report.html"
    result = write_report(lab, run.id, out, resamples=20)
    assert result["files"] == [str(out)]
    text = out.read_text(encoding="utf-8")
    read = Read(text)
    assert read.open == []
    assert not read.tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for name, value in read.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:image/png;base64,", "#"))
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"url\((?!#)", text)


def test_identifiers_of_the_figures_do_not_collide_and_every_one_used_is_there(lab, run, tmp_path):
    Robustness(run.id, limit=40, transforms=("jpeg:75", "blur:0.6:1")).run(Context(lab))
    AuditImages("tiny").run(Context(lab))
    write_report(lab, run.id, tmp_path / "r.html", resamples=20)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    named = re.findall(r'\bid="([^"]+)"', text)
    assert len(named) == len(set(named))
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', text)) <= set(named)
    assert not re.search("#01020[3-6]", text)
    assert "var(--real)" in text
    assert "currentColor" in text


def test_it_says_what_the_evaluation_says_with_intervals_settings_and_commands(lab, run, tmp_path):
    write_report(lab, run.id, tmp_path / "r.html", threshold=0.4, tables=True, resamples=20)
    text = Read((tmp_path / "r.html").read_text(encoding="utf-8")).text
    found = evaluating.evaluate(lab, run, "test", 0.4, 20)
    accuracy = found.metrics["accuracy"]
    assert f"{accuracy.value:.2%}" in text
    assert f"{accuracy.low:.2%} – {accuracy.high:.2%}" in text
    for word in (run.topology, run.record["hardware"], run.record["versions"]["torch"], run.record["dataset_digest"]):
        assert word in text
    for line in commands.to_repeat(run, ImageSet.open(lab, "tiny"), "test", 0.4):
        assert line in text
    data = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert data["metrics"] == found.as_dict()["metrics"]
    assert data["confusion"] == found.as_dict()["confusion"]
    rows = list(csv.DictReader((tmp_path / "r.csv").open(encoding="utf-8")))
    row = next(row for row in rows if (row["section"], row["metric"]) == ("metrics", "accuracy"))
    assert float(row["value"]) == pytest.approx(accuracy.value)
    assert float(row["low"]) == pytest.approx(accuracy.low)


def test_texts_of_strangers_stay_texts(lab, run, tmp_path):
    folder = ImageSet.open(lab, "tiny").folder
    record = artifacts.read_json(folder / artifacts.RECORD)
    evil = "</td><script>alert(1)</script>"
    artifacts.write_json(folder / artifacts.RECORD, {**record, "source": {"files": [{"name": evil}]}})
    write_report(lab, run.id, tmp_path / "r.html", resamples=20)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert evil in Read(text).text


def test_a_figure_is_drawn_the_same_every_time_and_carries_no_date(lab, run):
    history = run.history()
    assert figures.history_figure(history) == figures.history_figure(history)
    assert "<metadata" not in figures.history_figure(history)


def test_commands_can_be_pasted_into_a_shell_whatever_the_names(lab, run):
    image_set = ImageSet(ImageSet.open(lab, "tiny").folder, {"source": {"files": [{"name": "my file; rm -rf x.zip"}]}, "treatment": {"jpeg": True}})
    lines = commands.to_repeat(run, image_set, "test", 0.5)
    assert shlex.split(lines[0])[4] == "my file; rm -rf x.zip"
    assert shlex.split(lines[0])[-1] == "--jpeg"
    assert lines[1].startswith("python -m cifake_core train --dataset tiny --topology")


def test_seeds_of_the_same_request_give_a_mean_and_spread(lab, run):
    assert contents.other_seeds(lab, run, "test") is None
    import shutil

    for seed, accuracy in ((1, 0.7), (2, 0.9)):
        copy = lab.runs / f"{run.topology}-s{seed}-0123456789"
        shutil.copytree(run.folder, copy)
        record = {**run.record, "settings": {**run.record["settings"], "seed": seed}, "test": {"n": 200, "accuracy": accuracy}}
        artifacts.write_json(copy / artifacts.RECORD, record)
    found = contents.other_seeds(lab, run, "test")
    values = [run.record["test"]["accuracy"], 0.7, 0.9]
    mean = sum(values) / 3
    assert found["n"] == 3
    assert found["mean"] == pytest.approx(mean)
    assert found["sd"] == pytest.approx((sum((v - mean) ** 2 for v in values) / 2) ** 0.5)


def test_another_ending_or_threshold_is_refused_in_one_sentence(lab, run, tmp_path):
    with pytest.raises(BadInput, match="end in .html"):
        write_report(lab, run.id, tmp_path / "report.pdf")
    with pytest.raises(BadInput, match="between 0 and 1"):
        write_report(lab, run.id, tmp_path / "report.html", threshold=1.0)


def test_the_command_line_audits_sweeps_and_reports(lab, run, tmp_path):
    runner = CliRunner()
    audit = runner.invoke(app, ["audit", "--dataset", "tiny", "--json"])
    assert json.loads(audit.stdout.splitlines()[-1])["duplicates"]["pairs"]["train-test"] == 0
    plain = runner.invoke(app, ["audit", "--dataset", "tiny"])
    assert "spectrum alone" in plain.stdout
    swept = runner.invoke(app, ["robustness", "--run", run.id, "--limit", "40", "--transforms", "jpeg:75,noise:4", "--json"])
    assert [row["transform"] for row in json.loads(swept.stdout.splitlines()[-1])["rows"]] == ["jpeg", "noise"]
    out = tmp_path / "out" / "report.html"
    report = runner.invoke(app, ["report", "--run", run.id, "--out", str(out), "--tables", "--json"])
    assert json.loads(report.stdout.splitlines()[-1])["files"] == [str(out.with_suffix(e)) for e in (".html", ".json", ".csv")]
    text = out.read_text(encoding="utf-8")
    assert "Not measured yet" not in text
    assert "JPEG compression" in text
