"""The charts of Metrics: scores, ROC, precision–recall, reliability, coverage, numbers with intervals. Small tables in, a chart out.

No metric is computed here. Each chart says in its alt text what it shows.
"""

import pandas as pd

from pages.shared.vega import PERCENT, chart, colours, diagonal, here, line, rule, shade, values


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
                "x": {"field": "low", **x, "bin": {"binned": True}, "axis": {**PERCENT, "grid": False}},
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
        rule("x", threshold),
    ]
    if band:
        layers.insert(0, shade(max(0.0, threshold - band), min(1.0, threshold + band)))
    chart(layers, f"Scores of real images above and of fake images below the line; the threshold stands at {threshold:.3f}.", height=240)


def roc(curve: pd.DataFrame, at: tuple[float | None, float | None]) -> None:
    """Fakes found against reals accused; `at` is (false-positive rate, true-positive rate) of the threshold."""
    x, y = "false_positive_rate", "true_positive_rate"
    layers = [diagonal(x, y), line(curve, x, y, ("reals called fake", "fakes found")), here(x, y, at)]
    chart(layers, "ROC curve with the threshold's place on it.")


def precision_recall(curve: pd.DataFrame, at: tuple[float | None, float | None]) -> None:
    """Precision against recall; `at` is (recall, precision) of the threshold."""
    layers = [
        line(curve, "recall", "precision", ("fakes found (recall)", "precision"), y_domain=(0.4, 1)),
        here("recall", "precision", at),
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
    through = line(bins, x, y, ("stated probability of fake", "observed share of fakes"))
    chart([diagonal(x, y), interval, through, dots], "Reliability diagram: observed share of fakes by stated probability.")


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
    through = line(table, x, y, ("images that get a verdict", "of those, right"), y_domain=(floor, 1), x_domain=(start, 1))
    nearest = table.iloc[(table["band"] - band).abs().argsort()[:1]]
    at = (float(nearest[x].iloc[0]), float(nearest[y].iloc[0])) if len(nearest) else (None, None)
    chart([ribbon, through, here(x, y, at)], "Accuracy against coverage as the unsure band widens.")


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
                "x": {"field": "low", "type": "quantitative", "scale": scale, "axis": PERCENT, "title": "right verdicts"},
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
