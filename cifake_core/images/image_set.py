"""An image set as it lies in the workspace: read-only views for training, evaluation and the pages.

It knows the folder's files and checks them by digest before use. It does not know how they came to be (building.py,
importing.py) nor what a network does with them. Only `part("test")` opens the sealed test split.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from cifake_core.errors import BadInput, Damaged, NotFound, Refused
from cifake_core.images.rederiving import rederive
from cifake_core.images.schema import FAKE, LABELS, LATER_COLUMNS, MANIFEST_COLUMNS, REAL, missing_column
from cifake_core.images.splitting import validation_rows
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

PARTS = ("train", "validation", "test", "train+validation")
MINIMUM_PER_LABEL = 50  # fewer images of a label than this cannot be learned from, nor held out


@dataclass(frozen=True)
class Part:
    """Some rows of one official split, in the same order in every field."""

    name: str  # train, validation, test or train+validation
    split_pixels: np.ndarray  # uint8 (N, 3, 32, 32), RGB: the whole split, memory-mapped, read-only
    labels: np.ndarray  # int8 (n,), 1 = fake
    class_labels: np.ndarray  # int8 (n,), -1 = unknown
    image_ids: np.ndarray  # str (n,)
    manifest: pd.DataFrame  # n rows, columns of MANIFEST_COLUMNS
    rows: np.ndarray  # int64 (n,): row numbers in the official split, for `ImageSet.encoded_rows`

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 (n, 3, 32, 32): a copy, or the memory-mapped file itself where the part is the whole split.

        Training indexes `split_pixels` by `rows` instead: the copy of CIFAKE's train part is 276 MB.
        """
        return self.split_pixels if len(self.rows) == len(self.split_pixels) else self.split_pixels[self.rows]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class TrainingData:
    """All that training may see. There is no way from here to the test split."""

    train: Part
    validation: Part


@dataclass(frozen=True)
class ImageSet:
    """A complete image set. Opening it reads only its record."""

    folder: Path
    record: dict  # counts, duplicates, source, kind, note, created_at, versions: see building.py

    @staticmethod
    def open(workspace: Workspace, name: str) -> "ImageSet":
        """Raises NotFound, with the names there are."""
        folder = workspace.image_sets / checked_name(name)
        if not (folder / artifacts.RECORD).exists():
            known = ", ".join(s.name for s in ImageSet.list(workspace)[:8])
            hint = f"there are: {known}" if known else "import one first"
            raise NotFound(f"There is no image set named {name!r}; {hint}.")
        return ImageSet(folder, artifacts.read_json(folder / artifacts.RECORD))

    @staticmethod
    def list(workspace: Workspace) -> "list[ImageSet]":
        """All complete sets, by name. One whose record is damaged is left out; opening it by name says so."""
        found = []
        for record in sorted(workspace.image_sets.glob(f"[!.]*/{artifacts.RECORD}")):
            try:
                found.append(ImageSet(record.parent, artifacts.read_json(record)))
            except (Damaged, NotFound):
                continue
        return found

    @staticmethod
    def delete(workspace: Workspace, name: str) -> None:
        """Removes the set and its full-size originals: first its record, so that a crash midway leaves nothing that looks complete."""
        folder = ImageSet.open(workspace, name).folder
        (folder / artifacts.RECORD).unlink()
        shutil.rmtree(folder)
        shutil.rmtree(workspace.originals / name, ignore_errors=True)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def digest(self) -> str:
        """SHA-256 of ids, labels, classes and order of all images: what a run was trained on."""
        return self.record["digest"]

    def has(self, split: str) -> bool:
        """Whether the official split ("train" or "test") has images."""
        return split in self.record["rows"]

    def part(self, name: str) -> Part:
        """Images of "train", "validation", "test" or "train+validation" (the whole official train split, not copied).

        "test" is sealed: call it for final evaluation and for browsing only. Raises BadInput for another name,
        NotFound for a split without images, Damaged if a file does not match its checksum.
        """
        split, rows = self._split_of(name), self._rows(name)
        whole, pixels = _manifest(self.folder, self.digest, split), self.pixels(split)
        everything = len(rows) == len(whole)
        manifest = whole.copy(deep=False) if everything else whole.iloc[rows].reset_index(drop=True)
        return Part(
            name=name,
            split_pixels=pixels,
            labels=manifest["label"].to_numpy(dtype=np.int8),
            class_labels=manifest["class_label"].to_numpy(dtype=np.int8),
            image_ids=manifest["image_id"].to_numpy(dtype=object),
            manifest=manifest,
            rows=rows,
        )

    def manifest(self, name: str) -> pd.DataFrame:
        """What is known of each image of a part, without its pixels. The columns are MANIFEST_COLUMNS."""
        rows = self._rows(name)
        return _manifest(self.folder, self.digest, self._split_of(name)).iloc[rows].reset_index(drop=True)

    def pixels(self, split: str) -> np.ndarray:
        """The memory-mapped uint8 (N, 3, 32, 32) of an official split, read-only; row i is row i of its Parquet.

        A missing or damaged pixel file is decoded again from the Parquet, which holds all there is to know.
        """
        self._check_split(split)
        name = f"{split}-pixels.npy"
        try:
            path = _verified(self.folder, name)
        except (Damaged, NotFound):
            rederive(_verified(self.folder, f"{split}.parquet"), self.folder / name)
            path = _verified(self.folder, name)
        return np.load(path, mmap_mode="r")

    def encoded(self, split: str, row: int) -> bytes:
        """The stored file of one image: `row` counts in the official split, as `Part.rows` does."""
        return self.encoded_rows(split, [row])[0]

    def encoded_rows(self, split: str, rows: Sequence[int]) -> "list[bytes]":
        """The stored files of some images of an official split, in the order asked for."""
        self._check_split(split)
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < self.record["rows"][split]:
            raise BadInput(f"{split} of {self.name!r} has rows 0 to {self.record['rows'][split] - 1}; ask for those.")
        with pq.ParquetFile(_verified(self.folder, f"{split}.parquet")) as file:
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            ends = np.cumsum(sizes)
            group_of = np.searchsorted(ends, wanted, side="right")
            found: dict[int, bytes] = {}
            for group in np.unique(group_of).tolist():
                column = file.read_row_group(group, columns=["image.bytes"])["image"].combine_chunks().field("bytes")
                for row in wanted[group_of == group].tolist():
                    found[row] = column[row - int(ends[group]) + sizes[group]].as_py()
        return [found[row] for row in wanted.tolist()]

    def training_data(self) -> TrainingData:
        """Train and validation, if this set can be trained on; Refused, saying what is missing, if it cannot."""
        if not self.has("train"):
            raise Refused(f"{self.name!r} has no train split, only test images; import a set with a train split.")
        counts = self.record["counts"]["train"]
        for label in LABELS:
            if counts[label] < MINIMUM_PER_LABEL:
                missing = f"only {counts[label]}" if counts[label] else "no"
                raise Refused(
                    f"{self.name!r} has {missing} {label} images to train on; training needs at least "
                    f"{MINIMUM_PER_LABEL} real and {MINIMUM_PER_LABEL} fake ones, so add {label} images first."
                )
        data = TrainingData(self.part("train"), self.part("validation"))
        self._check_distinct(data)
        return data

    def _check_distinct(self, data: TrainingData) -> None:
        for label, word in ((REAL, "real"), (FAKE, "fake")):
            if not (data.validation.labels == label).any() or not (data.train.labels == label).any():
                if self.record.get("validation", {}).get("kept"):
                    raise Refused(
                        f"The source of {self.name!r} held out a validation split, but train or validation has no {word} images; "
                        "import it without --validation keep, so that validation is cut anew."
                    )
                raise Refused(
                    f"The {word} images of {self.name!r} are nearly all the same picture, so none can be held out; "
                    f"add different {word} images."
                )

    def _split_of(self, part: str) -> str:
        if part not in PARTS:
            raise BadInput(f"There is no part named {part!r}; take {', '.join(PARTS)}.")
        split = "test" if part == "test" else "train"
        self._check_split(split)
        return split

    def _check_split(self, split: str) -> None:
        if not self.has(split):
            raise NotFound(f"{self.name!r} has no {split} split; it has {', '.join(self.record['rows'])}.")

    def _rows(self, part: str) -> np.ndarray:
        split = self._split_of(part)
        if part in ("test", "train+validation"):
            return np.arange(self.record["rows"][split])
        held_out = _held_out(self.folder, self.digest)
        return np.flatnonzero(held_out if part == "validation" else ~held_out)


