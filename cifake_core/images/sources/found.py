"""What every source gives: what it was recognised as, how many images, and its rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cifake_core.images.schema import NewImage


@dataclass(frozen=True)
class Found:
    """A source that has been looked at, not yet read. `rows()` reads it from the start each time."""

    kind: str  # what it was recognised as, one phrase
    name: str  # file or folder, without its place on this machine
    total: int  # images
    rows: Callable[[], Iterator[NewImage]]
    left_out: int = 0  # images that lie in no REAL or FAKE folder and so have no label
