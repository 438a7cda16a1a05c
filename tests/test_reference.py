"""The paper's figures stand only beside CIFAKE's own images, on every page, and what people reached has an interval and a source."""

import re
from types import SimpleNamespace

import pytest

from cifake_core.detectors.topology import PAPER_ACCURACY
from cifake_core.evaluation import reference
from pages.build.training import curve_figure, figures
from pages.build.training.results import Cell

CIFAKE = {"counts": reference._COUNTS, "duplicates": reference._PAIRS}
OTHER = {"counts": {"train": {"real": 5, "fake": 5}}, "duplicates": {}}
HISTORY = {"a": [{"epoch": 1, "train_accuracy": 0.9, "validation_accuracy": 0.8, "train_loss": 0.2, "validation_loss": 0.3}]}


@pytest.mark.parametrize(
    ("record", "is_it"),
    [(CIFAKE, True), (OTHER, False), (OTHER | {"official_cifake": True}, True), (CIFAKE | {"official_cifake": False}, False)],
)
def test_a_set_is_cifake_by_what_its_import_found_or_by_its_fingerprint(record, is_it):
    images = SimpleNamespace(record=record)
    assert reference.is_cifake(images) is is_it
    assert reference.paper_accuracy(images) == (PAPER_ACCURACY if is_it else None)
    assert (reference.people_sentence(images) is not None) is is_it


def test_what_people_reached_names_how_many_judged_how_much_with_the_exact_interval():
    said = reference.people_sentence(SimpleNamespace(record=CIFAKE))
    # 533 of 945 answers: Clopper-Pearson by R's binom.test
    assert "63 people judged 15 such images each and were right in 56.4 % of cases (53.2 % – 59.6 %" in said
    assert "92.98 %" in said


def _texts(figure):
    return re.findall(r"paper[^\"]*?92\.98 %|92\.98", str(figure.to_dict()))


def test_curves_and_colour_bars_carry_the_paper_only_where_it_is_given():
    assert not _texts(curve_figure.curves_figure(HISTORY, "accuracy"))
    assert len(curve_figure.curves_figure(HISTORY, "accuracy").layout.shapes) == 0
    marked = curve_figure.curves_figure(HISTORY, "accuracy", paper=PAPER_ACCURACY)
    assert _texts(marked)
    assert marked.layout.shapes[0].y0 == pytest.approx(92.98)
    assert not _texts(curve_figure.curves_figure(HISTORY, "loss", paper=PAPER_ACCURACY))


def test_the_colour_bar_of_another_dataset_spans_its_own_accuracies(monkeypatch):
    monkeypatch.setattr(figures, "_dark", lambda: False)
    cells = {"32x2-64x1": Cell("32x2-64x1"), "16x1-64x1": Cell("16x1-64x1")}
    monkeypatch.setattr(Cell, "value", lambda cell, _measure: {"32x2-64x1": 0.81, "16x1-64x1": 0.7}[cell.topology])
    plain = figures.results_figure(cells, "test", None)
    assert not _texts(plain)
    assert (plain.layout.coloraxis.cmin, plain.layout.coloraxis.cmax) == (0.7, 0.81)
    assert _texts(figures.results_figure(cells, "test", None, PAPER_ACCURACY))
