"""How fast a job advances and how long it still takes. It knows numbers and seconds, not jobs."""

import math
from dataclasses import dataclass, field

_MEMORY_S = 60.0  # older work counts e-times less for each such span: a resumed job's skipped units are soon forgotten
_LEAST_S = 3.0  # no estimate from less
_LEAST_STEPS = 2


@dataclass
class Pace:
    """Units per second, averaged with exponentially fading weights over time.

    `see` is called with the units done and a monotonic time; `remaining_s` extrapolates, None until it means something.
    """

    _units: float = 0.0  # faded
    _seconds: float = 0.0  # faded
    _steps: int = 0
    _last: tuple[int, float] | None = field(default=None)

    def see(self, done: int, now_s: float) -> None:
        if self._last is None:
            self._last = done, now_s
            return
        before, then_s = self._last
        if done <= before:  # nothing new, or another phase began to count from the start
            self._last = min(done, before), then_s
            return
        span = max(now_s - then_s, 0.0)
        fade = math.exp(-span / _MEMORY_S)
        self._units = self._units * fade + (done - before)
        self._seconds = self._seconds * fade + span
        self._steps += 1
        self._last = done, now_s

    def remaining_s(self, total: int) -> float | None:
        if self._last is None or total <= 0 or self._steps < _LEAST_STEPS or self._seconds < _LEAST_S:
            return None
        return max(total - self._last[0], 0) * self._seconds / self._units


def onward(done: int, total: int, floor: tuple[int, int]) -> tuple[int, int]:
    """(done, total) to show after `floor` was shown: neither the units nor their share of the total goes back."""
    shown, shown_total = floor
    if shown_total <= 0:
        return max(done, 0), max(total, 0)
    if total <= 0:
        return floor
    if total == shown_total:
        return min(max(done, shown), total), total
    share = math.ceil(shown / shown_total * total - 1e-9)
    return min(max(done, share), total), total
