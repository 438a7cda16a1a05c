"""Liveness: a file lock held by a process, which the kernel frees when the process dies, however it dies.

A pid can be reused and a clock can jump; a lock can do neither. POSIX locks have two traps, both closed here: a process
never sees its own lock as taken, and closing *any* handle on the file drops the lock. So this module keeps a list of
what this process holds and never opens those files again.
"""

import fcntl
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_held: dict[str, int] = {}  # path → handle, of this process
_guard = threading.Lock()  # nobody may open and close a file while another thread takes its lock
_RETRY_S = 0.01


@dataclass(frozen=True)
class Lock:
    """Held until released or until the process ends."""

    path: Path

    def release(self) -> None:
        with _guard:
            handle = _held.pop(str(self.path), None)
            if handle is not None:
                os.close(handle)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def take(path: Path, wait_s: float = 1.0) -> Lock | None:
    """The lock, or None if another holds it for all of `wait_s`. A moment's wait is needed: `held` takes it shared."""
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + wait_s
    while not _taken(path):
        if time.monotonic() >= until:
            return None
        time.sleep(_RETRY_S)
    return Lock(path)


def _taken(path: Path) -> bool:
    with _guard:
        if str(path) in _held:
            return False
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        _held[str(path)] = handle
        return True


def held(path: Path) -> bool:
    """True if a living process, this one included, holds the lock. Two who ask at once do not mislead each other."""
    path = path.absolute()
    with _guard:
        if str(path) in _held:
            return True
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False
