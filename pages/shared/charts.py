"""More charts as Vega-Lite descriptions: groups and differences with intervals, votes, sweeps, spectra, clouds of points."""

import pandas as pd

from pages.shared.vega import chart, colours, values

_SHARE = {"format": ".1%"}


def _truth_colour(field: str = "truth") -> dict:
    paint = colours()
    scale = {"domain": ["real", "fake"], "range": [paint["real"], paint["fake"]]}
    return {"field": field, "type": "nominal", "scale": scale, "legend": {"orient": "top", "title": None}}


def _with_intervals(rows: list[dict], x: dict, more: dict, tooltip: list[dict]) -> list[dict]:
    rule = {"x": {"field": "low", "type": "quantitative", **x}, "x2": {"field": "high"}, **more}
    dot = {"x": {"field": "value", "type": "quantitative"}, "tooltip": tooltip, **more}
    paint = {} if "color" in more else {"color": colours()["line"]}
    return [
        {"data": values(rows), "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.5, **paint}, "encoding": rule},
        {"data": values(rows), "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, **paint}, "encoding": dot},
    ]


def groups(rows: list[dict]) -> None:
    """Share judged right by group, reals and fakes apart; rows have group, truth, n, value, low, high."""
    order = list(dict.fromkeys(row["group"] for row in rows))
    lowest = max(0.0, min((row["low"] for row in rows), default=0) - 0.02)
    x = {"scale": {"domain": [lowest, 1], "zero": False}, "axis": {"format": ".0%"}, "title": "right verdicts"}
    y = {"field": "group", "type": "nominal", "title": None, "sort": order, "axis": {"labelLimit": 240}}
    more = {"y": y, "yOffset": {"field": "truth", "sort": ["real", "fake"]}, "color": _truth_colour()}
    told = [{"field": "group"}, {"field": "truth"}, {"field": "n", "format": ","}]
    told += [{"field": f, **_SHARE} for f in ("value", "low", "high")]
    chart(_with_intervals(rows, x, more, told), "Share of right verdicts by group with 95 % intervals.", height=max(120, 30 * len(order) + 70))


def differences(rows: list[dict]) -> None:
    """Differences of two networks with intervals around a line at 0; rows have name, value, low, high."""
    y = {"field": "name", "type": "nominal", "title": None, "sort": [row["name"] for row in rows], "axis": {"labelLimit": 220}}
    x = {"axis": {"format": "+.2%"}, "title": None}
    told = [{"field": "name"}] + [{"field": f, "format": "+.2%"} for f in ("value", "low", "high")]
    zero = {
        "data": values([{"at": 0}]),
        "mark": {"type": "rule", "color": colours()["threshold"]},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }
    chart([zero, *_with_intervals(rows, x, {"y": y}, told)], "Differences of the two networks with 95 % intervals.", height=30 * len(rows) + 40)


def strip(rows: list[dict], mean: float) -> None:
    """A few values on one line with their mean; rows have name, value."""
    x = {"field": "value", "type": "quantitative", "scale": {"zero": False, "padding": 20}, "axis": _SHARE, "title": None}
    dots = {
        "data": values(rows),
        "mark": {"type": "point", "filled": True, "size": 80, "color": colours()["line"], "opacity": 0.9},
        "encoding": {"x": x, "tooltip": [{"field": "name"}, {"field": "value", "format": ".2%"}]},
    }
    line = {
        "data": values([{"value": mean}]),
        "mark": {"type": "tick", "thickness": 3, "size": 26, "color": colours()["threshold"]},
        "encoding": {"x": {"field": "value", "type": "quantitative"}},
    }
    chart([line, dots], "Accuracy of each seed as a dot, their mean as a line.", height=70)


def votes(rows: list[dict], threshold: float) -> None:
    """Probability of fake under each network; rows have network, run, probability."""
    paint = colours()
    x = {"field": "probability", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"format": ".0%"}, "title": "probability of fake"}
    y = {"field": "run", "type": "nominal", "sort": [row["run"] for row in rows], "title": None, "axis": {"labelLimit": 130}}
    called = {"condition": {"test": f"datum.probability >= {threshold}", "value": paint["fake"]}, "value": paint["real"]}
    told = [{"field": "network"}, {"field": "probability", "format": ".2%"}]
    dots = {
        "data": values(rows),
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
        "encoding": {"x": x, "y": y, "color": called, "tooltip": told},
    }
    rule = {
        "data": values([{"at": threshold}]),
        "mark": {"type": "rule", "color": paint["threshold"]},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }
    chart([rule, dots], "Probability of fake under every network.", height=min(700, 18 * len(rows) + 50))


def sweep(rows: list[dict], unit: str) -> None:
    """One transform's curves; rows have strength, measure, network, value and, where known, low, high.

    The measures "real" and "fake" have their colours, accuracy and AUC are lines of their own; networks differ by dash.
    """
    paint = colours()
    measures = {"real": paint["real"], "fake": paint["fake"], "accuracy": paint["line"], "AUC": paint["paper"]}
    colour = {
        "field": "measure", "type": "nominal", "scale": {"domain": list(measures), "range": list(measures.values())},
        "legend": {"orient": "top", "title": None},
    }  # fmt: skip
    several = len({row["network"] for row in rows}) > 1
    x = {"field": "strength", "type": "quantitative", "title": unit, "scale": {"zero": False, "padding": 8}}
    y = {"field": "value", "type": "quantitative", "title": None, "axis": {"format": ".0%"}, "scale": {"domain": [0, 1]}}
    shared = {"x": x, "color": colour}
    dash = {"strokeDash": {"field": "network", "type": "nominal", "legend": {"orient": "bottom", "title": None, "labelLimit": 240}}} if several else {}
    told = [{"field": "network"}, {"field": "measure"}, {"field": "strength"}, {"field": "value", **_SHARE}]
    bars = {"data": values(rows), "mark": {"type": "rule", "opacity": 0.35, "strokeWidth": 2}, "encoding": {**shared, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}}
    lines = {"data": values(rows), "mark": {"type": "line", "strokeWidth": 2}, "encoding": {**shared, **dash, "y": y}}
    dots = {"data": values(rows), "mark": {"type": "point", "filled": True, "size": 36}, "encoding": {**shared, "y": y, "tooltip": told}}
    chart([bars, lines, dots], f"Accuracy, AUC, and share right of reals and of fakes by {unit}.", height=230)


def two_curves(table: pd.DataFrame, titles: tuple[str, str]) -> None:
    """A curve for reals and one for fakes with the spread of the images; columns x, truth, mean, low, high."""
    x = {"field": "x", "type": "quantitative", "title": titles[0], "scale": {"zero": False, "nice": False}}
    y = {"type": "quantitative", "title": titles[1], "scale": {"zero": False}}
    colour = _truth_colour()
    ribbon = {"data": values(table), "mark": {"type": "area", "opacity": 0.15}, "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": colour}}
    line = {
        "data": values(table),
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 18}},
        "encoding": {"x": x, "y": {"field": "mean", **y}, "color": colour, "tooltip": [{"field": "truth"}, {"field": "x"}, {"field": "mean", "format": ".3f"}]},
    }
    chart([ribbon, line], f"{titles[1]} by {titles[0]}: reals and fakes, with the spread of the images.", height=220)
