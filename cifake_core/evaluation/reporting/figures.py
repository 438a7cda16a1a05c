"""The figures of a report, each an SVG text that follows the page's light or dark colours. Drawn with matplotlib.

Colours are placeholders here and become CSS variables, so one drawing serves both themes. It reads no file.
"""

import io
import re
from collections.abc import Callable

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from cifake_core.evaluation import curves, transforms
from cifake_core.evaluation.scored import Scored

_INK, _REAL, _FAKE, _MUTED = "#010203", "#010204", "#010205", "#010206"  # replaced, never seen
_VARIABLES = {_INK: "currentColor", _REAL: "var(--real)", _FAKE: "var(--fake)", _MUTED: "var(--muted)"}
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
}


def curve_figures(view: Scored, threshold: float) -> dict[str, str]:
    """{"roc", "precision_recall", "scores", "reliability"} → SVG; the first two empty for a part of one label."""
    probabilities, labels = view.probabilities, view.labels
    both = 0 < labels.sum() < len(labels)
    made = {
        "roc": (lambda axes: _roc(axes, curves.roc(probabilities, labels))) if both else None,
        "precision_recall": (lambda axes: _precision_recall(axes, curves.precision_recall(probabilities, labels))) if both else None,
        "scores": lambda axes: _scores(axes, curves.histogram(probabilities, labels), threshold),
        "reliability": lambda axes: _reliability(axes, curves.reliability(probabilities, labels)),
    }
    return {name: _svg(draw, name) if draw else "" for name, draw in made.items()}


def history_figure(history: list[dict]) -> str:
    """Accuracy on train and validation by epoch."""

    def draw(axes: Axes) -> None:
        epochs = [epoch["epoch"] for epoch in history]
        axes.plot(epochs, [epoch["train_accuracy"] for epoch in history], color=_MUTED, marker="o", ms=3, label="train")
        axes.plot(epochs, [epoch["validation_accuracy"] for epoch in history], color=_INK, marker="o", ms=3, label="validation")
        axes.set(xlabel="epoch", ylabel="accuracy")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()

    return _svg(draw, "history")


def class_figure(by_class: dict[str, dict]) -> str:
    """Accuracy of each class with its interval, best on top."""
    shown = sorted(((name, e) for name, e in by_class.items() if e["value"] is not None), key=lambda item: item[1]["value"])

    def draw(axes: Axes) -> None:
        values = np.array([estimate["value"] for _, estimate in shown])
        ends = np.array([[estimate["low"], estimate["high"]] for _, estimate in shown]).T
        axes.errorbar(values, range(len(shown)), xerr=np.abs(ends - values), fmt="o", color=_INK, ms=4, capsize=2)
        axes.set_yticks(range(len(shown)), [name for name, _ in shown])
        axes.set(xlabel="accuracy")

    return _svg(draw, "classes")


def robustness_figures(study: dict) -> dict[str, str]:
    """One figure a transform: real and fake accuracy apart, AUC dashed, the stored images as a line across."""
    names = dict.fromkeys(row["transform"] for row in study["rows"])
    return {name: _svg(_sweep(study, name), f"robustness-{name}") for name in names}


def spectrum_figure(spectrum: dict) -> str:
    """Mean log power of reals and fakes by frequency, with the spread of the images as a band."""

    def draw(axes: Axes) -> None:
        for word, colour in (("real", _REAL), ("fake", _FAKE)):
            if word in spectrum:
                mean, spread = np.array(spectrum[word]["mean"]), np.array(spectrum[word]["sd"])
                axes.plot(spectrum["cycles"], mean, color=colour, label=word)
                axes.fill_between(spectrum["cycles"], mean - spread, mean + spread, color=colour, alpha=0.15, lw=0)
        axes.set(xlabel="cycles a picture", ylabel=spectrum["unit"])
        axes.legend()

    return _svg(draw, "spectrum")


def _sweep(study: dict, name: str) -> Callable[[Axes], None]:
    rows = sorted((row for row in study["rows"] if row["transform"] == name), key=lambda row: row["strength"])
    transform = transforms.named(name)

    def draw(axes: Axes) -> None:
        at = [row["strength"] for row in rows]
        for word, colour in (("real", _REAL), ("fake", _FAKE)):
            if all(row[word]["value"] is not None for row in rows):
                axes.plot(at, [row[word]["value"] for row in rows], color=colour, marker="o", ms=3, label=f"{word} called {word}")
        axes.plot(at, [row["accuracy"]["value"] for row in rows], color=_INK, marker="o", ms=3, label="accuracy")
        if all(row["auc"]["value"] is not None for row in rows):
            axes.plot(at, [row["auc"]["value"] for row in rows], color=_INK, ls="--", label="AUC")
        axes.axhline(study["baseline"]["accuracy"]["value"], color=_MUTED, lw=1, ls=":", label="accuracy as stored")
        axes.set(title=transform.title, xlabel=transform.unit, ylim=(-0.03, 1.03))
        axes.legend(fontsize=7)

    return draw


def _roc(axes: Axes, table) -> None:
    axes.plot([0, 1], [0, 1], color=_MUTED, lw=1, ls=":")
    axes.plot(table["false_positive_rate"], table["true_positive_rate"], color=_INK)
    axes.set(xlabel="reals called fake", ylabel="fakes called fake")


def _precision_recall(axes: Axes, table) -> None:
    axes.plot(table["recall"], table["precision"], color=_INK)
    axes.set(xlabel="recall", ylabel="precision", ylim=(min(0.5, table["precision"].min()) - 0.02, 1.02))


def _scores(axes: Axes, table, threshold: float) -> None:
    width = table["high"] - table["low"]
    axes.bar(table["low"], table["real"], width, align="edge", color=_REAL, label="real")
    axes.bar(table["low"], -table["fake"], width, align="edge", color=_FAKE, label="fake (downwards)")
    axes.axvline(threshold, color=_INK, lw=1, ls="--")
    axes.axhline(0, color=_MUTED, lw=0.5)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    axes.set(xlabel="probability of fake", ylabel="images")
    axes.legend()


def _reliability(axes: Axes, table) -> None:
    ends = np.abs(table[["low", "high"]].to_numpy(np.float64).T - table["share"].to_numpy(np.float64))
    axes.plot([0, 1], [0, 1], color=_MUTED, lw=1, ls=":")
    axes.errorbar(table["mean_probability"], table["share"], yerr=ends, fmt="o", color=_INK, ms=3, capsize=2)
    axes.set(xlabel="stated probability of fake", ylabel="observed share of fakes")


def _svg(draw: Callable[[Axes], None], name: str) -> str:
    """The drawing as text for an HTML page: no prolog, no metadata, identifiers of its own, themed colours."""
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(4.6, 3.1), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        draw(axes)
        out = io.StringIO()
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    return _for_page(out.getvalue(), name)


def _for_page(text: str, name: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    # several drawings share one page: matplotlib counts its groups anew in each
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    for placeholder, variable in _VARIABLES.items():
        text = text.replace(placeholder, variable)
    return text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
