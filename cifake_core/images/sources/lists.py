"""Lists of pictures in a source: CSV, TSV, JSONL or JSON files whose rows name pictures and say something about them."""

import codecs
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Any

from cifake_core.errors import BadInput
from cifake_core.images.sources.account import printable, storable
from cifake_core.images.sources.columns import Columns, text_of
from cifake_core.images.sources.found import Item, Unreadable
from cifake_core.images.sources.layout import label_in_path, split_in_path
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.tree import Tree
from cifake_core.images.sources.vocabulary import number_in, split_of, tokens

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_MOST_BYTES = 64 * 2**20  # of a list
_LOOKED_AT = 200  # rows that decide whether a list is about the pictures here
_MOST_CELL = 2**20  # characters


@dataclass
class PictureList:
    """One list of pictures: its rows, and its columns by their role."""

    file: str
    rows: list[dict[str, Any]]
    columns: Columns
    unread: list[str]  # rows that could not be read, as far as they say something

    def cell(self, row: dict[str, Any]) -> str:
        """What a row calls its picture."""
        return str(row.get(self.columns.roles["image"]) or "")

    def says_less_than_folders(self, finder: "Finder") -> bool:
        """Whether its labels are bare numbers, while every picture lies in a folder that says real or fake."""
        label = self.columns.roles.get("label", "")
        rows = self.rows[:_LOOKED_AT]
        bare = bool(label) and not self.columns.reading.column("label") and all(number_in(text_of(row.get(label))) is not None for row in rows)
        files = (finder.find(self.cell(row), self.file) for row in rows)
        return bare and all(file is not None and label_in_path(storable(file)) is not None for file in files)


def describe(items: list[Item], lists: list[PictureList], finder: "Finder") -> list[str]:
    """Adds what lists say of pictures whose folders tell the label: class, generator, prompt, seed. Returns the files that told something."""
    by_file, used = {item.key: item for item in items}, []
    for one in lists:
        if not {"class", "generator", "prompt", "seed"} & one.columns.roles.keys():
            continue
        used.append(one.file)
        for row in one.rows:
            item = by_file.get(finder.find(one.cell(row), one.file))
            if item is not None:
                listed = one.columns.item(row, item.path, None)
                item.prompt, item.seed = item.prompt or listed.prompt, item.seed if item.seed is not None else listed.seed
                item.generator = item.generator or (listed.generator if item.label else "")
                if listed.class_name or listed.class_label >= 0:
                    item.class_label, item.class_name = listed.class_label, listed.class_name
                item.provenance = {**(item.provenance or {}), **(listed.provenance or {})} or None
    return used


def read_lists(tree: Tree, file: str, reading: Reading, finder: "Finder", named: bool) -> Iterator[PictureList]:
    """The file as a list of pictures, if it is one."""
    if not file.lower().endswith(SUFFIXES):
        return
    try:
        rows, unread = _rows(file, tree.read(file), finder)
    except (Unreadable, ValueError, csv.Error, RecursionError):
        rows, unread = [], []
    names = tuple(dict.fromkeys(name for row in rows[:_LOOKED_AT] for name in row if name))
    if not names:
        if named:
            raise BadInput(f"{printable(file)} holds no rows that can be read; give a CSV or JSONL file whose first line names its columns.")
        return
    columns = Columns(printable(file), names, reading if named or _has_columns(names, reading) else Reading(label=reading.label))
    columns.offer_label({name: [row.get(name) for row in rows[:_LOOKED_AT]] for name in names})
    columns.roles["image"] = reading.column("image") or _image_column(names, rows[:_LOOKED_AT], file, finder)
    if columns.roles["image"]:
        yield PictureList(file, rows, columns, unread)
    elif named:
        shown = ", ".join(map(printable, names[:10]))
        if any(_is_address(cell) for row in rows[:_LOOKED_AT] for cell in row.values()):
            raise BadInput(f"{printable(file)} names its pictures by web addresses; the import fetches none: download them, and list their files.")
        raise BadInput(f"{printable(file)} names no picture that lies beside it (its columns: {shown}); choose the column with --columns image=COLUMN.")


def _has_columns(names: tuple[str, ...], reading: Reading) -> bool:
    return all(chosen.partition("=")[2] in names for chosen in reading.columns)


def _image_column(names: tuple[str, ...], rows: list[dict], file: str, finder: "Finder") -> str:
    """The column most of whose cells name a picture here; "" if there is none."""
    hits = {name: sum(bool(row.get(name)) and finder.find(str(row[name]), file) is not None for row in rows) for name in names}
    best = max(hits, key=hits.get)
    return best if hits[best] else ""


