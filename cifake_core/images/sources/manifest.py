"""Pictures whose labels a list tells: metadata.csv or .jsonl of an imagefolder, Kaggle's train.csv, any CSV, TSV or JSON with their names."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cifake_core.errors import BadInput
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import printable, storable
from cifake_core.images.sources.columns import Columns
from cifake_core.images.sources.folder import leave_others, tree_found
from cifake_core.images.sources.found import Found, Item, Question, Unreadable
from cifake_core.images.sources.layout import split_in_path
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.tree import Tree, pictures
from cifake_core.images.sources.vocabulary import split_of, tokens

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_MOST_BYTES = 256 * 2**20  # of a list
_LOOKED_AT = 200  # rows that decide whether a list is about the pictures here
_MOST_CELL = 2**20  # characters


@dataclass
class _List:
    """One list of pictures: its rows, its columns, and where its pictures lie."""

    file: str
    rows: list[dict[str, Any]]
    columns: Columns


def look(tree: Tree, reading: Reading, only: str = "") -> Found | None:
    """None if no list here names pictures and their labels. `only` is a list the user gave by its own path: then its lack is an error."""
    found, others = pictures(tree)
    finder = _Finder(found)
    lists = [read for file in others if not only or file == only for read in _lists(tree, file, reading, finder, bool(only))]
    telling = [one for one in lists if reading.one_label is not None or "label" in one.columns.roles or one.columns.candidates]
    if not telling and not (lists and (only or reading.columns)):
        return None
    telling = telling or lists
    names = {one.file for one in telling}
    leave_others(tree, [file for file in others if file not in names])
    for file in names:
        tree.account.leave(file, reasons.DESCRIPTIONS)
    items, questions = _items(tree, telling, finder)
    listed = {item.key for item in items}
    for file in found:
        if file not in listed:
            tree.account.leave(file, reasons.NOT_LISTED)
    said = dict.fromkeys(sentence for one in telling for sentence in one.columns.conventions)
    files = ", ".join(sorted(printable(PurePosixPath(name).name) for name in names)[:3])
    return tree_found(f"{tree.kind} with a list ({files})", tree, items, (*tree.notes, *said), questions)


def _items(tree: Tree, lists: list[_List], finder: "_Finder") -> tuple[list[Item], tuple[Question, ...]]:
    items: dict[str, Item] = {}
    questions: list[Question] = []
    for one in lists:
        here, unlabelled = 0, 0
        for row in one.rows:
            cell = str(row.get(one.columns.roles["image"]) or "")
            file = finder.find(cell, one.file)
            if file is None:
                tree.account.seen += 1
                tree.account.leave(cell or "an empty cell", reasons.MISSING)
                continue
            item = one.columns.item(row, storable(file), _split_of_list(one.file))
            item.key = file
            here, unlabelled = here + 1, unlabelled + (item.problem is not None)
            if file in items:
                tree.account.seen += 1
                tree.account.leave(cell, reasons.TWICE)
                _check_same(items[file], item)
            items.setdefault(file, item)
        questions += one.columns.questions(here, unlabelled)
    return [items[file] for file in sorted(items)], tuple(questions)


def _check_same(first: Item, second: Item) -> None:
    if first.label != second.label and None not in (first.label, second.label):
        raise BadInput(f"{printable(first.path)} is listed as {first.name} and as {second.name}; remove one of the two.")


def _split_of_list(file: str) -> str | None:
    """train.csv and train/metadata.csv are of train."""
    path = storable(file)
    words = tokens(PurePosixPath(path).stem)
    return split_in_path(path) or next((split for word in words if (split := split_of(word))), None)


def _lists(tree: Tree, file: str, reading: Reading, finder: "_Finder", named: bool) -> Iterator[_List]:
    """The file as a list of pictures, if it is one."""
    if not file.lower().endswith(SUFFIXES):
        return
    try:
        rows = _rows(file, tree.read(file))
    except (Unreadable, ValueError, csv.Error, RecursionError):
        rows = []
    names = tuple(dict.fromkeys(name for row in rows[:_LOOKED_AT] for name in row if name))
    if not names:
        if named:
            raise BadInput(f"{printable(file)} holds no rows that can be read; give a CSV or JSONL file whose first line names its columns.")
        return
    columns = Columns(printable(file), names, reading if named or _has_columns(names, reading) else Reading(label=reading.label))
    columns.offer_label({name: [row.get(name) for row in rows[:_LOOKED_AT]] for name in names})
    columns.roles["image"] = reading.column("image") or _image_column(names, rows[:_LOOKED_AT], file, finder)
    if columns.roles["image"]:
        yield _List(file, rows, columns)
    elif named:
        shown = ", ".join(map(printable, names[:10]))
        raise BadInput(f"{printable(file)} names no picture that lies beside it (its columns: {shown}); choose the column with --columns image=COLUMN.")


def _has_columns(names: tuple[str, ...], reading: Reading) -> bool:
    return all(chosen.partition("=")[2] in names for chosen in reading.columns)


def _image_column(names: tuple[str, ...], rows: list[dict], file: str, finder: "_Finder") -> str:
    """The column most of whose cells name a picture here; "" if there is none."""
    hits = {name: sum(bool(row.get(name)) and finder.find(str(row[name]), file) is not None for row in rows) for name in names}
    best = max(hits, key=hits.get)
    return best if hits[best] else ""


def _rows(file: str, data: bytes) -> list[dict[str, Any]]:
    """The rows of a list. A byte order mark, any of comma, semicolon and tab, and names that are no UTF-8 are fine."""
    if len(data) > _MOST_BYTES:
        return []
    text = data.decode("utf-8-sig", "surrogateescape")
    suffix = PurePosixPath(file).suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return [row for line in text.splitlines() if line.strip() and isinstance(row := json.loads(line), dict)]
    if suffix == ".json":
        return _json_rows(json.loads(text))
    csv.field_size_limit(_MOST_CELL)
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    return [row for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter) if None not in row]


def _json_rows(told: Any) -> list[dict[str, Any]]:
    """A list of objects; or an object whose keys are files and whose values are labels or objects."""
    if isinstance(told, list):
        return [row for row in told if isinstance(row, dict)]
    if isinstance(told, dict):
        return [{"file_name": name, **(row if isinstance(row, dict) else {"label": row})} for name, row in told.items() if not isinstance(row, list)]
    return []


class _Finder:
    """Pictures by the names that lists give them: relative to the list or the source, absolute elsewhere, or without folder or suffix."""

    def __init__(self, files: list[str]) -> None:
        self._files = {storable(file): file for file in files}
        self._by_name: dict[str, str | None] = {}
        for path, file in self._files.items():
            for name in {PurePosixPath(path).name, PurePosixPath(path).stem}:
                self._by_name[name] = None if name in self._by_name else file  # None: several pictures have this name

    def find(self, cell: str, of_list: str) -> str | None:
        path = storable(cell.strip().replace("\\", "/"))
        if not path:
            return None
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        folder = storable(of_list).split("/")[:-1]
        for start in range(len(parts)):
            tail = parts[start:]
            for place in ("/".join([*folder, *tail]), "/".join(tail)):
                if place in self._files:
                    return self._files[place]
        return self._by_name.get(parts[-1]) if parts else None
