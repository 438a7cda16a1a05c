"""A step: one piece of long work, described by plain values, done wherever it is called.

The command line and the tests run a step in their own process; a job runs it in a detached worker. It does not know which.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cifake_core.progress import Progress, silent
from cifake_core.store.workspace import Workspace


@dataclass(frozen=True)
class Context:
    """What a step is given to work with."""

    workspace: Workspace
    on_progress: Progress = silent  # raises Cancelled when the user stopped the work
    scratch: Path | None = None  # a folder for previews a watcher may read while the step runs; None = nobody watches


class Step(Protocol):
    """A frozen dataclass with JSON-able fields. Running it twice makes nothing twice: a killed step is simply run again."""

    def run(self, context: Context) -> dict:
        """Does the work; returns what a watcher should know, JSON-able."""
        ...
