"""Charts of the page Unseen generators as Vega-Lite descriptions. No metric is computed here; a click names what was clicked."""

import streamlit as st

from cifake_core.studies.unseen import published
from pages.shared import palette

FAMILY_COLOURS = ("#2a9d8f", "#c2507a", "#8a6fd1", "#b8860b", "#5b8db8", "#7d8c3c", "#a0522d")  # readable on white and near-black
_ESTIMATE = ("value", "low", "high")
_DASHES = [[1, 0], [7, 3], [2, 3], [7, 3, 2, 3]]  # solid first


def family_colours(families: dict[str, str]) -> dict[str, str]:
    """Family → colour, the same on every chart of a set."""
    names = sorted(set(families.values()))
    return {name: FAMILY_COLOURS[i % len(FAMILY_COLOURS)] for i, name in enumerate(names)}


def _clicked(key: str, field: str) -> str | None:
    """What was clicked in the chart of that key on the last run."""
    event = st.session_state.get(key)
    points = (event or {}).get("selection", {}).get("picked") or []
    return points[0].get(field) if points else None


def _show(spec: dict, key: str, alt: str, height: int) -> None:
    spec = {**spec, "height": height, "config": {"view": {"stroke": None}}}
    st.vega_lite_chart(spec, width="stretch", height=height, alt=alt, key=key, on_select="rerun", selection_mode="picked")


