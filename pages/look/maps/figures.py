"""The charts of the Grad-CAM page as Vega-Lite descriptions: small tables in, a chart out. No measure is computed here."""

import streamlit as st

from pages.shared.vega import colours

_STEP = {"type": "quantitative", "axis": {"format": ".0%"}, "scale": {"domain": [0, 1]}}


def _chart(spec: dict, alt: str, height: int) -> None:
    st.vega_lite_chart({"config": {"view": {"stroke": None}}, **spec}, width="stretch", height=height, alt=alt)


def faithfulness_curves(found: dict) -> None:
    """Deletion and insertion side by side; name of a map → something with `.deletion` and `.insertion` (k,)."""
    rows = [
        {"kind": kind, "map": name, "share": step / (len(curve) - 1), "probability": float(value)}
        for name, curves in found.items()
        for kind, curve in (("deletion: lower is better", curves.deletion), ("insertion: higher is better", curves.insertion))
        for step, value in enumerate(curve)
    ]
    curve_chart(rows, list(found))


def curve_chart(rows: list[dict], names: list[str], height: int = 150) -> None:
    """rows: kind, map, share, probability. One panel a kind, one line a map; RandomCAM is grey and dashed."""
    paint = colours()
    others = [name for name in names if name != "RandomCAM"]
    palette = [paint["line"], paint["fake"], paint["paper"], "#c2457b", paint["real"], "#4d9a3a", "#b8860b", "#6b6bd6", "#8c564b", "#e377c2"]
    domain = [*others, *(["RandomCAM"] if "RandomCAM" in names else [])]
    spread = [palette[i % len(palette)] for i in range(len(others))] + [paint["muted"]]
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    panels = [
        {
            "data": {"values": [row for row in rows if row["kind"] == kind]},
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {
                "x": {"field": "share", "title": "share of the pixels", **_STEP},
                "y": {"field": "probability", "title": "probability of the verdict", **_STEP},
                "color": {
                    "field": "map", "scale": {"domain": domain, "range": spread[: len(domain)]},
                    "legend": {"orient": "bottom", "title": None, "columns": 2, "labelLimit": 150, "labelFontSize": 11, "columnPadding": 8},
                },
                "strokeDash": {
                    "condition": {"test": "datum.map === 'RandomCAM'", "value": [4, 3]}, "value": [1, 0],
                },
                "tooltip": [{"field": "map"}, {"field": "share", "format": ".0%"}, {"field": "probability", "format": ".1%"}],
            },
        }
        for kind in kinds
    ]  # fmt: skip
    for kind, panel, column in zip(kinds, panels, st.columns(len(kinds)) if len(kinds) > 1 else [st.container()], strict=True):
        with column, st.container(gap="xsmall"):
            st.caption(kind)
            _chart(panel, f"Curves of {kind}.", height + 90 + 18 * -(-len(names) // 2))


def intervals(
    rows: list[dict], title: str, alt: str, *, form: str = ".1%", zero: bool = False, second: str | None = None, colour: str = "line"
) -> None:
    """Numbers as dots with their intervals as lines: rows have name, value, low, high and perhaps `series`.

    `second`: the field of a mark to compare each with, drawn as a tick. `zero`: a line where nothing differs.
    """
    paint = colours()
    order = list(dict.fromkeys(row["name"] for row in rows))
    series = list(dict.fromkeys(row.get("series", "") for row in rows))
    tones = {"entity": paint["line"], "background": paint["paper"], "everywhere": paint["muted"], "real": paint["real"], "fake": paint["fake"]}
    spread = [paint["line"], paint["paper"], paint["fake"], paint["real"], paint["muted"]]
    encode = {"field": "series", "scale": {"domain": series, "range": [tones.get(name, spread[i % 5]) for i, name in enumerate(series)]}}
    colouring = {**encode, "legend": {"orient": "top", "title": None}} if len(series) > 1 else {"value": paint[colour]}
    y = {"field": "name", "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 320, "grid": True}}
    shift = {"yOffset": {"field": "series", "sort": series}} if len(series) > 1 else {}
    x = {"type": "quantitative", "axis": {"format": form}, "title": title, "scale": {"zero": zero, "nice": True}}
    tips = [{"field": "name"}, *([{"field": "series"}] if len(series) > 1 else []), *({"field": f, "format": form} for f in ("value", "low", "high")), {"field": "n", "format": ","}]
    data = {"values": [row for row in rows if row["value"] is not None]}
    layers = [
        {"data": data, "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.55}, "encoding": {"y": y, **shift, "x": {"field": "low", **x}, "x2": {"field": "high"}, "color": colouring}},
        {"data": data, "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1}, "encoding": {"y": y, **shift, "x": {"field": "value", **x}, "color": colouring, "tooltip": tips}},
    ]
    if second:
        tick = {"type": "tick", "thickness": 3, "size": 18, "color": paint["threshold"]}
        layers.append({"data": data, "mark": tick, "encoding": {"y": y, "x": {"field": second, **x}, "tooltip": [{"field": second, "format": form}]}})
    if zero:
        rule = {"type": "rule", "strokeDash": [4, 4], "color": paint["muted"]}
        layers.insert(0, {"data": {"values": [{"at": 0}]}, "mark": rule, "encoding": {"x": {"field": "at", "type": "quantitative"}}})
    _chart({"layer": layers}, alt, (24 * len(series) + 10 if len(series) > 1 else 32) * len(order) + 80)


def trajectory(rows: list[dict], epoch: int) -> None:
    """Probability of fake of one image after each epoch; rows: epoch, probability."""
    paint = colours()
    x = {"field": "epoch", "type": "quantitative", "title": "epoch", "axis": {"tickMinStep": 1, "format": "d"}}
    y = {"field": "probability", "title": "probability of fake", **_STEP}
    here = [row for row in rows if row["epoch"] == epoch]
    layers = [
        {"data": {"values": [{"at": 0.5}]}, "mark": {"type": "rule", "strokeDash": [4, 4], "color": paint["muted"]}, "encoding": {"y": {"field": "at", "type": "quantitative"}}},
        {"data": {"values": rows}, "mark": {"type": "line", "point": True, "color": paint["line"]}, "encoding": {"x": x, "y": y, "tooltip": [{"field": "epoch"}, {"field": "probability", "format": ".1%"}]}},
        {"data": {"values": here}, "mark": {"type": "point", "filled": True, "size": 130, "color": paint["threshold"]}, "encoding": {"x": x, "y": y}},
    ]
    _chart({"layer": layers}, f"Probability of fake after each epoch; epoch {epoch} is marked.", 190)
