"""Parquet and Arrow files as a source: Hugging Face's image layout, any table with pictures or their paths, Community Forensics' columns.

Read batch by batch with pyarrow, so that memory stays small however large a file is. What a column means is columns.py's.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from cifake_core.errors import BadInput
from cifake_core.images.codec import sniffed
from cifake_core.images.schema import FAKE, LABELS, REAL, UNKNOWN_CLASS
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import Account, printable, storable
from cifake_core.images.sources.class_names import names_in_card, names_in_metadata
from cifake_core.images.sources.columns import Columns, source_of
from cifake_core.images.sources.found import Found, Item, Question, Unreadable
from cifake_core.images.sources.layout import split_in_path
from cifake_core.images.sources.official_names import OfficialNames
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.tables import BATCH, Table
from cifake_core.images.sources.tree import MAX_FILE_BYTES, SingleFolder, Tree
from cifake_core.images.sources.vocabulary import meaning_of, split_of

_COMMUNITY_FORENSICS = {"image_name", "image_data", "label"}
_BASE64_HEAD = 88  # characters that hold the bytes which tell a format
_CELLS = 200  # rows looked at to see whether a column of words says real and fake


def look(path: Path, reading: Reading | None = None, tree: Tree | None = None, file: str = "", names: Mapping[str, list[str]] | None = None) -> Found:
    """A file on this machine; `file` is its name in the `tree` it comes from, `names` are ClassLabel names of the files beside it. Raises BadInput if it is damaged, empty or holds no pictures."""
    table = Table(path, PurePosixPath(storable(file)).name or path.name)
    if not table.rows:
        raise BadInput(f"{printable(table.name)} holds no rows; give a Parquet file with images.")
    reading = reading or Reading()
    pictures = frozenset(column.name for column in table.schema if _is_image(column.type))
    columns = Columns(printable(table.name), tuple(table.schema.names), reading, _class_names(table, tree, file) or names or {}, pictures=pictures)
    label = _label_of_file(storable(file), path) if not columns.tells_labels and not reading.label and len(pictures) < 2 else None
    if label is not None:
        columns = replace(columns, reading=replace(reading, label=LABELS[label]), roles={}, conventions=[], candidates=[])
        columns.conventions.append(f"{printable(table.name)} has no column of labels; its name or folder says that all its pictures are {LABELS[label]}.")
    numbered = "label" in columns.roles and not columns.class_names and not reading.label
    of_folder = _label_of_file(storable(file)) if file and numbered else None
    community = not reading.columns and set(table.schema.names) >= _COMMUNITY_FORENSICS
    kind = "Parquet with the columns of Community Forensics" if community else f"{table.format} in the Hugging Face image layout"
    if community:
        columns.roles |= {"image": "image_data", "label": "label", "generator": "model_name"}
    source = _Source(table, columns, _file_split(storable(file), path), tree or SingleFolder(path.parent), file, community, of_folder)
    images = source.image_columns()
    source.prepare(images)
    found = Account(seen=table.rows * len(images))
    return Found(
        kind, table.name, table.rows * len(images), partial(source.items, images), partial(source.fetch, images), found,
        tuple(columns.conventions + source.conventions), source.questions,
    )  # fmt: skip


@dataclass
class _Source:
    """The rows of one table as items."""

    table: Table
    columns: Columns
    file_split: str | None
    tree: Tree | SingleFolder  # where pictures lie that the table only names
    file: str
    community: bool
    of_folder: int | None = None  # the label that the file's own name and folders say, beside a column of labels without names

    def __post_init__(self) -> None:
        self.conventions: list[str] = []
        self.questions: tuple[Question, ...] = ()
        self._official = False

    def image_columns(self) -> list[str]:
        """The column with the pictures; two where one holds the reals and another the fakes. Raises BadInput where there is none."""
        schema, chosen = self.table.schema, self.columns.reading.column("image")
        pictures = [name for name in schema.names if _is_image(schema.field(name).type)]
        columns = self.columns
        if not chosen and len(pictures) > 1 and "label" not in columns.roles and columns.reading.one_label is None:
            self._check_labels_of(pictures)
            return pictures
        self._check_nested(chosen or columns.roles.get("image"))
        image = chosen or next((n for n in [self.columns.roles.get("image"), *pictures] if n and (not pictures or n in pictures)), None)
        if image is None or not (_is_image(schema.field(image).type) or _is_text(schema.field(image).type)):
            shown = ", ".join(map(printable, schema.names[:8]))
            raise BadInput(
                f"{printable(self.table.name)} has the columns {shown}; expected are image and label (Hugging Face), image_name, image_data and "
                "label (Community Forensics), or others chosen with --columns image=COLUMN,label=COLUMN."
            )
        if not chosen and len(pictures) > 1:
            shown = ", ".join(repr(printable(name)) for name in pictures if name != image)
            self.conventions.append(f"The pictures are those of the column {printable(image)!r}; those of {shown} are not read (--columns image=COLUMN takes others).")
        columns.roles["image"] = image
        return [image]

    def _check_nested(self, image: str | None) -> None:
        """Raises BadInput for labels that are records and for several pictures a row, which no reading makes one of."""
        label, schema = self.columns.roles.get("label"), self.table.schema
        if label in schema.names and (fields := _fields(schema.field(label).type)):
            raise BadInput(
                f"The column {printable(label)!r} of {printable(self.table.name)} holds records ({', '.join(map(printable, sorted(fields)))}), not a word or a "
                "number; write the field that says real or fake as a column of its own, or add --label real or --label fake."
            )
        lists = [name for name in schema.names if pa.types.is_nested(kind := schema.field(name).type) and not _fields(kind) and not _is_words(kind)]
        if image in lists or (lists and not any(_is_image(schema.field(name).type) or name == image for name in schema.names)):
            name = image if image in lists else lists[0]
            raise BadInput(
                f"The column {printable(name)!r} of {printable(self.table.name)} holds a list in each row (several pictures, or bare pixel values); write "
                "one encoded picture (PNG or JPEG) a row and import again."
            )

    def _check_labels_of(self, pictures: list[str]) -> None:
        """Columns of pictures are one label each where their names say so, of all and of both labels. Raises BadInput where they do not."""
        labels = [self.columns.reading.vocabulary.meaning(name).label for name in pictures]
        shown = ", ".join(repr(printable(name)) for name in pictures)
        if None in labels or set(labels) != {REAL, FAKE}:
            raise BadInput(
                f"{printable(self.table.name)} has several columns of pictures, {shown}, and none of labels; say what they hold, for example "
                f"--real {printable(pictures[0])!r} --fake {printable(pictures[1])!r}, or choose one with --columns image=COLUMN."
            )
        self.conventions.append(f"The columns {shown} each hold the pictures of one label.")

    def prepare(self, images: list[str]) -> None:
        """Goes through all rows without their pictures: what open names there are, how numbers were read, whether CIFAKE numbered the files."""
        if len(images) == 1 and not self.columns.class_names.get(self.columns.roles.get("label", "")):
            light = self._light(images)
            cells: dict[str, list] = {name: [] for name in light if "." not in name}
            for number, row in enumerate(self.table.row_dicts(light)):
                if number == _CELLS:
                    break
                for name, values in cells.items():
                    values.append(row.get(name))
            self.columns.offer_label(cells)
            self.questions = self.columns.questions(0, 0)
            if self.questions:
                return
        official, unlabelled = OfficialNames(), 0
        labels: set[int | None] = set()
        for item in self.items(images, False):
            if item.problem:
                unlabelled += item.problem[0] == reasons.UNLABELLED
            else:
                official.add(item.path)
                labels.add(item.label)
        if len(images) == 1:
            self.questions = self.columns.questions(self.table.rows, unlabelled) or self._folder_question(labels)
        self._official = official.official() and "class" not in self.columns.roles
        if self._official:
            self.conventions.append("Classes are read from CIFAKE's own numbering of its files.")
        self._check_pictures(images)

    def _folder_question(self, labels: set[int | None]) -> tuple[Question, ...]:
        """Where all labels of a file are the other than its own name or folder says: real/a.parquet and fake/a.parquet, each with zeros."""
        if self.of_folder is None or labels != {1 - self.of_folder}:
            return ()
        said, read = LABELS[self.of_folder], LABELS[1 - self.of_folder]
        table = printable(self.file)
        return (Question("columns", f"{table} is of {said} pictures by its name, but all its labels were read as {read}; say which is right: --label-names, or --{said}s with this file alone."),)

    def _check_pictures(self, images: list[str]) -> None:
        """Refuses a table whose first rows all only name pictures that are not there."""
        gone = None
        for _, item in zip(range(BATCH), self.items(images, True), strict=False):
            if not item.problem or item.problem[0] != reasons.MISSING:
                return
            gone = gone or item.path
        if gone:
            raise BadInput(
                f"{printable(self.table.name)} holds paths only, no picture's bytes, and none of its {self.table.rows:,} paths "
                f"({printable(gone[:80])} …) lies beside it; give the folder that holds the pictures with it."
            )

    def items(self, images: list[str], with_data: bool) -> Iterator[Item]:
        columns = [*self._light(images), *(images if with_data else [])]
        if with_data:
            columns = [column for column in columns if column.partition(".")[0] not in images or column in images]
        for number, row in enumerate(self.table.row_dicts(columns)):
            for image in images:
                yield self._item(number, row, image, with_data, len(images) > 1)

    def _item(self, number: int, row: dict[str, Any], image: str, with_data: bool, pair: bool) -> Item:
        cell = row.get(image)
        path = _path_in(cell) or (row.get("image_name") if self.community else "") or ""
        shown = storable(path) or f"{printable(self.table.name)}, row {number}"
        if pair:
            item = Item(shown, self.columns.reading.vocabulary.meaning(image).label, image, self.file_split or "train", prompt="")
        else:
            item = self.columns.item(row, shown, self.file_split)
        if self.community:
            item.provenance = {"nsfw": str(row.get("nsfw_flag")).lower() == "true", "split": row.get("split") or ""} | source_of(row)
        if self._official and item.class_label == UNKNOWN_CLASS:
            item.class_label = OfficialNames.class_of(item.path)
        item.key = number
        if with_data:
            self._fill(item, cell, path)
        return item

    def _fill(self, item: Item, cell: Any, path: str) -> None:
        """The picture's bytes: from the cell, or from the file it names, if that lies beside the table."""
        data = cell if isinstance(cell, bytes) else cell.get("bytes") if isinstance(cell, dict) else _embedded(cell)
        if item.problem is None and data is not None and len(data) > MAX_FILE_BYTES:
            item.problem = (reasons.TOO_LARGE, f"more than {MAX_FILE_BYTES // 2**20} MiB")
        elif item.problem is None and not data and not path:
            item.problem = (reasons.NO_IMAGE, "the cell is empty")
        elif item.problem is None and not data:
            try:
                data = self.tree.read(str(PurePosixPath(self.file).parent / path)) if self.file else self.tree.read(path)
            except (Unreadable, KeyError, OSError, ValueError):
                item.problem = (reasons.MISSING, "only its path is given")
        item.data = data or None

    def _light(self, images: list[str]) -> list[str]:
        """Columns that are read for what they say: none with pictures or other bulk, of those with pictures the paths."""
        schema, found = self.table.schema, []
        for name in schema.names:
            kind = schema.field(name).type
            if name in images and _has_path(kind):
                found.append(f"{name}.path")
            elif name in images:
                found += [name] if _is_text(kind) else []
            elif (not _is_image(kind) and not pa.types.is_nested(kind)) or _is_words(kind):
                found.append(name)
        return found

    def fetch(self, images: list[str], items: list[Item]) -> Iterator[bytes]:
        """The pictures of some rows; of a Parquet file only the row groups they lie in are read."""
        wanted: dict[int, set[str]] = {}
        for item in items:
            wanted.setdefault(item.key, set()).add(item.name if len(images) > 1 else images[0])
        data: dict[tuple[int, str], bytes] = {}
        for number, cells in self.table.rows_at(sorted(wanted), images):
            for image in wanted[number]:
                item = Item("", REAL)
                self._fill(item, cells.get(image), _path_in(cells.get(image)))
                data[number, image] = item.data or b""
        yield from (data.get((item.key, item.name if len(images) > 1 else images[0]), b"") for item in items)