def bars(rows: list[dict], title: str, chance: float | None, key: str) -> str | None:
    """A bar for each generator with its interval, coloured by family; rows: generator, family, n, value, low, high. Gives the clicked one."""
    order = [row["generator"] for row in sorted(rows, key=lambda row: (row["family"], -row["value"]))]
    colours = family_colours({row["generator"]: row["family"] for row in rows})
    y = {"field": "generator", "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 230, "labelOverlap": False}}
    x = {"type": "quantitative", "scale": {"domain": [0, 1]}, "title": title, "axis": {"format": ".1f", "values": [0, 0.2, 0.4, 0.6, 0.8, 1]}}
    tooltip = [{"field": name} for name in ("generator", "family", "n")] + [{"field": name, "format": ".3f"} for name in _ESTIMATE]
    layers = [
        {  # the whole line can be clicked, not only a short bar
            "params": [{"name": "picked", "select": {"type": "point", "fields": ["generator"]}}],
            "mark": {"type": "bar", "opacity": 0, "cursor": "pointer"},
            "encoding": {"y": y, "x": {"datum": 0, **x}, "x2": {"datum": 1}, "tooltip": tooltip},
        },
        {
            "mark": {"type": "bar", "height": {"band": 0.72}, "tooltip": False},
            "encoding": {
                "y": y, "x": {"field": "value", **x},
                "color": {"field": "family", "scale": {"domain": list(colours), "range": list(colours.values())}, "legend": {"orient": "top", "title": None}},
                "opacity": {"condition": {"param": "picked", "value": 0.95}, "value": 0.4},
            },
        },
        {
            "mark": {"type": "rule", "strokeWidth": 2, "color": palette.colours()["muted"]},
            "encoding": {"y": y, "x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}, "tooltip": tooltip},
        },
    ]  # fmt: skip
    if chance is not None:
        rule = {"type": "rule", "strokeDash": [4, 4], "color": palette.colours()["muted"]}
        layers.append({"data": {"values": [{"at": chance}]}, "mark": rule, "encoding": {"x": {"field": "at", "type": "quantitative"}}})
    _show({"data": {"values": rows}, "layer": layers}, key, f"{title} for each of {len(rows)} generators, with 95 % intervals.", 20 * len(rows) + 110)
    return _clicked(key, "generator")


def matrix(rows: list[dict], key: str) -> tuple[str, str] | None:
    """Learned from (down) × judged on (across), coloured by AUC around chance; rows: source, generator, family, n, value, low, high."""
    sources = list(dict.fromkeys(row["source"] for row in rows))
    names = list(dict.fromkeys(row["generator"] for row in rows))
    encoding = {
        "x": {"field": "generator", "type": "nominal", "sort": names, "title": "judged on", "axis": {"labelAngle": -60, "labelLimit": 150, "labelOverlap": False}},
        "y": {"field": "source", "type": "nominal", "sort": sources, "title": "learned from", "axis": {"labelLimit": 200, "labelOverlap": False}},
        "color": {
            "field": "value", "type": "quantitative", "title": "AUC",
            "scale": {"domain": [0, 0.5, 1], "range": ["#7b3294", "#e8e8e8", "#00796b"]}, "legend": {"orient": "top", "gradientLength": 220},
        },
        "tooltip": [{"field": name} for name in ("source", "generator", "family", "n")] + [{"field": name, "format": ".3f"} for name in _ESTIMATE],
    }  # fmt: skip
    params = [{"name": "picked", "select": {"type": "point", "fields": ["source", "generator"]}}]
    spec = {"data": {"values": rows}, "params": params, "mark": {"type": "rect", "cursor": "pointer"}, "encoding": encoding}
    _show(spec, key, f"AUC of detectors of {len(sources)} sources on {len(names)} generators.", max(150, 17 * len(sources)) + 190)
    source, generator = _clicked(key, "source"), _clicked(key, "generator")
    return (source, generator) if source and generator else None


def scaling(points: list[dict], x_title: str, key: str, *, papers: bool = False) -> None:
    """Mean macro AUC over repeats with the spread; rows: series, subsets, x, value, low, high, n. `papers`: the paper's own curve (mAP) beside it.

    Colour tells the series, the dashes how the subsets were drawn.
    """
    x = {"field": "x", "type": "quantitative", "scale": {"type": "log", "base": 2}, "title": x_title, "axis": {"format": ",.0f"}}
    y = {"type": "quantitative", "scale": {"zero": False}, "title": "macro AUC, held-out generators"}
    tooltip = [{"field": "series"}, {"field": "subsets"}, {"field": "x", "title": x_title}, {"field": "n", "title": "repeats"}]
    tooltip += [{"field": name, "format": ".3f"} for name in _ESTIMATE]
    legend = {"orient": "bottom", "direction": "vertical", "title": None, "labelLimit": 480}
    names, ways = ([*dict.fromkeys(point[field] for point in points)] for field in ("series", "subsets"))
    shared = {
        "x": x,
        "color": {"field": "series", "legend": legend, "scale": {"domain": names, "range": [FAMILY_COLOURS[i % len(FAMILY_COLOURS)] for i in range(len(names))]}},
        "strokeDash": {"field": "subsets", "legend": {**legend, "symbolSize": 500} if len(ways) > 1 else None, "scale": {"domain": ways, "range": _DASHES}},
    }  # fmt: skip
    layers = [
        {"mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.35, "strokeDash": [1, 0]}, "encoding": {"x": x, "color": shared["color"], "y": {"field": "low", **y}, "y2": {"field": "high"}}},
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {**shared, "y": {"field": "value", **y}}},
        {"mark": {"type": "point", "size": 50, "filled": True, "opacity": 1}, "encoding": {"x": x, "color": shared["color"], "detail": {"field": "subsets"}, "y": {"field": "value", **y}, "tooltip": tooltip}},
    ]  # fmt: skip
    if papers:
        rows = [{"x": k, "value": value, "paper": f"the paper: {name} (mAP)"} for name, curve in published.SCALING.items() for k, value in curve.items()]
        paint = palette.colours()["paper"]
        encoding = {"x": x, "y": {"field": "value", **y}, "detail": {"field": "paper"}, "tooltip": [{"field": "paper"}, {"field": "x"}, {"field": "value"}]}
        layers.append({"data": {"values": rows}, "mark": {"type": "line", "strokeDash": [5, 4], "color": paint, "opacity": 0.8, "point": {"color": paint, "size": 25}}, "encoding": encoding})
    height = 330 + 22 * (len(names) + (len(ways) if len(ways) > 1 else 0))  # Streamlit's height holds the legends too
    spec = {"data": {"values": points}, "layer": layers, "height": height, "config": {"view": {"stroke": None}}}
    st.vega_lite_chart(spec, width="stretch", height=height, alt="Macro AUC on held-out generators, rising or not, with the spread over random subsets.", key=key)


def ranges(rows: list[dict], key: str, alt: str) -> None:
    """A dot and its range in each line, guessing as a dashed line; rows: name, kind, value, low, high."""
    order, kinds = [row["name"] for row in rows], [*dict.fromkeys(row["kind"] for row in rows)]
    y = {"field": "name", "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 520, "labelOverlap": False}}
    x = {"type": "quantitative", "scale": {"domain": [min(0.45, *(row["low"] for row in rows)), 1], "nice": False}, "title": "macro AUC", "axis": {"format": ".2f"}}
    colour = {
        "field": "kind", "scale": {"domain": kinds, "range": list(FAMILY_COLOURS[: len(kinds)])},
        "legend": {"orient": "top", "title": None, "labelLimit": 400} if len(kinds) > 1 else None,
    }  # fmt: skip
    muted = palette.colours()["muted"]
    tooltip = [{"field": "name"}, {"field": "kind"}, *({"field": name, "format": ".3f"} for name in _ESTIMATE)]
    layers = [
        {"data": {"values": [{"at": 0.5}]}, "mark": {"type": "rule", "strokeDash": [4, 4], "color": muted}, "encoding": {"x": {"field": "at", **x}}},
        {"mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.5}, "encoding": {"y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}, "color": colour}},
        {"mark": {"type": "point", "size": 80, "filled": True, "opacity": 1}, "encoding": {"y": y, "x": {"field": "value", **x}, "color": colour, "tooltip": tooltip}},
    ]  # fmt: skip
    height = 30 * len(rows) + (90 if len(kinds) > 1 else 60)
    spec = {"data": {"values": rows}, "layer": layers, "height": height, "config": {"view": {"stroke": None}}}
    st.vega_lite_chart(spec, width="stretch", height=height, alt=alt, key=key)
