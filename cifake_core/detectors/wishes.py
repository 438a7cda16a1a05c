"""What a user wishes for one cell of a grid that is being trained: pause it, or cancel it, while the others go on.

A wish is a small file beside the training's checkpoint, so that pages, the command line and the training need not know
one another. A paused cell keeps its checkpoint and goes on from it; a cancelled one drops it.
"""

from pathlib import Path
from typing import Literal

from cifake_core.detectors.runs import IDENTITY, unfinished_folder
from cifake_core.errors import Refused
from cifake_core.progress import Progress
from cifake_core.store.workspace import Workspace

Wish = Literal["pause", "cancel"]
_SAID = {
    "pause": "was paused; its finished epochs are kept, and it goes on from them when it is resumed",
    "cancel": "was cancelled; retry it to train it from the start",
}


def ask(workspace: Workspace, identity: str, wish: Wish) -> None:
    """Heard within a few batches where the cell is being trained; where it waits, it is not begun."""
    path = _path(workspace, identity)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wish, encoding="utf-8")


def withdraw(workspace: Workspace, identity: str) -> None:
    _path(workspace, identity).unlink(missing_ok=True)


def wish(workspace: Workspace, identity: str) -> Wish | None:
    """The wish that stands for the training of that id."""
    try:
        text = _path(workspace, identity).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return "cancel" if text == "cancel" else "pause"


def standing(workspace: Workspace) -> list[tuple[str, str, int, Wish]]:
    """All wishes that stand: id, topology and seed of the training, and the wish."""
    found = []
    for path in sorted(_path(workspace, "any").parent.glob("*.wish")):
        named = IDENTITY.fullmatch(path.stem)
        asked = wish(workspace, path.stem) if named else None
        if asked is not None:
            found.append((path.stem, named["topology"], int(named["seed"]), asked))
    return found


def obeying(workspace: Workspace, identity: str, topology: str, on_progress: Progress) -> Progress:
    """`on_progress` that also raises Refused once a wish stands: the grid names the cell and goes on with the next."""

    def listening(done: int, total: int, message: str) -> None:
        on_progress(done, total, message)
        asked = wish(workspace, identity)
        if asked is not None:
            raise Refused(f"{topology} {_SAID[asked]}.")

    return listening


def _path(workspace: Workspace, identity: str) -> Path:
    folder = unfinished_folder(workspace, identity)
    return folder.with_name(f"{folder.name}.wish")
