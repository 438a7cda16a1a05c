"""An image set as files to take away: CIFAKE's own folder layout, Hugging Face's Parquet or imagefolder, PNGs that carry their provenance.

Written to disk a row group at a time, so memory stays small however large the set is. The same set gives the same bytes.
"""

import io
import json
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from cifake_core.errors import BadInput
from cifake_core.images import card
from cifake_core.images.building import BATCH
from cifake_core.images.codec import MAX_PIXELS, decode, encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, LABELS, ORIGINAL, SPLITS, UNKNOWN_CLASS, features_metadata
from cifake_core.progress import Progress, silent
from cifake_core.step import Context
from cifake_core.store import artifacts

FORMS = ("cifake", "parquet", "imagefolder", "png")
_KNOWN = ("generator", "prompt", "seed", "architecture", "family", "real_source", "subset", "provenance", "validation")
LOST = {  # columns of the manifest a form cannot say
    "cifake": _KNOWN,
    "parquet": (),
    "imagefolder": (),
    "png": _KNOWN,  # they are in the PNGs' text fields, for people and for "Recall settings"
}
_LISTED = (*_KNOWN, *(f"original_{name}" for name in ORIGINAL))
PROVENANCE = "provenance"  # text field of a PNG: JSON
MOST_TEXT = 100_000  # characters of a PNG's text that are read back
_MANY_CLASSES = 5  # fewer could be copies a file manager numbered
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed date in the archive: the same set gives the same bytes


@dataclass(frozen=True)
class Export:
    """Writes a set into the workspace's folder `exports`. Done twice, it writes the same file again."""

    dataset: str
    form: str = "cifake"  # one of FORMS
    out: str = ""  # the file to write; "" = in the workspace's folder exports

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise BadInput(f"There is no export {self.form!r}; take {', '.join(FORMS)}.")

    def run(self, context: Context) -> dict:
        """{"file": its path, "bytes": its size, "images", "not_carried": what the form cannot say}."""
        images = ImageSet.open(context.workspace, self.dataset)
        path = Path(self.out) if self.out else context.workspace.home / "exports" / file_name(images, self.form)
        export(images, self.form, path, context.on_progress)
        return {"file": str(path), "bytes": path.stat().st_size, "images": sum(images.record["rows"].values()), "not_carried": not_carried(images, self.form)}


def file_name(images: ImageSet, form: str) -> str:
    """ "g7-3fa81c92-png.zip": the digest tells apart two sets that had one name."""
    return f"{images.name}-{images.digest[:8]}-{form}.zip"


def not_carried(images: ImageSet, form: str) -> list[str]:
    """What this set has and this form cannot say; nothing where the import of the export is the same set, down to its digest."""
    return list(_not_carried(images.folder, images.digest, form))


@lru_cache(maxsize=64)
def _not_carried(folder: Path, digest: str, form: str) -> tuple[str, ...]:
    images, lost = ImageSet(folder, artifacts.read_json(folder / artifacts.RECORD)), []
    for split in images.record["rows"]:
        known = _manifest(images, split)
        lost += [name for name in LOST[form] if _filled(known[name])]
        names = _FOLDER_NAMES[form](images, known) if form in _FOLDER_NAMES else []
        lost += ["order"] * (names != sorted(names))
    return tuple(dict.fromkeys(lost))


def _filled(column: pd.Series) -> bool:
    return bool((column.notna() & ~column.astype(str).isin(("", "{}", "False"))).any())


def _manifest(images: ImageSet, split: str) -> pd.DataFrame:
    return images.manifest("test" if split == "test" else "train+validation")