@lru_cache(maxsize=8)
def _manifest(folder: Path, digest: str, split: str) -> pd.DataFrame:
    """Kept for a few sets a process; `digest` makes a set made anew under the same name another one."""
    columns = ["image.path" if name == "path" else name for name in MANIFEST_COLUMNS]
    with pq.ParquetFile(_verified(folder, f"{split}.parquet")) as file:
        table = file.read([name for name in columns if name not in LATER_COLUMNS or name in file.schema_arrow.names])
    for name in LATER_COLUMNS:
        if name not in table.column_names:  # sets stored before there was such a column
            column = table["architecture"] if name == "family" else missing_column(name, len(table))
            table = table.append_column(name, column)
    paths = table["image"].combine_chunks().field("path")
    table = table.drop_columns(["image"]).append_column("path", paths).select(list(MANIFEST_COLUMNS))
    return table.to_pandas().astype({"seed": "Int64", "original_exif": "boolean"})  # what is missing stays missing, seeds stay whole numbers


@lru_cache(maxsize=8)
def _held_out(folder: Path, digest: str) -> np.ndarray:
    """The rows the source held out, where the import kept them so; else a tenth, cut anew."""
    manifest = _manifest(folder, digest, "train")
    stated = manifest["validation"].to_numpy(dtype=bool)
    return stated if stated.any() else validation_rows(manifest)


def _verified(folder: Path, name: str) -> Path:
    """The file, its SHA-256 compared once a process and again whenever its size, time or record changed."""
    try:
        file, record = (folder / name).stat(), (folder / artifacts.RECORD).stat()
    except FileNotFoundError as error:
        raise NotFound(f"{folder.name!r} has no {name}; import the set again.") from error
    return _verified_once(folder, name, (file.st_size, file.st_mtime_ns, file.st_ino, record.st_mtime_ns))


@lru_cache(maxsize=64)
def _verified_once(folder: Path, name: str, state: tuple) -> Path:
    return artifacts.verify(folder, name)