def _is_address(cell: Any) -> bool:
    return isinstance(cell, str) and cell.lower().startswith(("http://", "https://"))


def _rows(file: str, data: bytes, finder: "Finder") -> tuple[list[dict[str, Any]], list[str]]:
    """(rows of a list, those that cannot be read). A byte order mark, UTF-16 and names that are no UTF-8 are fine."""
    if len(data) > _MOST_BYTES:
        return [], []
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16", "replace") if utf16 else data.decode("utf-8-sig", "surrogateescape")
    suffix = PurePosixPath(file).suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(text)
    return (_json_rows(json.loads(text)), []) if suffix == ".json" else _csv_rows(text, file, finder)


def _json_lines(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    rows, unread = [], []
    for line in filter(str.strip, text.splitlines()):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        (rows if isinstance(row, dict) else unread).append(row if isinstance(row, dict) else line[:80])
    return rows, unread


def _csv_rows(text: str, file: str, finder: "Finder") -> tuple[list[dict[str, Any]], list[str]]:
    """Comma, semicolon, tab or bar between cells. A first line that itself names a picture here is a row: then columns have numbers.

    A row with more cells than there are columns cannot be read: which of them is the label nobody knows.
    """
    csv.field_size_limit(_MOST_CELL)
    head = text.partition("\n")[0]
    delimiter = max(",;\t|", key=head.count)
    lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    lines = [line for line in lines if line]
    first = lines[0] if lines else []
    headless = any(PurePosixPath(cell).suffix and finder.find(cell, file) for cell in first)
    names = [f"column {number}" for number in range(1, len(first) + 1)] if headless else first
    lines = lines if headless else lines[1:]
    rows = [dict(zip_longest(names, line)) for line in lines if len(line) <= len(names)]
    return rows, [delimiter.join(line)[:80] for line in lines if len(line) > len(names)]


def _json_rows(content: Any) -> list[dict[str, Any]]:
    """A list of objects; or an object whose keys are files and whose values are labels or objects."""
    if isinstance(content, list):
        return [row for row in content if isinstance(row, dict)]
    if isinstance(content, dict) and len(content) == 1 and isinstance(inner := next(iter(content.values())), list):
        return _json_rows(inner)  # {"data": [...]}
    if isinstance(content, dict):
        return [{"file_name": name, **(row if isinstance(row, dict) else {"label": row})} for name, row in content.items() if not isinstance(row, list)]
    return []


class Finder:
    """Pictures by the names that lists give them: relative to the list or the source, absolute elsewhere, or without folder or suffix."""

    def __init__(self, files: list[str]) -> None:
        self._files = {storable(file): file for file in files}

    def find(self, cell: str, of_list: str) -> str | None:
        """None where no picture has the name, or several have."""
        path = storable(cell.strip().replace("\\", "/"))
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        folder = storable(of_list).split("/")[:-1]
        tails = [parts[start:] for start in range(len(parts))]
        for tail in tails:
            for place in ("/".join([*folder, *tail]), "/".join(tail)):
                if place in self._files:
                    return self._files[place]
        for tail in tails:
            for name in ("/".join(tail), "/".join(tail).casefold()):
                if files := self._by_tail.get(name):
                    return _only(files, of_list)
        return None

    @cached_property
    def _by_tail(self) -> dict[str, list[str]]:
        """The last one to four parts of a picture's path, with and without suffix, as they are and in small letters → the pictures."""
        found: dict[str, list[str]] = {}
        for path, file in self._files.items():
            parts = path.split("/")
            for depth in range(1, min(len(parts), 4) + 1):
                tail = "/".join(parts[-depth:])
                bare = tail.removesuffix(PurePosixPath(path).suffix)
                for name in {tail, bare, tail.casefold(), bare.casefold()}:
                    found.setdefault(name, []).append(file)
        return found


def _only(files: list[str], of_list: str) -> str | None:
    """The one picture; of several, the one in the folder of the list's split (of train/0.png and test/0.png, train.csv means the first)."""
    if len(files) > 1:
        split = split_of_list(of_list)
        files = [file for file in files if split and split_in_path(storable(file)) == split]
    return files[0] if len(files) == 1 else None


def split_of_list(file: str) -> str | None:
    """train.csv and train/metadata.csv are of train."""
    path = storable(file)
    words = tokens(PurePosixPath(path).stem)
    return split_in_path(path) or next((split for word in words if (split := split_of(word))), None)
