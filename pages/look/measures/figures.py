"""The charts of Metrics beside those that follow the threshold: numbers with intervals, reliability. Small tables in, a chart out.

No metric is computed here. Each chart says in its alt text what it shows.
"""

import pandas as pd

from pages.shared.vega import chart, colours, diagonal, line, values


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
