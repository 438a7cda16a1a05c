"""Builds an image set from rows of any source: decodes, checks, writes everything, the record last.

Imports, generators and the demo all come through `new_image_set`. It does not know where rows come from.
"""

import hashlib
import shutil
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from cifake_core.errors import BadInput, Conflict
from cifake_core.images.codec import BrokenImage
from cifake_core.images.duplicates import duplicates
from cifake_core.images.fingerprint import OFFICIAL_CIFAKE, Fingerprint
from cifake_core.images.image_set import ImageSet
from cifake_core.images.preparing import Prepared, Treatment, prepared
from cifake_core.images.schema import CLASSES, FAKE, LABELS, SPLITS, NewImage
from cifake_core.images.writing import SplitWriter
from cifake_core.progress import Progress, silent
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

KINDS = ("photographs", "generated", "mixed", "rendered")  # mixed: real photographs and generated fakes; rendered: neither
LeaveOut = Callable[[NewImage, BrokenImage], None]
_TELL_S = 1.0  # between two reports where images are slow to read
BATCH = 1000  # images decoded, written and reported at a time; also the Parquet's row group


def new_image_set(
    workspace: Workspace,
    name: str,
    rows: Iterable[NewImage],
    *,
    kind: str = "",
    note: str = "",
    source: dict | Callable[[], dict] | None = None,
    treatment: Treatment | None = None,
    total: int = 0,
    on_progress: Progress = silent,
    leave_out: LeaveOut | None = None,
) -> ImageSet:
    """The set of these images, stored whole or not at all; the one that is there, if it holds exactly the same.

    `kind` is one of KINDS ("" = told by the labels: photographs, generated or mixed); `source` (JSON-able) says where the rows came from, or is asked for it once all are read; `total` is how many are
    expected, for progress. A picture that is broken is given to `leave_out` with what is wrong with it; without it, it stops the work.
    Raises Conflict if the name is taken by other images, BadInput if an image cannot be used, if the same picture is labelled both real
    and fake, or if there is none.
    """
    folder = workspace.image_sets / checked_name(name)
    checked_kind(kind)
    treatment = treatment or Treatment()
    images = _prepare(rows, treatment, total, on_progress, leave_out)
    if (folder / artifacts.RECORD).exists():
        return _same_or_conflict(ImageSet.open(workspace, name), images)
    shutil.rmtree(folder, ignore_errors=True)  # what a deletion cut short has left: without a record it is nothing
    with artifacts.whole_folder(folder) as building:
        content = _Content(name)
        writers = _write(building, images, content)
        record = {
            "name": name,
            "kind": kind or content.kind(),
            "note": note,
            "source": (source() if callable(source) else source) or {},
            "treatment": {"resize": treatment.resize, "jpeg": treatment.jpeg},
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {package: version(package) for package in ("pillow", "numpy", "pyarrow")},
            **content.summary(),
        }
        artifacts.write_record(building, record, [file for writer in writers for file in writer.files])
    return ImageSet.open(workspace, name)


def checked_kind(kind: str) -> str:
    """The kind itself, if there is such a kind or it is left open (""); raises BadInput."""
    if kind and kind not in KINDS:
        raise BadInput(f"The kind of an image set is {kind!r}; take {', '.join(KINDS)}.")
    return kind


