"""What a training of a generator tells while it goes on: progress, loss curves, and sheets of samples that get better.

It does not know how the training goes.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cifake_core.generators import sheets
from cifake_core.generators.catalogue import CURVE
from cifake_core.generators.fitting import Training
from cifake_core.step import Context
from cifake_core.store import artifacts

SHEET_EVERY_S = 20.0  # a sheet costs about two seconds


@dataclass
class Report:
    """Turns the state of a fit into progress, and every tenth of it into a loss curve and (not too often) a sheet of samples."""

    folder: Path  # of the unfinished training
    context: Context
    chapter: str
    begins: float  # share of the whole training that lies before this chapter
    share: float
    batch: int
    draw: Callable | None = None  # the averaged model → a sheet of samples
    shown: int = -1
    sheet_at: float = -math.inf

    def __call__(self, state: Training) -> None:
        tenth = int(state.share * 10)
        if tenth != self.shown:
            self.shown = tenth
            self._show(state, tenth)
        loss = state.curve[-1]["loss"] if state.curve else 0.0
        speed = state.step * self.batch / max(state.elapsed_s, 1e-9)
        done = int(1000 * (self.begins + self.share * state.share))
        message = f"{self.chapter}, step {state.step}, loss {loss:.4f}, {speed:.0f} images/s"
        self.context.on_progress(done, 1000, message)

    def _show(self, state: Training, tenth: int) -> None:
        folders = [folder for folder in (self.folder, self.context.scratch) if folder]
        for folder in folders:
            artifacts.write_json(folder / f"{self.chapter}-{CURVE}", {"curve": thinned(state.curve)})
        if self.draw is not None and tenth and time.monotonic() - self.sheet_at > SHEET_EVERY_S:
            self.sheet_at = time.monotonic()
            sheet = self.draw(state.average)
            for folder in folders:
                sheets.write_sheet(folder / f"samples-{tenth:02d}.png", sheet, columns=8)


def thinned(curve: list[dict], points: int = 400) -> list[dict]:
    """The curve with at most `points` points, each the mean loss of its stretch."""
    length = max(1, -(-len(curve) // points))
    stretches = [curve[i : i + length] for i in range(0, len(curve), length)]
    return [{**part[-1], "loss": round(sum(p["loss"] for p in part) / len(part), 5)} for part in stretches]