def checked_rows(path: Path) -> int:
    """How many rows a file with pictures and a column named label has. Raises BadInput for another file, reading no row."""
    table = Table(path, path.name)
    names = set(table.schema.names)
    if "label" not in names or not (names >= _COMMUNITY_FORENSICS or any(_has_path(column.type) for column in table.schema)):
        raise BadInput(
            f"{printable(table.name)} has the columns {', '.join(map(printable, table.schema.names[:8]))}; expected are image and label "
            "(Hugging Face), or image_name, image_data and label (Community Forensics)."
        )
    if not table.rows:
        raise BadInput(f"{printable(table.name)} holds no rows; give a Parquet file with images.")
    return table.rows


def _path_in(cell: Any) -> str:
    if isinstance(cell, dict):
        return cell.get("path") or ""
    return cell if isinstance(cell, str) and not _is_embedded(cell) else ""


def _is_embedded(cell: str) -> bool:
    """Whether a text is a picture's file in base64, bare or as a data URL."""
    try:
        return len(cell) > _BASE64_HEAD and sniffed(b64decode(_base64(cell)[:_BASE64_HEAD], validate=True))
    except ValueError:
        return False


def _base64(cell: str) -> str:
    return cell[cell.index(",") + 1 :] if cell[:80].startswith("data:image/") and "," in cell[:80] else cell


