"""What became of one model, and whose fault it was: the model's (never tried again by itself) or the surroundings' (tried again)."""

import errno
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from cifake_core.errors import BadInput, CifakeError, Damaged, DownloadFailed, OutOfMemory, Refused
from cifake_core.store import artifacts

OUTCOME = "outcome.json"


class State(StrEnum):
    WAITING = "waiting"  # not tried yet, or stopped on the way
    COMPLETED = "completed"
    MODEL_FAULT = "model fault"  # it would fail again: refused, broken, too large
    INFRASTRUCTURE_FAULT = "infrastructure fault"  # network, disk, a killed process: it may go well next time


# kind of a fault → whose it is
KINDS = {
    "gated": State.MODEL_FAULT,
    "gone": State.MODEL_FAULT,
    "unsafe or unusable": State.MODEL_FAULT,
    "damaged": State.MODEL_FAULT,
    "memory": State.MODEL_FAULT,  # it would take as much again
    "too slow": State.MODEL_FAULT,
    "crashed": State.MODEL_FAULT,
    "too large": State.MODEL_FAULT,
    "no usable picture": State.MODEL_FAULT,  # black, flat, or all flagged by its safety checker
    "failed": State.MODEL_FAULT,
    "network": State.INFRASTRUCTURE_FAULT,
    "disk": State.INFRASTRUCTURE_FAULT,
    "killed": State.INFRASTRUCTURE_FAULT,
}


@dataclass(frozen=True)
class Outcome:
    """What became of a model so far."""

    model: str
    state: str
    kind: str = ""  # of KINDS; "" = no fault
    reason: str = ""  # one sentence
    images: int = 0
    seconds: float = 0.0
    attempts: int = 0
    variant: str = ""  # pipeline, precision and device it was sampled with
    defects: dict = field(default_factory=dict)  # pictures drawn in vain: see generators.defects.Defects


def fault(model: str, kind: str, reason: str, **more) -> Outcome:
    return Outcome(model, KINDS[kind].value, kind, reason, **more)


def late(model: str, timeout_s: float) -> Outcome:
    return fault(model, "too slow", f"It was not done after {timeout_s:.0f} s; give it more with --timeout-s.")


def read(folder: Path, model: str) -> Outcome:
    """The outcome kept in a model's folder; waiting if there is none or a damaged one."""
    try:
        return Outcome(**artifacts.read_json(folder / OUTCOME))
    except (CifakeError, TypeError):
        return Outcome(model, State.WAITING.value)


def write(folder: Path, outcome: Outcome) -> None:
    artifacts.write_json(folder / OUTCOME, asdict(outcome))


def told(model: str, error: BaseException) -> Outcome:
    """The outcome an exception stands for, told from it and from what caused it."""
    chain = list(_chain(error))
    kind = next((found for one in chain if (found := _kind(one))), None)
    if kind is None:
        kind = (
            "network"
            if isinstance(error, DownloadFailed)
            else "unsafe or unusable"
            if isinstance(error, BadInput)
            else "failed"
        )
    reason = (
        str(error)
        if isinstance(error, CifakeError)
        else f"{type(error).__name__}: {str(error).strip()[:200] or 'no reason given'}"
    )
    return fault(model, kind, reason)


def _chain(error: BaseException | None):
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _kind(error: BaseException) -> str | None:
    """The kind this one exception decides; None where what caused it may know better."""
    import torch
    from huggingface_hub import errors as hub

    if isinstance(error, hub.GatedRepoError):
        return "gated"
    if isinstance(error, (hub.RepositoryNotFoundError, hub.RevisionNotFoundError, hub.DisabledRepoError)):
        return "gone"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk"
    text = str(error).lower()
    memory = "can't allocate memory" in text or "out of memory" in text or "cannot allocate memory" in text
    if isinstance(error, (OutOfMemory, MemoryError, torch.OutOfMemoryError)) or memory:
        return "memory"
    return "damaged" if isinstance(error, Damaged) else "no usable picture" if isinstance(error, Refused) else None
