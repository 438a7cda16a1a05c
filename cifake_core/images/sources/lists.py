"""Lists of pictures in a source: CSV, TSV, JSONL or JSON files whose rows name pictures and say something about them."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from cifake_core.errors import BadInput
from cifake_core.images.sources.account import printable, storable
from cifake_core.images.sources.columns import Columns, text_of
from cifake_core.images.sources.found import Item, Unreadable
from cifake_core.images.sources.layout import label_in_path
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.tree import Tree
from cifake_core.images.sources.vocabulary import number_in

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
        yield PictureList(file, rows, columns)
    elif named:
        shown = ", ".join(map(printable, names[:10]))
        raise BadInput(f"{printable(file)} names no picture that lies beside it (its columns: {shown}); choose the column with --columns image=COLUMN.")


def _has_columns(names: tuple[str, ...], reading: Reading) -> bool:
    return all(chosen.partition("=")[2] in names for chosen in reading.columns)


def _image_column(names: tuple[str, ...], rows: list[dict], file: str, finder: "Finder") -> str:
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


def _json_rows(content: Any) -> list[dict[str, Any]]:
    """A list of objects; or an object whose keys are files and whose values are labels or objects."""
    if isinstance(content, list):
        return [row for row in content if isinstance(row, dict)]
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
        return next((file for tail in tails if (file := self._by_tail.get("/".join(tail)))), None)

    @cached_property
    def _by_tail(self) -> dict[str, str | None]:
        """The last one to four parts of a picture's path, with and without suffix → the picture; None where several share them."""
        found: dict[str, str | None] = {}
        for path, file in self._files.items():
            parts = path.split("/")
            for depth in range(1, min(len(parts), 4) + 1):
                tail = "/".join(parts[-depth:])
                for name in {tail, tail.removesuffix(PurePosixPath(path).suffix)}:
                    found[name] = None if name in found else file
        return found
