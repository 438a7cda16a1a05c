"""The grid as a picture: what will be trained, and what came out. Two panels, as in the paper.

It draws what `plan` and `results` know. A heat map alone cannot be clicked, so a nearly invisible
square lies over each cell and carries its name.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from cifake_core.detectors.topology import (
    CHOSEN_EXTRACTOR,
    CONV_LAYERS,
    DENSE_LAYERS,
    EXTRACTOR_FILTERS,
    HEAD_UNITS,
    Topology,
)
from pages.build.training.results import Cell
from pages.shared.palette import colours

if TYPE_CHECKING:
    import plotly.graph_objects as go

CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
_PANELS = (
    ("Feature extractors, each with one dense layer of 64", "filters", EXTRACTOR_FILTERS, "convolution layers", CONV_LAYERS),
    (f"Dense heads on the extractor {CHOSEN_EXTRACTOR.filters}x{CHOSEN_EXTRACTOR.conv_layers}", "dense units", HEAD_UNITS, "dense layers", DENSE_LAYERS),
)  # fmt: skip


def panel_cells(panel: int) -> list[list[str]]:
    """Names of the cells of a panel, a row a number of layers."""
    if panel == 0:
        return [[str(Topology(filters, layers)) for filters in EXTRACTOR_FILTERS] for layers in CONV_LAYERS]
    base = CHOSEN_EXTRACTOR
    return [[str(Topology(base.filters, base.conv_layers, units, layers)) for units in HEAD_UNITS] for layers in DENSE_LAYERS]


def in_picture() -> set[str]:
    return {name for panel in (0, 1) for row in panel_cells(panel) for name in row}


def plan_figure(chosen: Collection[str], trained: Collection[str]) -> "go.Figure":
    """The grid with the chosen cells filled; in each its parameters, on hover its cost beside the smallest cell's."""
    least = min(Topology.parse(name).multiply_adds() for name in in_picture())

    def shade(name: str) -> float:
        return 1.0 if name in chosen else 0.0

    def text(name: str) -> str:
        return short_count(Topology.parse(name).parameters()) + (" ✓" if name in trained else "")

    def hover(name: str) -> str:
        cell = Topology.parse(name)
        known = "trained already, taken as it is" if name in trained else "click to add or remove"
        return (
            f"<b>{name}</b><br>{cell.parameters():,} parameters<br>"
            f"{cell.multiply_adds() / 1e6:.1f} million multiplications an image, {cell.multiply_adds() / least:.0f} × the smallest<br>{known}"
        )

    strong = "#3c8f86" if _dark() else "#2f8279"
    figure = _two_panels(shade, text, hover, height=250)
    figure.update_layout(coloraxis={"colorscale": [[0, _quiet()], [1, strong]], "cmin": 0, "cmax": 1, "showscale": False})
    return figure


def results_figure(cells: dict[str, Cell], measure: str, best: str | None, paper: float | None = None) -> "go.Figure":
    """The grid coloured by a measure: test, validation, duration_s or parameters. `best` is outlined, failures are crosses.

    `paper`: its accuracy, where these are its images; a mark on the colour bar.
    """
    accuracy = measure in ("test", "validation")

    def value(name: str) -> float | None:
        return cells[name].value(measure) if name in cells else None

    def text(name: str) -> str:
        cell = cells.get(name)
        if cell is None:
            return ""
        if cell.value(measure) is None:
            return "✕" if cell.failures else "‖" if cell.stopped else ""
        shown = _shown(cell.value(measure), measure)
        return f"<i>{shown} …</i>" if cell.under_way and not cell.runs else shown + (" ✕" if cell.failures else "")

    def hover(name: str) -> str:
        return "<br>".join(escaped(line) for line in cells[name].lines()) if name in cells else f"<b>{name}</b><br>not trained yet"

    figure = _two_panels(value, text, hover, height=300)
    values = [found for row in (*panel_cells(0), *panel_cells(1)) for name in row if (found := value(name)) is not None]
    figure.update_layout(coloraxis=_accuracy_axis(values, paper) if accuracy and paper is not None else _plain_axis(values, measure))
    if best:
        _outline(figure, best)
    return figure


def clicked_cell(key: str) -> str | None:
    """The cell a click on the figure with that key has just chosen."""
    points = st.session_state[key].selection.points if st.session_state.get(key) else []
    return points[0]["customdata"][0] if points and points[0].get("customdata") else None


def short_count(number: float) -> str:
    """262,433 → "262 k"; 17,000,000 → "17 M"."""
    if number >= 9.95e5:
        return f"{number / 1e6:.1f} M" if number < 9.95e6 else f"{number / 1e6:.0f} M"
    return f"{number / 1e3:.0f} k"


