"""How trainings went, epoch by epoch, as one figure: validation and train, a colour a run, beside the paper's best."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pages.build.training.figures import escaped
from pages.shared.palette import colours

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LINES = ("#3b8a8c", "#8a6d1d", "#4d7c3a", "#a23b72", "#5b6ee1", "#c0562f", "#6b7280", "#2f6f9f")


def curves_figure(histories: dict[str, list[dict]], quantity: str, smooth: float = 0.0, log_scale: bool = False, paper: float | None = None) -> "go.Figure":
    """Validation (solid) and train (dotted) accuracy or loss by epoch, a colour a run; `paper`, its accuracy, as a line.

    On a logarithmic scale accuracy is shown as the share of errors, which is what falls by ratios.
    """
    import plotly.graph_objects as go

    figure, errors = go.Figure(), quantity == "accuracy" and log_scale
    scale = 100 if quantity == "accuracy" else 1
    for number, (name, history) in enumerate(histories.items()):
        epochs, tone = [epoch["epoch"] for epoch in history], _LINES[number % len(_LINES)]
        for split, dash in (("validation", "solid"), ("train", "dot")):
            raw = [scale * (1 - epoch[f"{split}_accuracy"] if errors else epoch[f"{split}_{quantity}"]) for epoch in history]
            main = split == "validation"
            if smooth and main:
                figure.add_scatter(
                    x=epochs, y=raw, mode="lines", legendgroup=name, showlegend=False, opacity=0.35, hoverinfo="skip", line={"color": tone, "width": 1}
                )
            figure.add_scatter(
                x=epochs, y=smoothed(raw, smooth), mode="lines+markers", name=name, legendgroup=name, showlegend=main,
                line={"color": tone, "dash": dash, "width": 2 if main else 1}, marker={"size": 5 if main else 1},
                hovertemplate=f"{escaped(name)}<br>epoch %{{x}}, {split} %{{y:.4g}}<extra></extra>",
            )  # fmt: skip
    if quantity == "accuracy" and paper is not None:
        figure.add_hline(
            100 * (1 - paper if errors else paper), line={"color": colours()["paper"], "dash": "dash", "width": 1.5},
            annotation_text=f"the paper's best, {100 * paper:.2f} % (test)", annotation_font_color=colours()["paper"], annotation_position="top left",
        )  # fmt: skip
    title = "errors, %" if errors else {"accuracy": "accuracy, %", "loss": "loss, nats"}[quantity]
    figure.update_layout(
        height=340, margin={"l": 10, "r": 10, "t": 10, "b": 10}, uirevision="curves", hovermode="closest",
        xaxis={"title": "epoch", "dtick": 1 if max((len(h) for h in histories.values()), default=1) <= 20 else None},
        yaxis={"title": title, "type": "log" if log_scale else "linear"},
    )  # fmt: skip
    return figure


def smoothed(values: Sequence[float], kept: float) -> list[float]:
    """Exponential moving average: each value keeps that share of the past; the first is itself."""
    found: list[float] = []
    for value in values:
        found.append(kept * found[-1] + (1 - kept) * value if found else value)
    return found
