"""Which column of a table means what, and its cells as people write them: numbers, words, true and false, lists, gaps."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cifake_core.errors import BadInput
from cifake_core.images.schema import FAKE, ORIGINAL, REAL, UNKNOWN_CLASS, Original
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import printable
from cifake_core.images.sources.found import Item, Question
from cifake_core.images.sources.layout import label_in_path, numbers_sentence, split_in_path
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.vocabulary import (
    class_of,
    how_to_say,
    is_generator,
    meaning_of,
    number_in,
    split_of,
    tokens,
)

_KNOWN = {
    "image": ("image", "img", "picture", "photo", "image_data", "image_bytes", "jpg", "jpeg", "png", "webp", "bytes", "file_name", "filename",
              "file", "file_path", "filepath", "image_path", "img_path", "image_name", "img_name", "path", "images", "image_id", "id"),
    "split": ("split", "partition"),
    "class": ("class_label", "class_name", "class", "category", "object", "object_class", "fine_label", "coarse_label"),
    "generator": ("generator", "model", "model_name", "generator_name", "source_model", "ai_model", "gen_model", "algorithm"),
    "prompt": ("prompt", "caption", "text", "prompts"),
    "seed": ("seed",),
}  # fmt: skip
_LABELS = ("label", "labels", "target", "targets", "y", "ground_truth", "real_or_fake", "real_fake", "fake_or_real", "answer", "cls")
_MAYBE_LABELS = ("class", "category", "type", "source", "kind", "class_label", "class_name", "origin", "name")
_SELDOM = ("architecture", "real_source", "subset", "family")
_ARTIFACT = {"filename", "image_path", "target", "category"}  # ArtiFact's metadata.csv: target 0 real, 1 and more the kinds of fakes
_TRUE, _FALSE = ("true", "yes", "t", "y"), ("false", "no", "f", "n")


@dataclass
class Columns:
    """The columns of one table by their role, and what its cells add up to as they are read."""

    table: str  # name of the file, for sentences
    names: tuple[str, ...]
    reading: Reading
    class_names: Mapping[str, list[str]] = field(default_factory=dict)  # column → names of its numbers (ClassLabel)
    roles: dict[str, str] = field(default_factory=dict)
    conventions: list[str] = field(default_factory=list)
    pictures: frozenset[str] = frozenset()  # columns that hold pictures: none of them is the label
    candidates: list[str] = field(default_factory=list)  # several columns that could each be the label

    def __post_init__(self) -> None:
        for role in ("image", *list(_KNOWN)[1:], "label"):
            chosen = self.reading.column(role)
            if chosen is not None and chosen not in self.names:
                raise BadInput(f"{self.table} has no column {chosen!r}; it has {', '.join(self.names[:12])}.")
        lower = {name.lower().strip(): name for name in reversed(self.names)}
        for role, known in _KNOWN.items():
            found = self.reading.column(role) or next((lower[name] for name in known if name in lower), None)
            if found is not None:
                self.roles[role] = found
        self._choose_label({short: name for short, name in lower.items() if name not in self.pictures})
        self.open_names: Counter[str] = Counter()
        self._by_convention: set[str] = set()  # numbers that were read as 0 real, 1 fake
        self._witnesses: Counter[bool] = Counter()  # generators and file names that agree, or not, with those numbers
        self._against = ""
        self._read_labels: dict[tuple[type, Any], tuple[str, int | None, tuple[str, str] | None]] = {}
        self._artifact = set(self.names) >= _ARTIFACT and self.roles.get("label") == "target"

    def _choose_label(self, lower: dict[str, str]) -> None:
        """By the user, by name, or the one column that is named after a label ("is_fake", "Label_A")."""
        if chosen := self.reading.column("label"):
            self.roles["label"] = chosen
            return
        plain = [lower[name] for name in _LABELS if name in lower]
        named = [name for name in self.names if name not in self.pictures and _is_named_after_label(name)]
        worded = [lower[n] for n in _MAYBE_LABELS if n in lower and self._says_labels(self.class_names.get(lower[n], ()))]
        lettered = [name for name in self.names if name not in self.pictures and name.lower().startswith("label") and name not in plain]
        lettered = [name for name in lettered if self._says_labels(self.class_names.get(name, ()))] or lettered
        for group in (plain[:1], named, worded, lettered):
            if len(group) == 1:
                self.roles["label"] = group[0]
                break
            if group:
                self.candidates = group
                break
        if self.reading.one_label is not None:
            names = self.class_names.get(self.roles.get("label", ""), ())
            if names and not self._says_labels(names):
                self.roles.setdefault("class", self.roles["label"])  # CIFAR-10's own label is a class
            self.roles.pop("label", None)
            self.candidates = []
        if self.roles.get("class") == self.roles.get("label", ""):
            self.roles.pop("class", None)

    @property
    def tells_labels(self) -> bool:
        """Whether a column is the label, or several could be."""
        return "label" in self.roles or bool(self.candidates)

    def offer_label(self, values: Mapping[str, Iterable[Any]]) -> None:
        """Takes a column of words, such as class or label_str, as the label if all its words say one; `values` are some cells of each.

        Words say more than bare numbers beside them: in Kaggle's 140k faces label 1 is label_str "real".
        """
        label = self.roles.get("label", "")
        numbered = label and not self.class_names.get(label) and all(number_in(text_of(cell)) is not None for cell in values.get(label, ()))
        if (label and not numbered) or self.reading.column("label") or self.candidates or self.reading.one_label is not None:
            return
        told = {name: words for name in self.names if (words := [cell for cell in values.get(name, ()) if cell not in (None, "")])}
        worded = [name for name, words in told.items() if self._says_labels(words)]
        known = [name for name in worded if name.lower() in (*_MAYBE_LABELS, *_LABELS) or name.lower().startswith("label")]
        named = [name for name in told if name != label and _is_named_after_label(name)]
        both = [name for name in worded if name not in self.roles.values() and len({self.reading.vocabulary.meaning(word).label for word in told[name]}) == 2]
        chosen = known[:1] or (named if len(named) == 1 else []) or (both if not label and len(both) == 1 else [])
        for name in chosen:
            self.roles = {role: column for role, column in self.roles.items() if column != name} | {"label": name}

    def _says_labels(self, words: Iterable[Any]) -> bool:
        """Whether there are words, and each says real or fake."""
        words = [word for word in words if isinstance(word, str)]
        return bool(words) and all(self.reading.vocabulary.meaning(word).label is not None for word in words)

    # --- cells

    def item(self, row: Mapping[str, Any], path: str, split: str | None) -> Item:
        """One row as an Item; `split` is what the file's own name says. Raises BadInput where a cell contradicts the picture's folder."""
        name, label, problem = self._label(row)
        in_path = label_in_path(path)
        if label is not None and in_path not in (None, label) and self.reading.one_label is None:
            raise BadInput(
                f"{printable(path)} lies in a folder for the other label than its own, {name or label} (read as {('real', 'fake')[label]}); "
                "say what the numbers or names mean, for example --label-names fake,real."
            )
        class_label, class_name = self._class(row)
        generator = text_of(self._cell(row, "generator"))
        if not generator and label == FAKE and meaning_of(name).strength == 1 and is_generator(name):
            generator = name
        if name in self._by_convention and label is not None:
            self._hear(path, name, label, generator)
        provenance = _provenance(row) | source_of(row)
        if class_name and class_label == UNKNOWN_CLASS:
            provenance["class"] = class_name
        seed = whole_number(self._cell(row, "seed"))
        if seed is None and text_of(self._cell(row, "seed")):
            provenance["seed"] = text_of(self._cell(row, "seed"))
        where = self._split(row, path, split)
        held_out = text_of(row.get("validation")).lower() == "true" and where == "train"
        return Item(
            path, label, name, "validation" if held_out else where, class_label, class_name, generator if label != REAL else "",
            prompt=text_of(self._cell(row, "prompt")), seed=seed, provenance=provenance, held_out=held_out, problem=problem, original=_original(row),
            **{column: text_of(row.get(column)) for column in _SELDOM},
        )  # fmt: skip

    def _cell(self, row: Mapping[str, Any], role: str) -> Any:
        """The cell of a role, a ClassLabel's number as its name."""
        column = self.roles.get(role)
        value = row.get(column) if column else None
        if value is None or column not in self.class_names:
            return value
        names, number = self.class_names[column], whole_number(value)
        return names[number] if names and number is not None and 0 <= number < len(names) else value

    def _label(self, row: Mapping[str, Any]) -> tuple[str, int | None, tuple[str, str] | None]:
        """(name, label, problem): the label None and no problem means that the name must be asked about."""
        if self.reading.one_label is not None:
            return self.reading.label, self.reading.one_label, None
        value = row.get(self.roles.get("label", ""))
        key = (type(value), str(value) if isinstance(value, list | dict) else value)
        known = self._read_labels.get(key)  # a table has a handful of labels in all its rows
        if known is None:
            known = self._read_labels[key] = self._read_label(row, value)
        if known[1] is None and known[2] is None:
            self.open_names[printable(known[0])] += 1
        return known

    def _read_label(self, row: Mapping[str, Any], value: Any) -> tuple[str, int | None, tuple[str, str] | None]:
        column = self.roles.get("label", "")
        number = whole_number(value)
        said_numbers = self.reading.label_names
        name = text_of(said_numbers[number] if said_numbers and number is not None and 0 <= number < len(said_numbers) else self._cell(row, "label"))
        if name == "" or (number is not None and number < 0):
            return name, None, (reasons.UNLABELLED, name or "empty")
        meaning = self.reading.vocabulary.meaning(name)
        label = meaning.label if meaning.label is not None else self._number_label(column, name, number)
        return name, label, None

    def _number_label(self, column: str, name: str, number: int | None) -> int | None:
        """The label of a number or a truth value: by the column's own name ("is_real"), by ArtiFact's rule, or by the convention 1 = fake."""
        word = name.lower()
        number = 1 if word in _TRUE else 0 if word in _FALSE else number_in(name) if number is None else number
        if self._artifact and number is not None:
            self._say("In ArtiFact's metadata.csv target 0 means real; 1 and more, the kinds of fakes, were read as fake.")
            return FAKE if number else REAL
        if number not in (REAL, FAKE) or self.class_names.get(column):
            return None
        of_column = meaning_of(" ".join(tokens(column)).removeprefix("is "))
        if of_column.label is not None:
            self._say(f"The column {printable(column)!r} says what 1 means: {('real', 'fake')[of_column.label]}.")
            return number if of_column.label == FAKE else 1 - number
        self._say(numbers_sentence(()))
        self._by_convention.add(name)
        return number

    def _say(self, sentence: str) -> None:
        if sentence not in self.conventions:
            self.conventions.append(sentence)

    def _hear(self, path: str, name: str, label: int, generator: str) -> None:
        """Compares a bare number with what the picture's file name, or the generator beside it, says plainly."""
        says = {meaning.label for text in (path.rpartition("/")[2].rpartition(".")[0], generator) if (meaning := meaning_of(text)).strength > 2}
        says |= {FAKE} if is_generator(generator, expected=True) else set()
        if len(says) == 1:
            agrees = label in says
            self._witnesses[agrees] += 1
            if not agrees and not self._against:
                said = ("real", "fake")[1 - label]
                self._against = f"{printable(path)} is {said} by its {'generator' if generator else 'name'} and has the number {name}"

    def _class(self, row: Mapping[str, Any]) -> tuple[int, str]:
        """(place in CLASSES or unknown, the name as the source has it). Only our own column class_label holds numbers of CLASSES."""
        value = self._cell(row, "class")
        number = whole_number(value)
        if number is not None and self.roles["class"].lower() == "class_label":
            return number, ""
        name = text_of(value)
        return (class_of(name), name) if name else (UNKNOWN_CLASS, "")

    def _split(self, row: Mapping[str, Any], path: str, of_file: str | None) -> str:
        """The row's own column decides; then, of the file's name and the picture's folders, whichever keeps it out of train."""
        value = "" if self.reading.split else text_of(self._cell(row, "split"))
        if value:
            split = split_of(value)
            if split is None:
                raise BadInput(f"{printable(path)} is in the split {value!r}; train, validation and test are known here: choose one for all, --split train or --split test.")
            return split
        splits = {of_file, split_in_path(path)} - {None}
        if len(splits) > 1:
            self._say("The names of files and the folders of their pictures name different splits; a picture that either puts into test stays out of train.")
        return next((split for split in ("test", "validation") if split in splits), "train")

    def questions(self, total: int, unlabelled: int) -> tuple[Question, ...]:
        """What must be answered before the pictures of this table can be labelled."""
        table = printable(self.table)
        if self.reading.one_label is not None:
            return ()
        if self.candidates:
            choices = ", ".join(map(repr, map(printable, self.candidates)))
            return (Question("columns", f"{table} has several columns that could be the label, {choices}; choose one, for example --columns label={self.candidates[0]}."),)
        if "label" not in self.roles:
            shown = ", ".join(map(printable, self.names[:10]))
            return (Question("columns", f"{table} has no column that says real or fake (its columns: {shown}); name it with --columns label=COLUMN, or add --label real or --label fake."),)
        if self._witnesses[False] and not self._witnesses[True]:
            return (Question("labels", f"The label numbers of {table} are not 0 for real and 1 for fake: {self._against}; add --label-names fake,real.", dict.fromkeys(sorted(self._by_convention), 0)),)
        if self.open_names and self._by_convention and any(number_in(name) is not None for name in self.open_names):
            self.open_names.update(dict.fromkeys(self._by_convention, 0))  # 0, 1, 2: the convention is for two numbers
        if self.open_names:
            names = [name for name, _ in self.open_names.most_common()]
            return (Question("labels", f"In {table}, {how_to_say(names)}.", dict(self.open_names)),)
        if total and unlabelled == total:
            return (Question("columns", f"All {total:,} labels of {table} are missing or −1, as in a test set whose answers are kept back; give files with labels, or add --label real or --label fake."),)
        return ()


