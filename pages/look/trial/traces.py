"""The probability of fake along every slider of the workbench, all others as they stand: where the verdict flips."""

import numpy as np
import streamlit as st

from pages.look.trial.asking import Question
from pages.shared import cached
from pages.shared.guard import literal
from pages.shared.palette import colours


def traces(asked: Question, seen: np.ndarray, wanted, mask: np.ndarray) -> None:
    """The probability along every slider, with a dot where it stands: where the line crosses one half, the verdict flips."""
    from cifake_core.explanations import altering

    image = np.ascontiguousarray(seen.transpose(2, 0, 1))
    found = altering.traces(cached.detector_of(asked.run), image, wanted, mask, asked.calibrator)
    titles = [t.control.title for t in found]
    st.vega_lite_chart(
        {
            "data": {"values": _points(found)}, "facet": {"field": "slider", "sort": titles, "title": None}, "columns": 3,
            "spec": {"layer": _layers(), "width": 230, "height": 110}, "resolve": {"scale": {"x": "independent"}},
        },
        alt="Probability of fake along each slider: " + ", ".join(f"{t.control.title} {t.probabilities.min():.0%} to {t.probabilities.max():.0%}" for t in found),
    )  # fmt: skip
    st.caption(f"The probability along each slider, all others as they stand (the upright line). {_flips(found)}")


def _points(found: list) -> list[dict]:
    """The points of all lines, and one without a probability where each slider stands."""
    pairs = [(t.control.title, v, p) for t in found for v, p in zip(t.values, t.probabilities, strict=True)]
    here = [{"slider": t.control.title, "value": float(t.here)} for t in found]
    return [{"slider": title, "value": float(value), "fake": float(share)} for title, value, share in pairs] + here


def _layers() -> list[dict]:
    paint = colours()
    x = {"field": "value", "type": "quantitative", "title": None, "axis": {"grid": False, "tickCount": 4}}
    y = {
        "field": "fake",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "title": "probability of fake",
        "axis": {"format": ".0%", "tickCount": 3},
    }
    side = {"condition": {"test": "datum.fake >= 0.5", "value": paint["fake"]}, "value": paint["real"]}
    tooltip = [{"field": "value", "format": ".3~g"}, {"field": "fake", "format": ".1%"}]
    there, not_there = ([{"filter": f"{no}isValid(datum.fake)"}] for no in ("", "!"))
    dots = {"type": "point", "filled": True, "size": 36, "opacity": 1}
    return [
        {"mark": {"type": "rule", "strokeDash": [4, 4], "color": paint["muted"]}, "encoding": {"y": {"datum": 0.5}}},
        {
            "transform": not_there,
            "mark": {"type": "rule", "color": paint["muted"], "strokeWidth": 2},
            "encoding": {"x": x},
        },
        {"transform": there, "mark": {"type": "line", "color": paint["muted"]}, "encoding": {"x": x, "y": y}},
        {"transform": there, "mark": dots, "encoding": {"x": x, "y": y, "color": side, "tooltip": tooltip}},
    ]


def _flips(found: list) -> str:
    flips = [t.control.title for t in found if len({p >= 0.5 for p in t.probabilities}) > 1]
    return (
        f"The verdict flips somewhere along: {literal(', '.join(flips))}."
        if flips
        else "No slider alone flips the verdict."
    )
