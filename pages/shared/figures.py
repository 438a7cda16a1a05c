"""The dashboards' charts as Vega-Lite descriptions: small tables in, a chart out. No metric is computed here.

Plain dictionaries rather than a chart library: a step of the threshold slider redraws several, and building them is then
next to free. Each chart says in its alt text what it shows.
"""

import pandas as pd
import streamlit as st

from pages.shared import palette

_PERCENT = {"format": ".0%"}
_HEIGHT = 190


def colours() -> dict[str, str]:
    """The palette's roles, and those only charts have: a line that is neither real nor fake, and the threshold."""
    dark = st.context.theme.type == "dark"
    return palette.colours() | {
        "line": "#6fc6c8" if dark else "#2f7f81",
        "threshold": "#e6eaf2" if dark else "#1b2333",
    }


def chart(layers: list[dict], alt: str, *, height: int = _HEIGHT, **top) -> None:
    spec = {"layer": layers, "height": height, "config": {"view": {"stroke": None}}, **top}
    st.vega_lite_chart(spec, width="stretch", height=height, alt=alt)


def values(table: pd.DataFrame | list[dict]) -> dict:
    return {"values": table if isinstance(table, list) else table.to_dict("records")}


def score_histogram(bins: pd.DataFrame, threshold: float, band: float = 0.0) -> None:
    """Reals upwards, fakes downwards, by probability of fake; the threshold as a line, the unsure band shaded."""
    paint, rows = colours(), []
    for name, sign in (("real", 1), ("fake", -1)):
        rows += [
            {"low": b.low, "high": b.high, "truth": name, "images": n, "up": sign * n}
            for b in bins.itertuples()
            for n in [getattr(b, name)]
        ]
    x = {"type": "quantitative", "scale": {"domain": [0, 1]}, "title": "probability of fake"}
    layers = [
        {
            "data": values(rows),
            "mark": {"type": "bar", "binSpacing": 1},
            "encoding": {
                "x": {"field": "low", **x, "bin": {"binned": True}, "axis": {**_PERCENT, "grid": False}},
                "x2": {"field": "high"},
                "y": {
                    "field": "up",
                    "type": "quantitative",
                    "scale": {"type": "sqrt"},
                    "axis": {"labelExpr": "format(abs(datum.value), ',')", "title": "images", "tickCount": 6},
                },
                "color": {
                    "field": "truth",
                    "scale": {"domain": ["real", "fake"], "range": [paint["real"], paint["fake"]]},
                    "legend": {"orient": "top", "title": None},
                },
                "tooltip": [
                    {"field": "truth", "title": "truth"},
                    {"field": "images", "format": ",", "title": "images"},
                    {"field": "low", "format": ".1%", "title": "from"},
                    {"field": "high", "format": ".1%", "title": "to"},
                ],
            },
        },
        _rule("x", threshold),
    ]
    if band:
        layers.insert(0, _shade(max(0.0, threshold - band), min(1.0, threshold + band)))
    chart(layers, f"Scores of real images above and of fake images below the line; the threshold stands at {threshold:.3f}.", height=240)


def _rule(axis: str, at: float) -> dict:
    return {
        "data": values([{"at": at}]),
        "mark": {"type": "rule", "strokeWidth": 2, "color": colours()["threshold"]},
        "encoding": {axis: {"field": "at", "type": "quantitative"}},
    }


def _shade(low: float, high: float) -> dict:
    return {
        "data": values([{"from": low, "to": high}]),
        "mark": {"type": "rect", "opacity": 0.18, "color": colours()["muted"]},
        "encoding": {"x": {"field": "from", "type": "quantitative"}, "x2": {"field": "to"}},
    }


def _line(table: pd.DataFrame, x: str, y: str, titles: tuple[str, str], *, y_domain=(0, 1), x_domain=(0, 1)) -> dict:
    return {
        "data": values(table),
        "mark": {"type": "line", "color": colours()["line"], "strokeWidth": 2, "interpolate": "linear"},
        "encoding": {
            "x": {"field": x, "type": "quantitative", "title": titles[0], "axis": _PERCENT, "scale": {"domain": list(x_domain)}},
            "y": {
                "field": y, "type": "quantitative", "title": titles[1], "axis": _PERCENT,
                "scale": {"domain": list(y_domain), "zero": False, "clamp": True},
            },
            "order": {"value": 0},
        },
    }  # fmt: skip


def _here(x: str, y: str, at: tuple[float | None, float | None]) -> dict:
    """The threshold's place on a curve."""
    return {
        "data": values([{x: at[0], y: at[1]}] if None not in at else []),
        "mark": {"type": "point", "filled": True, "size": 110, "color": colours()["threshold"], "opacity": 1},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": y, "type": "quantitative"},
            "tooltip": [{"field": x, "format": ".2%"}, {"field": y, "format": ".2%"}],
        },
    }


def _diagonal(x: str, y: str) -> dict:
    return {
        "data": values([{x: 0, y: 0}, {x: 1, y: 1}]),
        "mark": {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1, "color": colours()["muted"]},
        "encoding": {"x": {"field": x, "type": "quantitative"}, "y": {"field": y, "type": "quantitative"}},
    }


def roc(curve: pd.DataFrame, at: tuple[float | None, float | None]) -> None:
    """Fakes found against reals accused; `at` is (false-positive rate, true-positive rate) of the threshold."""
    x, y = "false_positive_rate", "true_positive_rate"
    layers = [_diagonal(x, y), _line(curve, x, y, ("reals called fake", "fakes found")), _here(x, y, at)]
    chart(layers, "ROC curve with the threshold's place on it.")


