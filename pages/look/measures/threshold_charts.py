"""The charts that follow the threshold: scores, ROC, precision–recall, classes, coverage. Small tables in, a chart out.

No metric is computed here. Each chart says in its alt text what it shows, with the figures one would read off it.
"""

import numpy as np
import pandas as pd

from pages.shared.plot import Axis, Plot, mirrored_axis, percent_axis
from pages.shared.vega import colours

At = tuple[float | None, float | None]


def score_histogram(bins: pd.DataFrame, threshold: float, band: float = 0.0) -> None:
    """Reals upwards, fakes downwards, by probability of fake; the threshold as a line, the unsure band shaded."""
    paint = colours()
    low, high, real, fake = (bins[name].to_numpy() for name in ("low", "high", "real", "fake"))
    plot = Plot(
        percent_axis(0, 1, "probability of fake"),
        mirrored_axis(real.max(initial=0), fake.max(initial=0), "images"),
        f"Scores of {real.sum():,.0f} real images above and of {fake.sum():,.0f} fake images below the line; half of the reals lie "
        f"{_half(low, high, real)}, half of the fakes {_half(low, high, fake)}; the threshold stands at {threshold:.3f}.",
        height=240,
        margin=66,
        legend=((paint["real"], "real"), (paint["fake"], "fake")),
    )
    if band:
        edges = max(0.0, threshold - band), min(1.0, threshold + band)
        plot.boxes(edges[:1], edges[1:], [plot.y.low], [plot.y.high], paint["muted"], opacity=0.18)
    gap, zero = 0.06 * (high - low), np.zeros(len(bins))
    plot.boxes(low + gap, high - gap, zero, real, paint["real"])
    plot.boxes(low + gap, high - gap, zero, -fake, paint["fake"])
    plot.rule(threshold, paint["threshold"])
    plot.tips(low, high, [f"{100 * b.low:.1f} – {100 * b.high:.1f} %\n{b.real:,.0f} real\n{b.fake:,.0f} fake" for b in bins.itertuples()])
    plot.show("plot_scores")


def roc(curve: pd.DataFrame, at: At) -> None:
    """Fakes found against reals accused; `at` is (false-positive rate, true-positive rate) of the threshold."""
    x, y = curve["false_positive_rate"].to_numpy(), curve["true_positive_rate"].to_numpy()
    plot = Plot(
        percent_axis(0, 1, "reals called fake"), percent_axis(0, 1, "fakes found"),
        f"ROC curve with the threshold's place on it: {_share(at[0])} of reals called fake, {_share(at[1])} of fakes found.",
    )  # fmt: skip
    plot.line([0, 1], [0, 1], colours()["muted"], width=1, dash="4 4")
    _curve_with_place(plot, x, y, at, ("reals called fake", "fakes found"))
    plot.show("plot_roc")


def precision_recall(curve: pd.DataFrame, at: At) -> None:
    """Precision against recall; `at` is (recall, precision) of the threshold."""
    x, y = curve["recall"].to_numpy(), curve["precision"].to_numpy()
    plot = Plot(
        percent_axis(0, 1, "fakes found (recall)"), percent_axis(0.4, 1, "precision"),
        f"Precision–recall curve with the threshold's place on it: recall {_share(at[0])}, precision {_share(at[1])}.",
    )  # fmt: skip
    _curve_with_place(plot, x, y, at, ("fakes found", "precision"))
    plot.show("plot_precision_recall")


