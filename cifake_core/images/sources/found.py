"""What every source gives: what it was recognised as, its pictures one by one, its account, and what it leaves open."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cifake_core.images.schema import UNKNOWN_CLASS, Original
from cifake_core.images.sources.account import Account


class Unreadable(Exception):
    """One picture of a source cannot be had; the others can. `reason` is one of account.py's, `detail` says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclass(slots=True)
class Item:
    """One picture as its source describes it. `label` is None where the source leaves it open: then there is a question."""

    path: str  # inside its source, UTF-8, shown to the user
    label: int | None
    name: str = ""  # of the label, as the source has it: "AiArtData", "0"
    split: str = "train"  # train, validation or test
    class_label: int = UNKNOWN_CLASS
    class_name: str = ""  # as the source has it
    generator: str = ""
    family: str = ""
    prompt: str = ""
    seed: int | None = None
    architecture: str = ""
    real_source: str = ""
    subset: str = ""
    provenance: dict | None = None
    original: Original | None = None  # where the source says what the file was before it was shrunk
    held_out: bool = False  # by our own export: such a validation picture stays one without being asked
    key: Any = None  # by which its source finds it again
    problem: tuple[str, str] | None = None  # (reason, detail): it cannot be imported
    data: bytes | None = None  # the picture's file, where it was asked for


@dataclass(frozen=True)
class Question:
    """What must be answered before the import: a sentence with the options that answer it, and the names it is about."""

    topic: str  # labels, columns or size
    sentence: str
    names: dict[str, int] = field(default_factory=dict)  # name → pictures, for topic "labels"


def merged(questions: list[Question]) -> list[Question]:
    """The questions of many files, each asked once: those about the same names are one, with their pictures added up."""
    found: dict[tuple, list[Question]] = {}
    for question in questions:
        found.setdefault((question.topic, *sorted(question.names)) if question.names else (question.sentence,), []).append(question)
    return [_one(same) for same in found.values()]


def _one(same: list[Question]) -> Question:
    if len(same) == 1:
        return same[0]
    names = {name: sum(question.names.get(name, 0) for question in same) for name in same[0].names}
    return Question(same[0].topic, f"{same[0].sentence.removesuffix('.')} (the same in {len(same) - 1} more).", names)


@dataclass(frozen=True)
class Found:
    """A source that has been looked at. `items(False)` goes through its pictures without reading them, `items(True)` with their files."""

    kind: str  # what it was recognised as, one phrase
    name: str  # file or folder, without its place on this machine
    total: int  # pictures and rows that `items` gives
    items: Callable[[bool], Iterator[Item]]
    fetch: Callable[[list[Item]], Iterator[bytes]]  # the files of some items, in their order; b"" for one that cannot be had
    account: Account = field(default_factory=Account)  # `seen` counts everything; what `items` does not give is left out here
    conventions: tuple[str, ...] = ()  # how open points were read, each a sentence
    questions: tuple[Question, ...] = ()
