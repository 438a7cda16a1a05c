"""The charts that follow the threshold: where their marks lie, what their axes say, what is told under the pointer."""

import math

import numpy as np
import pandas as pd
import pytest

from pages.look.measures import threshold_charts
from pages.shared import plot
from pages.shared.plot import Axis, mirrored_axis, percent_axis


def words(axis: Axis) -> list[str]:
    return [word for _, word in axis.ticks]


def test_values_become_shares_of_their_axis_clipped_and_missing_ones_stay_missing():
    assert Axis(0.4, 1).at([0.4, 0.7, 1, 0.1, 2, math.nan]) == [0, 0.5, 1, 0, 1, None]
    assert Axis(-4, 4, root=True).at([-4, -1, 0, 1, 4]) == [0, 0.25, 0.5, 0.75, 1]
    assert Axis(3, 3).at(3) == [0]  # one value alone: no division by zero


def test_ticks_of_shares_are_round_and_inside():
    assert words(percent_axis(0, 1, "")) == ["0%", "20%", "40%", "60%", "80%", "100%"]
    assert words(percent_axis(0.835, 1, "")) == ["85%", "90%", "95%", "100%"]
    assert words(percent_axis(0.982, 1, "")) == ["98.5%", "99.0%", "99.5%", "100.0%"]


@pytest.mark.parametrize(("up", "down"), [(5400, 5400), (9000, 40), (3, 0), (0, 0), (1, 12), (70_000, 69_000)])
def test_ticks_of_counts_are_the_same_both_ways_zero_once_and_never_crowd(up, down):
    axis = mirrored_axis(up, down, "images")
    values = [value for value, _ in axis.ticks]
    assert values == sorted(set(values))
    assert values.count(0) == 1
    assert {-value for value in values if value < 0} <= {value for value in values if value > 0} or up < down
    shares = axis.at(values)
    assert min(np.diff(shares), default=1) > 0.1
    assert all("-" not in word for word in words(axis))


@pytest.fixture
def drawn(monkeypatch):
    """What the last chart sent to the browser."""
    seen = {}
    monkeypatch.setattr(threshold_charts, "colours", lambda: dict.fromkeys(("real", "fake", "muted", "line", "threshold"), "#000000"))
    monkeypatch.setattr(plot, "_plot", lambda key, data, height: seen.update(data, key=key, given=height))
    return seen


def marks(drawn, kind: str) -> list[dict]:
    return [mark for mark in drawn["marks"] if mark["kind"] == kind]


def test_reals_stand_above_the_line_fakes_hang_below_and_the_threshold_is_where_it_is(drawn):
    bins = pd.DataFrame({"low": [0.0, 0.5], "high": [0.5, 1.0], "real": [100, 25], "fake": [0, 100]})
    threshold_charts.score_histogram(bins, 0.25)
    above, below = marks(drawn, "boxes")
    assert (above["y0"], above["y1"]) == ([0.5, 0.5], [1, 0.75])  # by the square root of the count
    assert (below["y0"], below["y1"]) == ([0.5, 0.5], [0.5, 0])
    assert (above["x0"][0], above["x1"][1]) == (pytest.approx(0.03), pytest.approx(0.97))
    (rule,) = marks(drawn, "segments")
    assert (rule["x0"], rule["x1"], rule["y0"], rule["y1"]) == ([0.25], [0.25], [0], [1])
    assert drawn["tips"]["words"] == ["0.0 – 50.0 %\n100 real\n0 fake", "50.0 – 100.0 %\n25 real\n100 fake"]
    assert "0.250" in drawn["alt"]
    assert "125 real images above and of 100 fake images" in drawn["alt"]
    assert "half of the reals lie below 50.0 %, half of the fakes above 50.0 %" in drawn["alt"]
    threshold_charts.score_histogram(bins, 0.25, band=0.3)
    band = marks(drawn, "boxes")[0]
    assert (band["x0"], band["x1"]) == ([0], [0.55])