def class_accuracy(rows: list[dict]) -> None:
    """Accuracy of each class for real and for fake images, with intervals; rows have class, truth, value, low, high."""
    paint, names = colours(), list(dict.fromkeys(row["class"] for row in rows))
    floor = max(0.0, min((row["low"] for row in rows), default=0) - 0.02)
    ticks = tuple((-float(number), name) for number, name in enumerate(names))
    plot = Plot(
        percent_axis(floor, 1, "right verdicts", about=4),
        Axis(-len(names) + 0.4, 0.6, ticks=ticks),
        "Share of right verdicts by class, for real and fake images, with 95 % intervals" + _extremes(rows) + ".",
        height=330,
        margin=88,
        legend=((paint["real"], "real"), (paint["fake"], "fake")),
    )
    for truth, shift in (("real", 0.17), ("fake", -0.17)):
        found = [row for row in rows if row["truth"] == truth]
        places = [shift - names.index(row["class"]) for row in found]
        low, high, value = ([row[name] for row in found] for name in ("low", "high", "value"))
        plot.segments(low, high, places, places, paint[truth], width=3, opacity=0.5)
        plot.dots(value, places, paint[truth], size=8)
    words = ["\n".join([name, *(_told(row) for row in rows if row["class"] == name)]) for name in names]
    plot.tips([-number - 0.5 for number in range(len(names))], [0.5 - number for number in range(len(names))], words, along="y")
    plot.show("plot_classes")


def coverage(table: pd.DataFrame, band: float) -> None:
    """Accuracy of the images that get a verdict against their share, with its interval; the chosen band as a dot."""
    nearest = table.iloc[(table["band"] - band).abs().argsort()[:1]].dropna(subset=["accuracy"])
    table = table.dropna(subset=["accuracy"])
    x, y = table["coverage"].to_numpy(), table["accuracy"].to_numpy()
    floor = max(0.0, float(table["low"].min()) - 0.01) if len(table) else 0.0
    start = float(x.min()) if len(table) else 0.0
    at = (float(nearest["coverage"].iloc[0]), float(nearest["accuracy"].iloc[0])) if len(nearest) else (None, None)
    plot = Plot(
        percent_axis(min(start, 0.99), 1, "images that get a verdict"), percent_axis(min(floor, 0.99), 1, "of those, right"),
        f"Accuracy against coverage as the unsure band widens; with this band {_share(at[0])} get a verdict, {_share(at[1])} of those are right.",
    )  # fmt: skip
    plot.ribbon(x, table["low"].to_numpy(), table["high"].to_numpy(), colours()["line"])
    _curve_with_place(plot, x, y, at, ("get a verdict", "of those, right"))
    plot.show("plot_coverage")


def _curve_with_place(plot: Plot, x: np.ndarray, y: np.ndarray, at: At, words: tuple[str, str]) -> None:
    """The curve, the threshold's place on it as a dot, and both values under the pointer."""
    plot.line(x, y, colours()["line"])
    if None not in at:
        plot.dots([at[0]], [at[1]], colours()["threshold"])
    if len(x):
        places, which = np.unique(x, return_inverse=True)  # where the curve is upright, one place has many heights
        lowest, highest = np.full(len(places), np.inf), np.full(len(places), -np.inf)
        np.minimum.at(lowest, which, y)
        np.maximum.at(highest, which, y)
        edges = np.concatenate([[plot.x.low], (places[1:] + places[:-1]) / 2, [plot.x.high]])
        texts = [f"{_share(place)} {words[0]}\n{_span(*heights)} {words[1]}" for place, *heights in zip(places, lowest, highest, strict=True)]
        plot.tips(edges[:-1], edges[1:], texts)


def _span(low: float, high: float) -> str:
    return _share(low) if high - low < 5e-5 else f"{100 * low:.2f} – {_share(high)}"


def _half(low: np.ndarray, high: np.ndarray, counts: np.ndarray) -> str:
    """Where the middle one of the counted images lies, to the width of a bar."""
    if not counts.sum():
        return "nowhere"
    middle = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    return f"below {100 * high[middle]:.1f} %" if high[middle] <= 0.5 else f"above {100 * low[middle]:.1f} %"


def _extremes(rows: list[dict]) -> str:
    if not rows:
        return ""
    worst, best = (pick(rows, key=lambda row: row["value"]) for pick in (min, max))
    return "; " + ", ".join(f"{word} {row['truth']} {row['class']}: {_share(row['value'])}" for word, row in (("lowest", worst), ("highest", best)))


def _share(value: float | None) -> str:
    return "an undefined share" if value is None else f"{100 * value:.2f} %"


def _told(row: dict) -> str:
    return f"{row['truth']}: {100 * row['value']:.1f} % right ({100 * row['low']:.1f} – {100 * row['high']:.1f})"