def escaped(text: str) -> str:
    """Plotly reads a few HTML tags; the only ones let through are the <b> we put round a cell's name."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe.replace("&lt;b&gt;", "<b>").replace("&lt;/b&gt;", "</b>")


def _two_panels(value, text, hover, height: int) -> "go.Figure":
    """Heat maps of both panels from three functions of a cell's name, sharing one colour axis."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, column_widths=[0.36, 0.64], horizontal_spacing=0.08, subplot_titles=[panel[0] for panel in _PANELS])
    for panel, (_, x_title, x_values, y_title, y_values) in enumerate(_PANELS):
        names, column = panel_cells(panel), panel + 1
        heat = go.Heatmap(
            z=[[value(name) for name in row] for row in names], text=[[text(name) for name in row] for row in names],
            texttemplate="%{text}", textfont={"size": 13}, coloraxis="coloraxis", xgap=4, ygap=4, hoverinfo="skip",
        )  # fmt: skip
        empty = go.Heatmap(
            z=[[0] * len(x_values)] * len(y_values), colorscale=[[0, _quiet()], [1, _quiet()]], showscale=False, xgap=4, ygap=4, hoverinfo="skip"
        )
        flat = [(x, y, name) for y, row in enumerate(names) for x, name in enumerate(row)]
        figure.add_trace(empty, 1, column)
        figure.add_trace(heat, 1, column)
        figure.add_trace(_targets(flat, hover), 1, column)
        ticks = {"tickmode": "array", "showgrid": False, "zeroline": False, "fixedrange": True}
        figure.update_xaxes(title=x_title, tickvals=list(range(len(x_values))), ticktext=[str(x) for x in x_values], range=[-0.55, len(x_values) - 0.45], row=1, col=column, **ticks)
        figure.update_yaxes(title=y_title, tickvals=list(range(len(y_values))), ticktext=[str(y) for y in y_values], range=[-0.55, len(y_values) - 0.45], row=1, col=column, **ticks)
    figure.update_annotations(font_size=13)
    figure.update_layout(height=height, margin={"l": 10, "r": 10, "t": 32, "b": 10}, showlegend=False, clickmode="event+select", dragmode=False)
    return figure


def _targets(flat: Iterable[tuple[int, int, str]], hover) -> "go.Scatter":
    import plotly.graph_objects as go

    xs, ys, names = zip(*flat, strict=True)
    still = {"marker": {"opacity": 0.01}}
    return go.Scatter(
        x=xs, y=ys, mode="markers", marker={"symbol": "square", "size": 44, "opacity": 0.01, "color": "#888888"},
        customdata=[[name] for name in names], text=[hover(name) for name in names], hovertemplate="%{text}<extra></extra>",
        selected=still, unselected=still,
    )  # fmt: skip


def _outline(figure: "go.Figure", best: str) -> None:
    for panel in (0, 1):
        for y, row in enumerate(panel_cells(panel)):
            for x, name in enumerate(row):
                if name == best:
                    box = {"x0": x - 0.48, "x1": x + 0.48, "y0": y - 0.46, "y1": y + 0.46}
                    figure.add_shape(type="rect", line={"color": colours()["paper"], "width": 4}, row=1, col=panel + 1, **box)


def _accuracy_axis(values: Sequence[float], paper: float) -> dict:
    """Colours of accuracies, with the paper's as a mark on their scale."""
    low, high = min([*values, paper]) - 0.004, max([*values, paper]) + 0.004
    apart = (high - low) / 8  # nearer than that, two labels would lie on one another
    ends = [end for end in (low, high) if abs(end - paper) > apart]
    ticks = [*ends, paper]
    texts = [f"{100 * tick:.1f} %" for tick in ticks[:-1]] + [f"<b>◂ paper {100 * paper:.2f} %</b>"]
    bar = {"tickvals": ticks, "ticktext": texts, "thickness": 14, "outlinewidth": 0, "tickfont": {"size": 12}}
    return {"colorscale": "Cividis", "cmin": low, "cmax": high, "colorbar": bar}


def _plain_axis(values: Sequence[float], measure: str) -> dict:
    low, high = min(values, default=0), max(values, default=1)
    bar = {"tickvals": [low, high], "ticktext": [_shown(low, measure), _shown(high, measure)], "thickness": 14, "outlinewidth": 0}
    return {"colorscale": "Cividis", "cmin": low, "cmax": high, "colorbar": bar}


def _shown(value: float, measure: str) -> str:
    if measure == "parameters":
        return short_count(value)
    if measure == "validation_loss":
        return f"{value:.3f}"
    if measure == "duration_s":
        return f"{value:.0f} s" if value < 600 else f"{value / 60:.0f} min"
    return f"{100 * value:.1f}"


def _quiet() -> str:
    """A cell nothing is known of."""
    return "#232b3a" if _dark() else "#eef1f7"


def _dark() -> bool:
    return st.context.theme.type == "dark"