def test_a_curve_carries_the_thresholds_place_and_tells_both_values_anywhere_along_it(drawn):
    curve = pd.DataFrame({"recall": [0.0, 0.5, 1.0], "precision": [1.0, 0.9, 0.5]})
    threshold_charts.precision_recall(curve, (0.5, 0.9))
    (dot,) = marks(drawn, "dots")
    assert (dot["x"], dot["y"]) == ([0.5], [pytest.approx(0.8333, abs=1e-4)])  # of an axis from 40 to 100 %
    tips = drawn["tips"]
    assert tips["low"] == [0, 0.25, 0.75]
    assert tips["high"] == [0.25, 0.75, 1]
    assert tips["words"][1] == "50.00 % fakes found\n90.00 % precision"
    assert "recall 50.00 %, precision 90.00 %" in drawn["alt"]


def test_an_upright_stretch_of_a_curve_tells_from_where_to_where_it_goes(drawn):
    curve = pd.DataFrame({"false_positive_rate": [0.0, 0.0, 0.0, 0.4, 1.0], "true_positive_rate": [0.0, 0.3, 0.7, 0.9, 1.0]})
    threshold_charts.roc(curve, (0.4, 0.9))
    tips = drawn["tips"]
    assert (tips["low"], tips["high"]) == ([0, 0.2, 0.7], [0.2, 0.7, 1])
    assert tips["words"][0] == "0.00 % reals called fake\n0.00 – 70.00 % fakes found"
    assert tips["words"][1] == "40.00 % reals called fake\n90.00 % fakes found"


def test_where_a_curve_is_undefined_the_chart_says_so_and_has_no_dot(drawn):
    nothing = pd.DataFrame({"false_positive_rate": [], "true_positive_rate": []})
    threshold_charts.roc(nothing, (None, 0.3))
    assert not marks(drawn, "dots")
    assert "an undefined share of reals" in drawn["alt"]
    assert drawn["tips"] == {}


def test_classes_are_rows_with_real_above_fake_and_their_intervals(drawn):
    rows = [
        {"class": name, "truth": truth, "value": value, "low": value - 0.1, "high": value + 0.05}
        for name in ("cat", "dog")
        for truth, value in (("real", 0.9), ("fake", 0.8))
    ]
    threshold_charts.class_accuracy(rows)
    assert [word for _, word in drawn["y"]["ticks"]] == ["cat", "dog"]
    real, fake = marks(drawn, "dots")
    assert real["y"][0] > fake["y"][0] > real["y"][1] > fake["y"][1]
    assert real["x"][0] > fake["x"][0]
    assert drawn["tips"]["along"] == "y"
    assert drawn["tips"]["words"][0] == "cat\nreal: 90.0 % right (80.0 – 95.0)\nfake: 80.0 % right (70.0 – 85.0)"
    assert "; lowest fake cat: 80.00 %, highest real cat: 90.00 %." in drawn["alt"]
    low, high = drawn["tips"]["low"][0], drawn["tips"]["high"][0]
    assert low < fake["y"][0] < real["y"][0] < high
    threshold_charts.class_accuracy([])  # a set without images still has a page


def test_coverage_has_its_ribbon_and_the_chosen_band_as_a_dot(drawn):
    table = pd.DataFrame(
        {"band": [0.0, 0.1, 0.2], "coverage": [1.0, 0.9, 0.8], "accuracy": [0.9, 0.95, None], "low": [0.88, 0.93, None], "high": [0.92, 0.97, None]}
    )
    threshold_charts.coverage(table, 0.1)
    (dot,), (ribbon,) = marks(drawn, "dots"), marks(drawn, "ribbon")
    assert dot["x"] == [0]  # the axis begins where the last verdicts are left
    assert ribbon["low"][0] < ribbon["high"][0]
    assert "90.00 % get a verdict, 95.00 %" in drawn["alt"]
    threshold_charts.coverage(table, 0.2)  # no image gets a verdict: no other band's figures are shown for it
    assert not marks(drawn, "dots")
    threshold_charts.coverage(table[:0], 0.1)
