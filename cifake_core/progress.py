"""The one way long work reports itself.

A step calls `on_progress(done, total, message)` often. The callee may raise `Cancelled` from it: that is how a user
stops the work, so a step must be safe to leave at every call. Nothing in the core prints.
"""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]


def silent(done: int, total: int, message: str) -> None:
    """The default: nobody is watching."""
