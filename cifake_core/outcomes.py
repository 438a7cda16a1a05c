"""Units of work: what became of each, and how far all of them are together. It knows neither what a unit is nor where it is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cifake_core.errors import Cancelled, CifakeError, OutOfMemory
from cifake_core.progress import Progress


@dataclass(frozen=True)
class Outcome:
    """What became of one unit: its result, or the reason it failed."""

    unit: Any
    result: Any = None
    reason: str | None = None


class Meter:
    """Progress over units of very different size: each counts by its cost."""

    def __init__(self, costs: Sequence[int], on_progress: Progress) -> None:
        self.costs, self._on_progress = [max(1, cost) for cost in costs], on_progress
        self.shares = [0.0] * len(self.costs)

    def report(self, message: str) -> None:
        done = sum(cost * share for cost, share in zip(self.costs, self.shares, strict=True))
        self._on_progress(int(done), sum(self.costs), message)

    def finished(self) -> str:
        return f"{sum(share >= 1 for share in self.shares)} of {len(self.shares)} finished"


def attempt(work: Callable, unit: Any, on_progress: Progress) -> Outcome:
    """work(unit, on_progress), or the reason it failed. Raises Cancelled, and what is a mistake of ours."""
    try:
        return Outcome(unit, work(unit, on_progress))
    except Cancelled:
        raise
    except CifakeError as error:
        return Outcome(unit, reason=str(error))
    except MemoryError as error:
        return Outcome(unit, reason=str(OutOfMemory(f"Memory ran out ({error}); take a smaller network or batch.")))