class _Content:
    """What a set adds up to, gathered as its images pass by."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._first: dict[bytes, int] = {}  # image id → place in `_met` where it was first met
        self._met = array("q")  # label + 2 × where its path ends in `_paths`; packed, for sets of millions
        self._paths = bytearray()
        self._ids: dict[str, bytearray] = {split: bytearray() for split in SPLITS}  # 32 bytes an image
        self._labels: dict[str, array] = {split: array("b") for split in SPLITS}  # label, class, held out, …
        self._formats: Counter[str] = Counter()
        self._generators: Counter[str] = Counter()
        self._fingerprint = Fingerprint()
        self._resized = 0

    def add(self, item: Prepared) -> None:
        image = item.image
        key = bytes.fromhex(item.image_id)
        self._check_label(key, image)
        self._ids[image.split] += key
        self._labels[image.split].extend((image.label, image.class_label, image.validation))
        self._formats[item.format] += 1
        self._generators[image.generator] += 1
        self._fingerprint.add(image)
        self._resized += item.resized

    def _check_label(self, key: bytes, image: NewImage) -> None:
        """Remembers a picture met first; BadInput if it was met with the other label."""
        place = self._first.setdefault(key, len(self._met))
        if place == len(self._met):
            self._paths += image.path.encode()
            self._met.append(image.label + 2 * len(self._paths))
        label = self._met[place] % 2
        if label != image.label:
            start = self._met[place - 1] // 2 if place else 0
            path = self._paths[start : self._met[place] // 2].decode()
            raise BadInput(
                f"{path or 'An image'} ({LABELS[label]}) and {image.path or 'another'} ({LABELS[image.label]}) are the "
                "same picture with different labels; remove one of them."
            )

    def _keys(self, split: str) -> list[bytes]:
        packed = self._ids[split]
        return [bytes(packed[start : start + 32]) for start in range(0, len(packed), 32)]

    def _pairs(self, split: str) -> Iterator[tuple[int, int]]:
        """(label, class) of each image, in order."""
        packed = self._labels[split]
        return zip(packed[0::3], packed[1::3], strict=True)

    def _held_out(self, split: str) -> array:
        """1 for each image that the source held out for validation and that stays so, in order."""
        return self._labels[split][2::3]

    def kind(self) -> str:
        """photographs, generated or mixed, by the labels that occur."""
        labels = {label for rows in self._labels.values() for label in set(rows[0::3])}
        return "mixed" if len(labels) > 1 else "generated" if FAKE in labels else "photographs"

    def digest(self) -> str:
        """SHA-256 over split, id, label and class of every image, in their order; the split of one held out is validation."""
        digest = hashlib.sha256()
        for split in SPLITS:
            for key, (label, class_label), held in zip(self._keys(split), self._pairs(split), self._held_out(split), strict=True):
                digest.update(f"{'validation' if held else split} {key.hex()} {label} {class_label}\n".encode())
        return digest.hexdigest()

    def summary(self) -> dict:
        """Digest, counts, duplicates: the part of the record that the images decide."""
        present = [split for split in SPLITS if self._ids[split]]
        if not present:
            raise BadInput(f"There is no image for {self._name!r}; give a source that holds images.")
        return {
            "digest": self.digest(),
            "rows": {split: len(self._ids[split]) // 32 for split in present},
            "counts": {split: self._per_label(split) for split in present},
            "classes": {split: self._per_class(split) for split in present},
            "duplicates": duplicates({split: self._keys(split) for split in present}),
            "formats": dict(self._formats),
            "generators": {name: n for name, n in self._generators.most_common() if name},
            "resized": self._resized,
            **self._validation(),
            "fingerprint": self._fingerprint.hexdigest(),
            "official_cifake": self._fingerprint.hexdigest() == OFFICIAL_CIFAKE,
        }

    def _validation(self) -> dict:
        """{"validation": {"kept": images, "also_in_train": of them pictures that train has too}}, where a source's own is kept."""
        held = self._held_out("train")
        if not any(held):
            return {}
        keys = self._keys("train")
        train = {key for key, out in zip(keys, held, strict=True) if not out}
        return {"validation": {"kept": sum(held), "also_in_train": sum(out and key in train for key, out in zip(keys, held, strict=True))}}

    def _per_label(self, split: str) -> dict[str, int]:
        found = Counter(self._labels[split][0::3])
        return {word: found[label] for label, word in enumerate(LABELS)}

    def _per_class(self, split: str) -> dict[str, dict[str, int]]:
        """{"real": {"airplane": n, …, "unknown": n}, "fake": …}, classes without images left out."""
        found = Counter(self._pairs(split))
        words = {**dict(enumerate(CLASSES)), -1: "unknown"}
        return {
            label_word: {word: found[label, c] for c, word in words.items() if found[label, c]}
            for label, label_word in enumerate(LABELS)
        }


def _write(folder: Path, images: Iterator[list[Prepared]], content: _Content) -> list[SplitWriter]:
    writers: dict[str, SplitWriter] = {}
    try:
        for batch in images:
            for item in batch:
                content.add(item)
            for split in SPLITS:
                rows = [item for item in batch if item.image.split == split]
                if rows and split not in writers:
                    writers[split] = SplitWriter(folder, split)
                if rows:
                    writers[split].write(rows)
    finally:
        for writer in writers.values():
            writer.close()
    return list(writers.values())


def _same_or_conflict(there: ImageSet, images: Iterator[list[Prepared]]) -> ImageSet:
    content = _Content(there.name)
    for batch in images:
        for item in batch:
            content.add(item)
    if content.digest() != there.digest:
        raise Conflict(f"The name {there.name!r} is taken by other images; choose another name or delete that set first.")
    return there


def _prepare(
    rows: Iterable[NewImage], treatment: Treatment, total: int, on_progress: Progress, leave_out: LeaveOut | None
) -> Iterator[list[Prepared]]:
    """Batches of decoded images in the order of `rows`. One file at a time is in memory: photographs are large.

    One thread on purpose: for images this small most of Pillow's time holds the interpreter's lock, and two threads were
    measured slower than one (120,000 images: 39 s of CPU time against 25).
    """
    done, batch, told = 0, [], time.monotonic()
    for image in rows:
        try:
            batch.append(prepared(image, treatment))
        except BrokenImage as error:
            if leave_out is None:
                raise
            leave_out(image, error)
        done += 1
        if len(batch) == BATCH:
            yield batch
            batch = []
        if done % BATCH == 0 or time.monotonic() - told > _TELL_S:
            told = time.monotonic()
            on_progress(done, max(total, done), f"{done:,} images read")
    if batch:
        yield batch
        on_progress(done, max(total, done), f"{done:,} images read")
