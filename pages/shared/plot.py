"""A chart that a page's first view or every step of a slider can afford: a few curves, bars and dots, drawn by a small component.

A chart library cost the browser up to half a second when a page was first opened and a quarter of each step of the
threshold (`benchmarks/RESULTS.md`), so what follows the threshold is drawn here and everything else with Vega-Lite (`vega.py`).
Values become shares of an axis in this module; the browser (plot.js, plot.css) knows no scales. Lines live in a drawing
that is stretched over the chart, words and dots lie over it by per cent, so that neither is distorted at any width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import streamlit as st

HEIGHT = 190

_plot = st.components.v2.component(
    "cifake_plot",
    html='<div class="plot" role="img"></div>',
    css=Path(__file__).with_suffix(".css").read_text(encoding="utf-8"),
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`; values beyond are drawn at the edge. `root`: lengths grow with the square root of a value."""

    low: float
    high: float
    title: str = ""
    ticks: tuple[tuple[float, str], ...] = ()  # value, word
    root: bool = False

    def at(self, values: Sequence[float] | np.ndarray | float) -> list[float | None]:
        """Each value as a share of the axis, 0 to 1; None where there is no value."""
        found = np.atleast_1d(np.asarray(values, np.float64))
        low, high, found = (self._bent(v) for v in (self.low, self.high, found))
        shares = np.clip((found - low) / (high - low or 1.0), 0, 1)
        return [None if math.isnan(share) else round(share, 4) for share in shares.tolist()]

    def _bent(self, values):
        return np.sign(values) * np.sqrt(np.abs(values)) if self.root else values

    def told(self) -> dict:
        ticks = [[*self.at(value), word] for value, word in self.ticks if self.low <= value <= self.high]
        return {"title": self.title, "ticks": ticks}


def percent_axis(low: float, high: float, title: str, about: int = 5) -> Axis:
    """An axis of shares with round ticks in per cent, about so many."""
    step = _round_step((high - low) / about)
    digits = max(0, -math.floor(math.log10(step) + 1e-9) - 2)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(low, high, title, tuple((k * step, f"{100 * k * step:.{digits}f}%") for k in range(first, last + 1)))


def mirrored_axis(up: float, down: float, title: str) -> Axis:
    """Counts upwards to `up` and downwards to `down`, by their square root; ticks are 0 and round counts that do not crowd."""
    kept: list[int] = []
    apart = 0.24 * math.sqrt(max(up, down, 1))
    for count in _round_counts(max(up, down, 1)):
        if math.sqrt(count) > apart and (not kept or math.sqrt(kept[-1]) - math.sqrt(count) > apart):
            kept.append(count)
    counts = sorted([-count for count in kept if count <= down] + [0] + [count for count in kept if count <= up])
    return Axis(-max(down, 1), max(up, 1), title, tuple((count, f"{abs(count):,}") for count in counts), root=True)


def _round_step(least: float) -> float:
    """The next of …, 0.1, 0.2, 0.5, 1, 2, 5, … that is at least so large."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least * (1 - 1e-9))


def _round_counts(most: float) -> list[int]:
    """1, 2, 5, 10, 20, 50, … up to `most`, the largest first."""
    powers = range(int(math.log10(most)) + 1)
    return [digit * 10**power for power in reversed(powers) for digit in (5, 2, 1) if digit * 10**power <= most]


@dataclass
class Plot:
    """Marks over one another in the order they are added; values are those of the axes, colours CSS."""

    x: Axis
    y: Axis
    alt: str
    height: int = HEIGHT
    margin: int = 56  # pixels on the left, for the words there
    legend: tuple[tuple[str, str], ...] = ()  # colour, word
    _marks: list[dict] = field(default_factory=list)
    _tips: dict = field(default_factory=dict)

    def line(self, x: Sequence[float], y: Sequence[float], colour: str, *, width: float = 2, dash: str = "") -> None:
        self._marks.append({"kind": "line", "x": self.x.at(x), "y": self.y.at(y), "colour": colour, "width": width, "dash": dash})

    def rule(self, x: float, colour: str) -> None:
        """A line from bottom to top."""
        self.segments([x], [x], [self.y.low], [self.y.high], colour, width=2)

    def segments(self, x0: Sequence[float], x1: Sequence[float], y0: Sequence[float], y1: Sequence[float], colour: str, *, width: float, opacity: float = 1) -> None:
        """Straight lines from (x0, y0) to (x1, y1): intervals, marks."""
        ends = {"x0": self.x.at(x0), "x1": self.x.at(x1), "y0": self.y.at(y0), "y1": self.y.at(y1)}
        self._marks.append({"kind": "segments", **ends, "colour": colour, "width": width, "opacity": opacity})

    def boxes(self, x0: Sequence[float], x1: Sequence[float], y0: Sequence[float], y1: Sequence[float], colour: str, *, opacity: float = 1) -> None:
        """Filled rectangles: bars, a shaded band."""
        ends = {"x0": self.x.at(x0), "x1": self.x.at(x1), "y0": self.y.at(y0), "y1": self.y.at(y1)}
        self._marks.append({"kind": "boxes", **ends, "colour": colour, "opacity": opacity})

    def ribbon(self, x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str) -> None:
        self._marks.append({"kind": "ribbon", "x": self.x.at(x), "low": self.y.at(low), "high": self.y.at(high), "colour": colour, "opacity": 0.2})

    def dots(self, x: Sequence[float], y: Sequence[float], colour: str, size: int = 10) -> None:
        """`size` in pixels. A dot without a value is not drawn."""
        self._marks.append({"kind": "dots", "x": self.x.at(x), "y": self.y.at(y), "colour": colour, "size": size})

    def tips(self, low: Sequence[float], high: Sequence[float], words: Sequence[str], *, along: str = "x") -> None:
        """What is told while the pointer is between low and high of an axis."""
        axis = self.x if along == "x" else self.y
        self._tips = {"along": along, "low": axis.at(low), "high": axis.at(high), "words": list(words)}

    def show(self, key: str) -> None:
        told = {"alt": self.alt, "height": self.height, "margin": self.margin, "legend": [list(pair) for pair in self.legend]}
        _plot(key=key, data={**told, "x": self.x.told(), "y": self.y.told(), "marks": self._marks, "tips": self._tips}, height=self.height)
