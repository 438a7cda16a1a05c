"""An image set as files to take away: CIFAKE's own folder layout, Parquet, or PNGs that carry their provenance.

Written to disk a row group at a time, so memory stays small however large the set is. The same set gives the same bytes.
"""

import io
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from cifake_core.errors import BadInput
from cifake_core.images.building import BATCH
from cifake_core.images.codec import MAX_PIXELS, decode, encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, LABELS, SPLITS, UNKNOWN_CLASS
from cifake_core.progress import Progress, silent
from cifake_core.step import Context
from cifake_core.store import artifacts

FORMS = {"cifake": "zip", "parquet": "parquet", "png": "zip"}  # what is made → suffix of its file
PROVENANCE = "provenance"  # text field of a PNG: JSON
MOST_TEXT = 100_000  # characters of a PNG's text that are read back
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed date in the archive: the same set gives the same bytes


@dataclass(frozen=True)
class Export:
    """Writes a set into the workspace's folder `exports`. Done twice, it writes the same file again."""

    dataset: str
    form: str = "cifake"  # one of FORMS

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise BadInput(f"There is no export {self.form!r}; take {', '.join(FORMS)}.")

    def run(self, context: Context) -> dict:
        """{"file": its path, "bytes": its size, "images"}."""
        images = ImageSet.open(context.workspace, self.dataset)
        path = context.workspace.home / "exports" / file_name(images, self.form)
        export(images, self.form, path, context.on_progress)
        return {"file": str(path), "bytes": path.stat().st_size, "images": sum(images.record["rows"].values())}


def file_name(images: ImageSet, form: str) -> str:
    """ "g7-3fa81c92-png.zip": the digest tells apart two sets that had one name."""
    suffix = "zip" if form == "parquet" and len(images.record["rows"]) > 1 else FORMS[form]
    return f"{images.name}-{images.digest[:8]}-{form}.{suffix}"


def export(images: ImageSet, form: str, path: Path, on_progress: Progress = silent) -> None:
    """Writes the set as `form` to `path`, whole or not at all. Raises BadInput for an unknown form, Damaged."""
    if form not in FORMS:
        raise BadInput(f"There is no export {form!r}; take {', '.join(FORMS)}.")
    with artifacts.whole_file(path) as temporary:
        if form == "parquet":
            _parquet(images, temporary)
        else:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed:  # JPEG and PNG are compressed already
                for name, data in (_cifake if form == "cifake" else _pngs)(images, on_progress):
                    packed.writestr(zipfile.ZipInfo(name, _EPOCH), data)


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


def _parquet(images: ImageSet, path: Path) -> None:
    files = [artifacts.verify(images.folder, f"{split}.parquet") for split in images.record["rows"]]
    if len(files) == 1:
        shutil.copyfile(files[0], path)
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for file in files:
            with file.open("rb") as source, packed.open(zipfile.ZipInfo(file.name, _EPOCH), "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def _cifake(images: ImageSet, on_progress: Progress) -> Iterator[tuple[str, bytes]]:
    """train/FAKE/0000 (2).jpg …, the bytes as they are stored. The number in brackets is the class, none = airplane."""
    numbers: Counter = Counter()
    for known, data in _stored(images, on_progress):
        place = (known["split"], known["label"], known["class_label"])
        mark = {0: "", UNKNOWN_CLASS: " unknown"}.get(known["class_label"], f" ({known['class_label'] + 1})")
        suffix = "jpg" if known["format"] == "JPEG" else known["format"].lower()
        yield f"{known['split']}/{LABELS[known['label']].upper()}/{numbers[place]:04d}{mark}.{suffix}", data
        numbers[place] += 1


def _pngs(images: ImageSet, on_progress: Progress) -> Iterator[tuple[str, bytes]]:
    numbers: Counter = Counter()
    for known, data in _stored(images, on_progress):
        label, word = LABELS[known["label"]], (*CLASSES, "unknown")[known["class_label"]]
        place = f"{known['split']}/{label}-{word}"
        told = {name: str(known[name]) for name in ("generator", "prompt", "seed") if not pd.isna(known[name]) and known[name] != ""}
        text = {"label": label, "class": word, **told}
        if known["provenance"] not in ("", "{}", None):
            text[PROVENANCE] = known["provenance"]
        yield f"{place}-{numbers[place]:05d}.png", encode_png(decode(data), text)
        numbers[place] += 1


def _stored(images: ImageSet, on_progress: Progress) -> Iterator[tuple[dict, bytes]]:
    """What is known of each image, and its stored file; a row group in memory at a time."""
    total, done = sum(images.record["rows"].values()), 0
    for split in (split for split in SPLITS if images.has(split)):
        manifest = images.manifest("test" if split == "test" else "train+validation")
        for start in range(0, len(manifest), BATCH):
            part = manifest.iloc[start : start + BATCH]
            yield from zip(part.to_dict("records"), images.encoded_rows(split, range(start, start + len(part))), strict=True)
            done += len(part)
            on_progress(done, total, f"{done:,} images written")
