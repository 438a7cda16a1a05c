"""Tags and notes that users put on images: one SQLite file in the workspace, each change a transaction.

Keyed by image set and image id, so they outlive runs and pages, and the same picture in two splits has the same marks.
Reading never creates the file, and may fall into its making. It does not know what an image is.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from cifake_core.errors import BadInput, Damaged
from cifake_core.store.workspace import Workspace

FILE = "marks.sqlite"
LONGEST_TAG, LONGEST_NOTE = 40, 4000  # characters
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS tags (dataset TEXT NOT NULL, image_id TEXT NOT NULL, tag TEXT NOT NULL, created_at TEXT NOT NULL,
  PRIMARY KEY (dataset, image_id, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (dataset TEXT NOT NULL, image_id TEXT NOT NULL, note TEXT NOT NULL, changed_at TEXT NOT NULL,
  PRIMARY KEY (dataset, image_id)) WITHOUT ROWID;
COMMIT;
"""


def tag(workspace: Workspace, dataset: str, image_ids: Iterable[str], name: str) -> int:
    """Puts a tag on images; how many did not have it. Raises BadInput for an empty or too long name."""
    name, now = checked_tag(name), datetime.now(UTC).isoformat()
    with _opened(workspace, write=True) as connection:
        before = connection.total_changes
        rows = [(dataset, image_id, name, now) for image_id in image_ids]
        connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?, ?, ?)", rows)
        return connection.total_changes - before


def untag(workspace: Workspace, dataset: str, image_ids: Iterable[str], name: str) -> int:
    """Takes a tag off images; how many had it."""
    with _opened(workspace, write=True) as connection:
        before = connection.total_changes
        rows = [(dataset, image_id, name) for image_id in image_ids]
        connection.executemany("DELETE FROM tags WHERE dataset = ? AND image_id = ? AND tag = ?", rows)
        return connection.total_changes - before


def tags(workspace: Workspace, dataset: str) -> dict[str, set[str]]:
    """Tag → ids of the images that have it, by name."""
    found: dict[str, set[str]] = {}
    for image_id, name in _read(workspace, "SELECT image_id, tag FROM tags WHERE dataset = ? ORDER BY tag", dataset):
        found.setdefault(name, set()).add(image_id)
    return found


def note(workspace: Workspace, dataset: str, image_id: str, text: str) -> None:
    """Keeps a note on an image in place of its old one; an empty text removes it. Raises BadInput if it is too long."""
    text = text.strip()
    if len(text) > LONGEST_NOTE:
        raise BadInput(f"The note has {len(text):,} characters; {LONGEST_NOTE:,} are kept, so shorten it.")
    with _opened(workspace, write=True) as connection:
        if text:
            row = (dataset, image_id, text, datetime.now(UTC).isoformat())
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)", row)
        else:
            connection.execute("DELETE FROM notes WHERE dataset = ? AND image_id = ?", (dataset, image_id))


def notes(workspace: Workspace, dataset: str) -> dict[str, str]:
    """Image id → note."""
    return dict(_read(workspace, "SELECT image_id, note FROM notes WHERE dataset = ?", dataset))


def checked_tag(name: str) -> str:
    """The tag without blanks around it; raises BadInput."""
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_TAG:
        raise BadInput(f"The tag {name[:60]!r} cannot be used; take 1 to {LONGEST_TAG} characters.")
    return name


def _read(workspace: Workspace, query: str, dataset: str) -> list[tuple]:
    if not (workspace.home / FILE).exists():
        return []
    with _opened(workspace) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'notes'").fetchone():
            return []  # the first writer has made the file, and its tables come at this moment
        return connection.execute(query, (dataset,)).fetchall()


@contextmanager
def _opened(workspace: Workspace, write: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection; with `write`, everything in the block is one transaction, on the disk when the block ends."""
    workspace.home.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(workspace.home / FILE, timeout=30)) as connection:
            if write:
                connection.executescript(_SCHEMA)
            with connection:
                yield connection
    except sqlite3.DatabaseError as error:
        raise Damaged(
            f"The tags and notes in {FILE} cannot be used ({error}); move the file away and begin anew."
        ) from error