def export(images: ImageSet, form: str, path: Path, on_progress: Progress = silent) -> None:
    """Writes the set as `form` to `path`, whole or not at all. Raises BadInput for an unknown form, Damaged."""
    if form not in FORMS:
        raise BadInput(f"There is no export {form!r}; take {', '.join(FORMS)}.")
    writer = {"cifake": _cifake, "parquet": _parquet, "imagefolder": _imagefolder, "png": _pngs}[form]
    with artifacts.whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed:  # pictures are compressed already
        for name, data in writer(images, on_progress):
            if isinstance(data, bytes):
                packed.writestr(zipfile.ZipInfo(name, _EPOCH), data)
                continue
            with data.open("rb") as source, packed.open(zipfile.ZipInfo(name, _EPOCH), "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def provenance_in(data: bytes) -> dict:
    """The provenance an exported PNG carries. Raises BadInput if it has none that can be read."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadInput("This PNG is too large; take one out of an export as PNGs.")
            picture.load()  # text fields may stand behind the pixels
            text = getattr(picture, "text", {}).get(PROVENANCE, "")
        read = json.loads(text) if 0 < len(text) <= MOST_TEXT else None
    except BadInput:
        raise
    except Exception as error:  # Pillow raises many kinds on hostile bytes; each means the same to the user
        raise BadInput("This is no PNG that was exported here; take one out of an export as PNGs.") from error
    if not isinstance(read, dict) or not read:
        raise BadInput("This PNG says nothing of how it was made; take one out of an export as PNGs.")
    return read


def _named(images: ImageSet, on_progress: Progress, form: str) -> Iterator[tuple[str, dict, bytes]]:
    """(name, what is known, stored file) of each image, its name by _FOLDER_NAMES."""
    names = [name for split in SPLITS if images.has(split) for name in _FOLDER_NAMES[form](images, _manifest(images, split))]
    for name, (known, data) in zip(names, _stored(images, on_progress), strict=True):
        yield name, known, data


def _cifake(images: ImageSet, on_progress: Progress) -> Iterator[tuple[str, bytes]]:
    """The bytes as they are stored, under `_cifake_names`."""
    for name, _, data in _named(images, on_progress, "cifake"):
        yield name, data


def _cifake_names(images: ImageSet, known: pd.DataFrame) -> list[str]:
    """train/FAKE/0000 (2).jpg …: the number in brackets is the class, none = airplane; else train/FAKE/<class>/0000.jpg."""
    in_names = _classes_in_names(images)
    numbers, names = known.groupby(["label", "class_label"]).cumcount(), []
    for split, label, c, kind, number in zip(known["split"], known["label"], known["class_label"], known["format"], numbers, strict=True):
        folder = f"{split}/{LABELS[label].upper()}" + (f"/{CLASSES[c]}" if not in_names and c != UNKNOWN_CLASS else "")
        mark = f" ({c + 1})" if c > 0 and in_names else ""
        names.append(f"{folder}/{number:0{_digits(images)}d}{mark}.{_suffix(kind)}")
    return names


def _classes_in_names(images: ImageSet) -> bool:
    """Whether numbers in names would be read as classes again: as in CIFAKE, all known, many, and airplanes, which have none, no more than half."""
    counts: Counter[str] = Counter()
    for labels in images.record["classes"].values():
        for words in labels.values():
            counts.update(words)
    present = +counts
    return set(present) <= set(CLASSES) and len(present) >= _MANY_CLASSES and 2 * counts[CLASSES[0]] <= counts.total()


def _digits(images: ImageSet) -> int:
    """Of a number in a file's name: 4 as in CIFAKE, more where a set needs them, so that names sort as numbers do."""
    return max(4, len(str(max(images.record["rows"].values()) - 1)))


def _suffix(kind: str) -> str:
    return "jpg" if kind == "JPEG" else kind.lower()


def _parquet(images: ImageSet, on_progress: Progress) -> Iterator[tuple[str, bytes | Path]]:
    """README.md and data/<split>-00000-of-00001.parquet: a repository of Hugging Face's, labels and classes with their names."""
    yield card.NAME, card.dataset_card(images).encode()
    for split in images.record["rows"]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "split.parquet"
            _named_labels(artifacts.verify(images.folder, f"{split}.parquet"), path)
            yield f"data/{split}-00000-of-00001.parquet", path


def _named_labels(source: Path, target: Path) -> None:
    """The same file with ClassLabel names, which sets stored by earlier versions lack; a row group in memory at a time."""
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow.with_metadata(features_metadata(file.schema_arrow.names))
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for group in range(file.num_row_groups):
                writer.write_table(file.read_row_group(group).cast(schema))


def _imagefolder(images: ImageSet, on_progress: Progress) -> Iterator[tuple[str, bytes]]:
    """<split>/000000.jpg … and <split>/metadata.csv with a row each, as Hugging Face's imagefolder reads it."""
    yield card.NAME, card.dataset_card(images, tables=False).encode()
    rows: dict[str, list[dict]] = {}
    for known, data in _stored(images, on_progress):
        listed = rows.setdefault(known["split"], [])
        name = f"{len(listed):0{max(6, _digits(images))}d}.{_suffix(known['format'])}"
        class_name = CLASSES[known["class_label"]] if known["class_label"] != UNKNOWN_CLASS else ""
        kept = {column: _cell(known[column]) for column in _LISTED}
        listed.append({"file_name": name, "label": LABELS[known["label"]], "class_name": class_name, **kept})
        yield f"{known['split']}/{name}", data
    for split, listed in rows.items():
        yield f"{split}/metadata.csv", pd.DataFrame(listed).to_csv(index=False).encode()


def _cell(value: object) -> object:
    return "" if value is None or pd.isna(value) else value


def _pngs(images: ImageSet, on_progress: Progress) -> Iterator[tuple[str, bytes]]:
    """Lossless, what is known of each in the PNG's text fields."""
    for name, known, data in _named(images, on_progress, "png"):
        told = {field: str(known[field]) for field in ("generator", "prompt", "seed") if not pd.isna(known[field]) and known[field] != ""}
        text = {"label": LABELS[known["label"]], "class": (*CLASSES, "unknown")[known["class_label"]], **told}
        if known["provenance"] not in ("", "{}", None):
            text[PROVENANCE] = known["provenance"]
        yield name, encode_png(decode(data), text)


def _png_names(images: ImageSet, known: pd.DataFrame) -> list[str]:
    """train/fake/cat/00000.png …"""
    numbers = known.groupby(["label", "class_label"]).cumcount()
    words = (*CLASSES, "unknown")
    return [
        f"{split}/{LABELS[label]}/{words[c]}/{number:0{_digits(images) + 1}d}.png"
        for split, label, c, number in zip(known["split"], known["label"], known["class_label"], numbers, strict=True)
    ]


_FOLDER_NAMES = {"cifake": _cifake_names, "png": _png_names}


def _stored(images: ImageSet, on_progress: Progress) -> Iterator[tuple[dict, bytes]]:
    """What is known of each image, and its stored file; a row group in memory at a time."""
    total, done = sum(images.record["rows"].values()), 0
    for split in (split for split in SPLITS if images.has(split)):
        manifest = _manifest(images, split)
        for start in range(0, len(manifest), BATCH):
            part = manifest.iloc[start : start + BATCH]
            yield from zip(part.to_dict("records"), images.encoded_rows(split, range(start, start + len(part))), strict=True)
            done += len(part)
            on_progress(done, total, f"{done:,} images written")
