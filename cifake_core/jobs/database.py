"""The SQLite file behind the jobs: how it is made, opened and doubted. It does not know what the rows mean.

SQLite before 3.51.3 can corrupt a WAL database when two connections write at one instant, so there the journal is
DELETE. The file is never opened but through SQLite: closing another handle on it would drop SQLite's own locks.
A file that is damaged, empty or of a newer version is refused; only `quarantine`, asked for by the user, moves it away.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cifake_core.errors import CifakeError, Conflict, Damaged, Refused
from cifake_core.jobs import locks
from cifake_core.store.artifacts import whole_file
from cifake_core.store.workspace import Workspace

VERSION = 1
_OURS = 0x43464C42  # application_id, "CFLB"
_BUSY_S = 30.0
_JOURNAL = "WAL" if sqlite3.sqlite_version_info >= (3, 51, 3) else "DELETE"
_SCHEMA = f"""
PRAGMA application_id = {_OURS};
PRAGMA user_version = {VERSION};
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    arguments TEXT NOT NULL,               -- JSON, keys sorted: equal requests are equal texts
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')),
    wish TEXT CHECK (wish IN ('cancel', 'pause')),
    wish_monotonic REAL,                   -- seconds since boot: a changed clock changes nothing
    token INTEGER NOT NULL DEFAULT 0,      -- fencing: grows with every claim
    slot INTEGER,                          -- the worker that attends it
    pid INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,    -- in a row, without progress between them
    mark INTEGER NOT NULL DEFAULT 0,       -- `done` when this attempt began
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '',
    remaining_s REAL,
    spent_s REAL NOT NULL DEFAULT 0,       -- of earlier attempts
    started_monotonic REAL,                -- of this attempt
    updated_monotonic REAL,
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    result TEXT,
    error TEXT
);
CREATE UNIQUE INDEX one_of_each ON jobs (kind, arguments)
    WHERE state IN ('queued', 'paused') OR (state = 'running' AND wish IS NOT 'cancel');
CREATE INDEX by_state ON jobs (state);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    token INTEGER NOT NULL,
    state TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX events_of ON events (job);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_checked: set[tuple[str, int]] = set()  # (path, inode) this process has looked through


@contextmanager
def opened(workspace: Workspace, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection; with `write`, inside one transaction that is committed if the block ends well.

    Raises Damaged or Refused for a file that cannot be trusted, CifakeError when the disk is full or cannot be written.
    """
    try:
        connection = _connect(workspace.database)
        try:
            if write:
                connection.execute("BEGIN IMMEDIATE")
            yield connection
            if write:
                connection.execute("COMMIT")
        finally:
            connection.close()  # what is not committed is rolled back
    except sqlite3.DatabaseError as error:
        sentence = _sentence(error, workspace.database)
        if sentence is None:
            raise
        raise sentence from error


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        _create(path)
    if path.stat().st_size == 0:
        raise Damaged(_damaged(path, "it is empty"))
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        _trust(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _trust(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if connection.execute("PRAGMA application_id").fetchone()[0] != _OURS:
        raise Refused(f"{path.name} was not made by CIFAKE Lab; move it out of the workspace and try again.")
    if version != VERSION:
        raise Refused(
            f"{path.name} has format {version}, this program knows {VERSION}; update CIFAKE Lab or choose another CIFAKE_HOME."
        )
    key = (str(path), path.stat().st_ino)
    if key not in _checked:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise Damaged(_damaged(path, "SQLite's check fails"))
        if _JOURNAL == "DELETE" and connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            connection.execute("PRAGMA journal_mode = DELETE")  # made by a newer SQLite
        _checked.add(key)


def _create(path: Path) -> None:
    """Builds the file aside, so that a database that exists is complete and an empty one is always damage."""
    lock = locks.take(path.with_name(f".{path.name}.creating"), wait_s=_BUSY_S)
    if lock is None:
        raise Conflict(f"Another process has been creating {path.name} for {_BUSY_S:.0f} s; end it and try again.")
    with lock:
        if path.exists():
            return
        with whole_file(path) as temporary:
            connection = sqlite3.connect(temporary, isolation_level=None)
            try:
                connection.execute(f"PRAGMA journal_mode = {_JOURNAL}")
                connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            finally:
                connection.close()


def quarantine(workspace: Workspace) -> Path:
    """Moves a damaged database aside, so that the next call begins a new one; image sets and runs are not touched.

    Returns the new place. Raises Conflict if the database is sound.
    """
    path = workspace.database
    try:
        with opened(workspace) as connection:
            sound = connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
    except Damaged:
        sound = False
    if sound:
        raise Conflict(f"{path.name} is sound; there is nothing to put aside.")
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns() % 1000:03d}")
    for suffix in ("-journal", "-wal", "-shm"):  # before the file itself: they belong to it alone
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return path.rename(aside)


def _damaged(path: Path, how: str) -> str:
    return (
        f"The list of jobs, {path.name}, is damaged ({how}); restore it from a copy or put it aside with "
        "'python -m cifake_core jobs quarantine'. Image sets and runs are not affected."
    )


def _sentence(error: sqlite3.DatabaseError, path: Path) -> CifakeError | None:
    """What the user should read; None for our own mistakes, which go on as they are."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Damaged(_damaged(path, str(error)))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return CifakeError(f"{path.name} has been locked by another process for {_BUSY_S:.0f} s; try again in a moment.")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return CifakeError(f"{path.name} cannot be written, the disk is full or failing; free some space and try again.")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return CifakeError(f"{path.name} cannot be opened for writing; check the rights of the folder {path.parent.name!r}.")
    return None