def precision_recall(curve: pd.DataFrame, at: tuple[float | None, float | None]) -> None:
    """Precision against recall; `at` is (recall, precision) of the threshold."""
    layers = [
        _line(curve, "recall", "precision", ("fakes found (recall)", "precision"), y_domain=(0.4, 1)),
        _here("recall", "precision", at),
    ]
    chart(layers, "Precision–recall curve with the threshold's place on it.")


def estimates(rows: list[dict], reference: float | None = None) -> None:
    """Numbers as dots with their 95 % intervals as lines; rows have name, value, low, high. `reference`: accuracy mark."""
    order = [row["name"] for row in rows]
    lowest = min([row["low"] for row in rows] + ([reference] if reference else []), default=0)
    y = {"field": "name", "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 200, "grid": True}}
    scale = {"domain": [max(0, lowest - 0.02), 1], "zero": False, "nice": False}
    layers = [
        {
            "data": values(rows),
            "mark": {"type": "rule", "strokeWidth": 3, "color": colours()["line"], "opacity": 0.55},
            "encoding": {
                "y": y,
                "x": {"field": "low", "type": "quantitative", "scale": scale, "axis": {"format": ".1%"}, "title": None},
                "x2": {"field": "high"},
            },
        },
        {
            "data": values(rows),
            "mark": {"type": "point", "filled": True, "size": 70, "color": colours()["line"], "opacity": 1},
            "encoding": {
                "y": y,
                "x": {"field": "value", "type": "quantitative"},
                "tooltip": [{"field": "name"}] + [{"field": f, "format": ".2%"} for f in ("value", "low", "high")],
            },
        },
    ]
    if reference:
        layers.append(
            {
                "data": values([{"name": order[0], "value": reference}]),
                "mark": {"type": "tick", "thickness": 3, "size": 22, "color": colours()["paper"]},
                "encoding": {
                    "y": y,
                    "x": {"field": "value", "type": "quantitative"},
                    "tooltip": [{"field": "value", "format": ".2%", "title": "the paper"}],
                },
            }
        )
    chart(layers, "Each number as a dot with its 95 % interval as a line.", height=34 * len(rows) + 40)


def reliability(bins: pd.DataFrame) -> None:
    """Stated probability against the observed share of fakes; on the diagonal the statement can be believed."""
    x, y = "mean_probability", "share"
    interval = {
        "data": values(bins),
        "mark": {"type": "rule", "strokeWidth": 2, "color": colours()["line"], "opacity": 0.5},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": "low", "type": "quantitative"},
            "y2": {"field": "high"},
        },
    }
    dots = {
        "data": values(bins),
        "mark": {"type": "point", "filled": True, "size": 60, "color": colours()["line"], "opacity": 1},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": y, "type": "quantitative"},
            "tooltip": [
                {"field": x, "format": ".1%", "title": "stated"},
                {"field": y, "format": ".1%", "title": "observed"},
                {"field": "n", "format": ",", "title": "images"},
            ],
        },
    }
    line = _line(bins, x, y, ("stated probability of fake", "observed share of fakes"))
    chart([_diagonal(x, y), interval, line, dots], "Reliability diagram: observed share of fakes by stated probability.")


def coverage(table: pd.DataFrame, band: float) -> None:
    """Accuracy of the images that get a verdict against their share, with its interval; the chosen band as a dot."""
    table = table.dropna(subset=["accuracy"])
    x, y = "coverage", "accuracy"
    floor = max(0.0, float(table["low"].min()) - 0.01) if len(table) else 0.0
    ribbon = {
        "data": values(table),
        "mark": {"type": "area", "opacity": 0.2, "color": colours()["line"]},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": "low", "type": "quantitative"},
            "y2": {"field": "high"},
        },
    }
    start = float(table[x].min()) if len(table) else 0.0
    line = _line(table, x, y, ("images that get a verdict", "of those, right"), y_domain=(floor, 1), x_domain=(start, 1))
    nearest = table.iloc[(table["band"] - band).abs().argsort()[:1]]
    at = (float(nearest[x].iloc[0]), float(nearest[y].iloc[0])) if len(nearest) else (None, None)
    chart([ribbon, line, _here(x, y, at)], "Accuracy against coverage as the unsure band widens.")


def class_accuracy(rows: list[dict]) -> None:
    """Accuracy of each class for real and for fake images, with intervals; rows have class, truth, value, low, high."""
    paint = colours()
    colour = {
        "field": "truth",
        "scale": {"domain": ["real", "fake"], "range": [paint["real"], paint["fake"]]},
        "legend": {"orient": "top", "title": None},
    }
    y = {"field": "class", "type": "nominal", "title": None, "sort": None}
    shift = {"field": "truth", "sort": ["real", "fake"]}
    lowest = max(0.0, min((row["low"] for row in rows), default=0) - 0.02)
    scale = {"domain": [lowest, 1], "zero": False}
    layers = [
        {
            "data": values(rows),
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.5},
            "encoding": {
                "y": y, "yOffset": shift, "color": colour,
                "x": {"field": "low", "type": "quantitative", "scale": scale, "axis": _PERCENT, "title": "right verdicts"},
                "x2": {"field": "high"},
            },
        },
        {
            "data": values(rows),
            "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
            "encoding": {
                "y": y, "yOffset": shift, "color": colour,
                "x": {"field": "value", "type": "quantitative"},
                "tooltip": [{"field": "class"}, {"field": "truth"}]
                + [{"field": f, "format": ".1%"} for f in ("value", "low", "high")],
            },
        },
    ]  # fmt: skip
    chart(layers, "Share of right verdicts by class, for real and fake images, with 95 % intervals.", height=330)
