"""What the logit goes with: rank correlations with image measures as bars with intervals, over all images and within each label."""

import pandas as pd
import streamlit as st

from cifake_core.images.image_set import Part
from pages.shared.palette import colours


def bars(result: dict, _part: Part) -> None:
    """One line a measure; the dots among reals and among fakes say what is left once real and fake are held apart."""
    paint = colours()
    rows = [
        {"measure": row["measure"], "meaning": row["meaning"], "among": group, **row[group]}
        for row in result["correlations"]
        for group in ("all", "real", "fake")
        if row[group]["value"] is not None
    ]
    order = sorted(result["correlations"], key=lambda row: -abs(row["all"]["value"] or 0))
    colour = {
        "field": "among",
        "scale": {"domain": ["all", "real", "fake"], "range": [paint["muted"], paint["real"], paint["fake"]]},
        "legend": {
            "orient": "top",
            "title": None,
            "labelExpr": "{all: 'all images', real: 'reals only', fake: 'fakes only'}[datum.label]",
        },
    }
    y = {
        "field": "measure",
        "type": "nominal",
        "sort": [row["measure"] for row in order],
        "title": None,
        "axis": {"labelLimit": 160},
    }
    apart = {"field": "among", "sort": ["all", "real", "fake"]}
    x = {
        "field": "value",
        "type": "quantitative",
        "title": "rank correlation with the logit for fake",
        "scale": {"domain": [-1, 1]},
    }
    tooltip = [
        {"field": "measure"},
        {"field": "among"},
        *({"field": f, "format": "+.3f"} for f in ("value", "low", "high")),
        {"field": "meaning"},
    ]
    spec = {
        "data": {"values": rows},
        "height": 38 * len(order),
        "layer": [
            {"mark": "bar", "encoding": {"y": y, "yOffset": apart, "x": x, "color": colour, "tooltip": tooltip}},
            {
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {
                    "y": y,
                    "yOffset": apart,
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                },
            },
        ],
        "config": {"rule": {"color": "#000" if st.context.theme.type != "dark" else "#fff"}},
    }
    words = "; ".join(
        f"{row['measure']} {row['all']['value']:+.2f}" for row in order if row["all"]["value"] is not None
    )
    st.vega_lite_chart(
        spec,
        width="stretch",
        height=38 * len(order) + 90,
        alt=f"Rank correlation of the logit with each measure: {words}",
    )
    st.caption(
        f"Spearman's ρ over {result['n']:,} images, lines: 95 % bootstrap intervals. Right of the middle: more of it goes with fake. The gray bar is over "
        "both labels, so it also shows how fakes differ from reals; the coloured ones are within one label. To test a cause, turn the slider on Try an image."
    )
    with st.expander("As a table, with what each measure is", icon=":material/table:"):
        st.dataframe(pd.DataFrame([_line(row) for row in order]), hide_index=True, width="stretch")


def _line(row: dict) -> dict:
    cells = {
        word: _cell(row[key]) for word, key in (("all images", "all"), ("reals only", "real"), ("fakes only", "fake"))
    }
    return {"measure": row["measure"], **cells, "what it is": row["meaning"]}


def _cell(estimate: dict) -> str:
    if estimate["value"] is None:
        return "–"
    return f"{estimate['value']:+.2f} ({estimate['low']:+.2f} to {estimate['high']:+.2f})"
