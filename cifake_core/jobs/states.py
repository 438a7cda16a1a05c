"""What a job is and which states it passes through. It knows neither the database nor processes."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    QUEUED = "queued"  # waits for a worker
    RUNNING = "running"  # a process has claimed it and holds its lock
    PAUSED = "paused"  # the user stopped it for a while; resuming continues where it was
    DONE = "done"  # finished; its result is recorded
    FAILED = "failed"  # stopped by an error or by three crashes without progress; `error` says why
    CANCELLED = "cancelled"  # the user stopped it for good


class Wish(StrEnum):
    """What the user asked of a running job and its process has not done yet."""

    CANCEL = "cancel"
    PAUSE = "pause"


FINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})
ACTIVE = frozenset(State) - FINAL

# from → to. Everything else is a mistake of ours: `ledger.move` refuses it.
MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.PAUSED, State.CANCELLED}),
    State.RUNNING: frozenset({State.QUEUED, State.PAUSED, State.DONE, State.FAILED, State.CANCELLED}),
    State.PAUSED: frozenset({State.QUEUED, State.CANCELLED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
    State.DONE: frozenset(),
}


@dataclass(frozen=True)
class Job:
    """One job as it was when it was read. Times of day are UTC; durations are seconds of work over all attempts."""

    id: str
    kind: str
    title: str
    arguments: dict
    state: State
    done: int  # never goes back, nor does done / total, until the user retries the job
    total: int  # 0 = not known yet
    message: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int  # how often a process began it since it was submitted or retried
    result: dict | None
    error: str | None  # one sentence for the user
    estimate_s: float | None  # remaining; None until the pace is known
    elapsed_s: float
    pid: int | None
    wish: Wish | None = None
    token: int = field(default=0, repr=False)  # grows with every claim; a worker with an older one may write nothing

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def fraction(self) -> float:
        """Progress in [0, 1]; 0 while the total is unknown."""
        if self.state == State.DONE:
            return 1.0
        return min(self.done / self.total, 1.0) if self.total > 0 else 0.0

    def as_json(self) -> dict:
        """Plain values; times as ISO 8601."""
        plain = asdict(self)
        del plain["token"]
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in plain.items()}
