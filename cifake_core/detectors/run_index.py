"""The records of all runs at once, fast: ten thousand are listed within a second.

A record never changes once it is written, so it is read from its own file once, known by name and time of writing, and
kept in memory; where there are many, also in one file beside the runs, for the next process. That file is only a copy:
without it, or with a damaged one, the same list is made from the records. It does not know what a record means.
"""

import json
import os
from pathlib import Path

from cifake_core.errors import Damaged, NotFound
from cifake_core.store import artifacts

INDEX = ".index.json"
WORTH_KEEPING = 500  # records read one by one before the index is written (again)

Known = dict[str, tuple[int, dict]]  # folder's name → when its record was written (ns), the record
_memory: dict[Path, Known] = {}


def records(folder: Path) -> dict[str, dict]:
    """Every complete run's record by its folder's name; a damaged one is left out."""
    written = _written(folder)
    known = _memory.get(folder)
    if known is None:
        known = _read_index(folder) if len(written) >= WORTH_KEEPING else {}
    found: Known = {}
    fresh = 0
    for name, time_ns in written.items():
        kept = known.get(name)
        if kept is None or kept[0] != time_ns:
            try:
                kept = (time_ns, artifacts.read_json(folder / name / artifacts.RECORD))
            except (Damaged, NotFound):  # NotFound: deleted this moment
                continue
            fresh += 1
        found[name] = kept
    _memory[folder] = found
    if fresh >= WORTH_KEEPING:
        _write_index(folder, found)
    return {name: record for name, (_, record) in found.items()}


def _written(folder: Path) -> dict[str, int]:
    """When each run's record was written. Plain strings and `os.stat`: four times as fast as globbing paths."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return {}
    root, found = str(folder), {}
    for name in names:
        try:
            found[name] = os.stat(f"{root}/{name}/{artifacts.RECORD}").st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found


def _read_index(folder: Path) -> Known:
    try:
        return {name: (time_ns, record) for name, (time_ns, record) in artifacts.read_json(folder / INDEX).items()}
    except (NotFound, Damaged, AttributeError, TypeError, ValueError):
        return {}


def _write_index(folder: Path, found: Known) -> None:
    try:
        with artifacts.whole_file(folder / INDEX) as temporary:
            temporary.write_text(json.dumps(found), encoding="utf-8")
    except OSError:  # a full disk or a read-only folder: the list is whole without it
        pass
