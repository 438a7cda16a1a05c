"""What the dashboards' charts are made of, as Vega-Lite descriptions: a chart, its data, colours, lines, marks on them.

Plain dictionaries rather than a chart library: a step of the threshold slider redraws several, and building them is then
next to free. It does not know what is drawn.
"""

import pandas as pd
import pyarrow as pa
import streamlit as st

from pages.shared import palette

PERCENT = {"format": ".0%"}
HEIGHT = 190
_LAYER = "layer of the chart"


def colours() -> dict[str, str]:
    """The palette's roles, and those only charts have: a line that is neither real nor fake, and the threshold."""
    dark = st.context.theme.type == "dark"
    return palette.colours() | {
        "line": "#6fc6c8" if dark else "#2f7f81",
        "threshold": "#e6eaf2" if dark else "#1b2333",
    }


def chart(layers: list[dict], alt: str, *, height: int = HEIGHT, **top) -> None:
    """Layers drawn over one another. Their data travel beside the description: where only they change, nothing is built anew."""
    parts = [_part(layer["data"]["values"], number) for number, layer in enumerate(layers)]
    drawn = [
        {**{key: value for key, value in layer.items() if key != "data"}, "transform": [_only(number), *layer.get("transform", [])]}
        for number, layer in enumerate(layers)
    ]
    spec = {"layer": drawn, "height": height, "config": {"view": {"stroke": None}}, **top}
    st.vega_lite_chart(pa.concat_tables(parts, promote_options="permissive"), spec, width="stretch", height=height, alt=alt)


def _part(rows: pd.DataFrame | list[dict], number: int) -> pa.Table:
    """A layer's rows as Arrow, the form in which they travel."""
    if isinstance(rows, list):
        names = dict.fromkeys(name for row in rows for name in row)  # not every row has every value
        table = pa.table({name: [row.get(name) for row in rows] for name in names})
    else:
        table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata()
    return table.append_column(_LAYER, pa.repeat(number, table.num_rows)) if table.num_rows else table


def _only(number: int) -> dict:
    return {"filter": f"datum['{_LAYER}'] === {number}"}


def values(table: pd.DataFrame | list[dict]) -> dict:
    return {"values": table}


def line(table: pd.DataFrame, x: str, y: str, titles: tuple[str, str], *, y_domain=(0, 1), x_domain=(0, 1)) -> dict:
    return {
        "data": values(table),
        "mark": {"type": "line", "color": colours()["line"], "strokeWidth": 2, "interpolate": "linear"},
        "encoding": {
            "x": {"field": x, "type": "quantitative", "title": titles[0], "axis": PERCENT, "scale": {"domain": list(x_domain)}},
            "y": {
                "field": y, "type": "quantitative", "title": titles[1], "axis": PERCENT,
                "scale": {"domain": list(y_domain), "zero": False, "clamp": True},
            },
            "order": {"value": 0},
        },
    }  # fmt: skip


def diagonal(x: str, y: str) -> dict:
    return {
        "data": values([{x: 0, y: 0}, {x: 1, y: 1}]),
        "mark": {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1, "color": colours()["muted"]},
        "encoding": {"x": {"field": x, "type": "quantitative"}, "y": {"field": y, "type": "quantitative"}},
    }