def _is_named_after_label(column: str) -> bool:
    """ "fake", "is_ai_generated", "isReal": a column of numbers or truth values whose name says what 1 means."""
    words = [word for word in tokens(column) if word not in ("is", "label", "flag")]
    if "is" in tokens(column)[:1]:  # "is_human", "is_not_ai", "is_deepfake"
        return meaning_of(" ".join(words)).label is not None
    return bool(words) and all(meaning_of(word).strength == 3 for word in words) and meaning_of(column).label is not None


def whole_number(value: Any) -> int | None:
    """An int for 3, 3.0 and "3"; None for truth values, gaps and everything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) else None
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.removeprefix("-").isdecimal() and len(text) < 19 else number_in(text)
    return whole_number(value[0]) if isinstance(value, list) and len(value) == 1 else None


def text_of(value: Any) -> str:
    """The cell as text: "" for a gap, a list's parts joined, whole floats without their ".0"."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, list | tuple):
        return "; ".join(filter(None, map(text_of, value)))
    number = whole_number(value) if isinstance(value, float) else None
    return str(value if number is None else number).strip()


def _original(row: Mapping[str, Any]) -> Original | None:
    """What our own stored Parquet says of the file before it was shrunk; a stranger's column of such a name is none."""
    if not all(f"original_{name}" in row for name in ORIGINAL) or whole_number(row["original_width"]) is None:
        return None
    numbers = {f"original_{name}": whole_number(row[f"original_{name}"]) or 0 for name in ("width", "height", "bytes")}
    exif = {"true": True, "false": False}.get(text_of(row["original_exif"]).lower())
    return Original.of_row({**row, **numbers, "original_exif": exif, **{f"original_{name}": text_of(row[f"original_{name}"]) for name in ("format", "quantisation")}})


def source_of(row: Mapping[str, Any]) -> dict[str, str]:
    """Where the generator came from, such as a repository, in tables that have a column `source` of text."""
    return {"source": row["source"]} if isinstance(row.get("source"), str) and row["source"] else {}


def _provenance(row: Mapping[str, Any]) -> dict:
    """What our own stored Parquet keeps of an image."""
    if not row.get("provenance"):
        return {}
    try:
        known = json.loads(row["provenance"])
    except (TypeError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
