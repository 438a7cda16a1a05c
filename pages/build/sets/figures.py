"""Pictures of what is in an image set. Reals to the left, fakes to the right, as on every sheet of the page."""

from typing import TYPE_CHECKING

from pages.shared.palette import colours

if TYPE_CHECKING:
    import plotly.graph_objects as go

FLAT = {"displayModeBar": False, "scrollZoom": False}  # a calm chart: hover yes, toolbar no


def counts_figure(classes: dict[str, dict[str, dict[str, int]]]) -> "go.Figure":
    """Butterfly bars of {split: {"real" | "fake": {class: n}}}: one panel a split, one row a class."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    tones, splits = colours(), list(classes)
    names = list(dict.fromkeys(name for split in splits for per_class in classes[split].values() for name in per_class))
    figure = make_subplots(1, len(splits), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=splits)
    for column, split in enumerate(splits, start=1):
        most = max((n for per_class in classes[split].values() for n in per_class.values()), default=1)
        for word, sign in (("real", -1), ("fake", 1)):
            counts = [classes[split][word].get(name, 0) for name in names]
            figure.add_trace(
                go.Bar(
                    y=names, x=[sign * n for n in counts], orientation="h", name=word, marker_color=tones[word],
                    text=[f"{n:,}" for n in counts], textposition="auto", insidetextanchor="end", textangle=0, customdata=counts,
                    hovertemplate="%{y}, " + word + ", " + split + ": %{customdata:,}<extra></extra>",
                    showlegend=column == 1, legendgroup=word, insidetextfont_color=tones.get(f"on_{word}"),
                ),
                row=1, col=column,
            )  # fmt: skip
        figure.update_xaxes(range=[-1.12 * most, 1.12 * most], showticklabels=False, showgrid=False, zeroline=False, row=1, col=column)
    figure.update_annotations(font_size=14)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_layout(
        barmode="overlay", bargap=0.22, height=70 + 20 * len(names), margin={"l": 10, "r": 10, "t": 34, "b": 6},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    return figure