def _embedded(cell: Any) -> bytes | None:
    return b64decode(_base64(cell)) if isinstance(cell, str) and _is_embedded(cell) else None


def _is_image(kind: pa.DataType) -> bool:
    return "bytes" in _fields(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _has_path(kind: pa.DataType) -> bool:
    return {"bytes", "path"} <= _fields(kind)


def _fields(kind: pa.DataType) -> set[str]:
    return {kind.field(i).name for i in range(kind.num_fields)} if pa.types.is_struct(kind) else set()


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_words(kind: pa.DataType) -> bool:
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and (_is_text(kind.value_type) or pa.types.is_integer(kind.value_type))


def _class_names(table: Table, tree: Tree | None, file: str) -> dict[str, list[str]]:
    """ClassLabel names: of the file's schema, else of the dataset card that lies in the folder or above the file in it."""
    stated = names_in_metadata(table.schema.metadata)
    if stated:
        return stated
    if tree is None:
        beside = (folder / "README.md" for folder in (table.path.parent, table.path.parent.parent))
        texts = (card.read_text("utf-8", "replace") for card in beside if card.is_file() and card.stat().st_size < 2**20)
        return next(filter(None, map(names_in_card, texts)), {})
    cards = [name for name in tree.files if name.rpartition("/")[2] == "README.md" and (file.startswith(name.rpartition("/")[0]))]
    for card in sorted(cards, key=len, reverse=True):
        try:
            if found := names_in_card(tree.read(card).decode("utf-8", "replace")):
                return found
        except Unreadable:
            continue
    return {}


def stated_names(files: list[tuple[Path, str]]) -> dict[str, list[str]]:
    """ClassLabel names that some of the files (path, name) state and none contradicts. Raises BadInput for a damaged file."""
    stated = [names_in_metadata(Table(path, name).schema.metadata) for path, name in files]
    first = next(filter(None, stated), {})
    return first if all(names in ({}, first) for names in stated) else {}


def _label_of_file(file: str, path: Path = Path()) -> int | None:
    """real.parquet, fake/train.parquet: a file of one kind, as its own name or the folders above it in its source say."""
    words = [*(file.split("/")[:-1] if file else [path.parent.name]), PurePosixPath(file or path.name).stem]
    labels = {meaning.label for word in words if (meaning := meaning_of(word)).strength > 1}
    return labels.pop() if len(labels) == 1 else None


def names_or_holds_pictures(path: Path, name: str) -> bool:
    """Whether a column of the file holds pictures, or has a name by which tables name them. Raises BadInput for a damaged file."""
    schema = Table(path, name).schema
    return any(_is_image(column.type) for column in schema) or "image" in Columns(name, tuple(schema.names), Reading()).roles


def _file_split(file: str, path: Path) -> str | None:
    """From the outermost split folder in the source, else a word of the file's name, else the folder the file lies in."""
    stem = PurePosixPath(file or path.name).stem.lower()
    words = re.split(r"[-_. ]", stem)
    of_name = next((split for word in words if (split := split_of(word))), None)
    return split_in_path(file) or of_name or (split_of(path.parent.name) if not file else None)

