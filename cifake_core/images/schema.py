"""One row of an image set: the columns of the stored Parquet, the classes, the identity of an image.

The Parquet is the Hugging Face image layout (image {bytes, path}, label, class_label) plus the manifest columns. It does
not know files or folders.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from cifake_core.errors import BadInput

SPLITS = ("train", "test")  # the official ones; validation is cut from train
REAL, FAKE = 0, 1
LABELS = ("real", "fake")  # LABELS[label]
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
UNKNOWN_CLASS = -1

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_MANIFEST = {
    "label": pa.int8(),  # 0 real, 1 fake
    "class_label": pa.int8(),  # place in CLASSES, -1 unknown
    "image_id": pa.string(),  # SHA-256 of the decoded pixels: equal ids are pixel-identical
    "split": pa.string(),  # official: train or test
    "generator": pa.string(),  # "" for photographs and where nobody said
    "prompt": pa.string(),
    "seed": pa.int64(),  # missing where unknown
    "format": pa.string(),  # of the stored bytes: JPEG, PNG, WEBP or BMP
    "width": pa.int32(),  # pixels, as stored
    "height": pa.int32(),
    "architecture": pa.string(),  # Community Forensics: LatDiff, PixDiff, GAN, …
    "family": pa.string(),  # generators that are alike, as told by whoever knows; else the architecture
    "real_source": pa.string(),
    "subset": pa.string(),
    "provenance": pa.string(),  # JSON: whatever else the maker of the image recorded
    "validation": pa.bool_(),  # of a train image: held out by its source, and kept so; absent in files of earlier versions
    "original_width": pa.int32(),  # pixels, upright, before anything was shrunk; 0 = not known, as the next three
    "original_height": pa.int32(),
    "original_bytes": pa.int64(),  # of the file as it came
    "original_format": pa.string(),  # "" = never a file: drawn here, or not known
    "original_quantisation": pa.string(),  # of a JPEG: see `jpeg_tables.table_name`
    "original_exif": pa.bool_(),  # missing where unknown
}
ORIGINAL = ("width", "height", "bytes", "format", "quantisation", "exif")  # fields of `Original`, columns original_…
LATER_COLUMNS = ("family", "validation", *(f"original_{name}" for name in ORIGINAL))  # sets stored by earlier versions lack them
MANIFEST_COLUMNS = (*_MANIFEST, "path")  # of `ImageSet.manifest`; path is stored inside `image`


def missing_column(name: str, rows: int) -> pa.Array:
    """A column of LATER_COLUMNS for a set that was stored without it: 0 or "" for not known, nothing held out."""
    kind = _MANIFEST[name]
    if name == "validation":
        return pa.array([False] * rows, kind)
    unknown = 0 if pa.types.is_integer(kind) else "" if pa.types.is_string(kind) else None
    return pa.array([unknown] * rows, kind)


def stored_schema() -> pa.Schema:
    """The Parquet's columns, with the metadata by which Hugging Face's `datasets` shows `image` as pictures."""
    columns = {"image": _IMAGE, **_MANIFEST}
    return pa.schema(columns.items(), metadata=features_metadata(columns))


def features(columns: Iterable[str]) -> dict[str, dict]:
    """The columns as Hugging Face's `datasets` describes them: labels and classes with the names of their numbers."""
    named = {"image": {"_type": "Image"}, "label": {"names": list(LABELS), "_type": "ClassLabel"}, "class_label": {"names": list(CLASSES), "_type": "ClassLabel"}}
    return {name: named.get(name) or {"dtype": str(_MANIFEST[name]), "_type": "Value"} for name in columns}


def features_metadata(columns: Iterable[str]) -> dict[str, str]:
    """The same as a Parquet's schema metadata."""
    return {"huggingface": json.dumps({"info": {"features": features(columns)}})}


@dataclass(frozen=True)
class Original:
    """What the file of an image was before anything was done to it: its size and metadata can give a label away."""

    width: int = 0  # pixels, upright; 0 = not known
    height: int = 0
    bytes: int = 0
    format: str = ""
    quantisation: str = ""
    exif: bool | None = None

    def as_columns(self) -> dict:
        """The manifest's columns `original_…`."""
        return {f"original_{name}": getattr(self, name) for name in ORIGINAL}

    @staticmethod
    def drawn(provenance: dict) -> "Original | None":
        """Of a picture that a generator drew: its size, and no file."""
        return Original(*provenance["original_size"]) if provenance.get("original_size") else None

    @staticmethod
    def of_row(row: dict) -> "Original | None":
        """From a row of a manifest or of a Parquet stored here; None where it says nothing of the size."""
        if not row.get("original_width"):
            return None
        known = {name: row[f"original_{name}"] for name in ORIGINAL if f"original_{name}" in row}
        return Original(**{name: None if pd.isna(value) else value for name, value in known.items()})


@dataclass(frozen=True)
class NewImage:
    """An image on its way into a set: the bytes of its file and what is known about it."""

    data: bytes  # a picture file in one of codec.FORMATS
    label: int  # 0 real, 1 fake
    class_label: int = UNKNOWN_CLASS
    split: str = "train"  # train or test
    path: str = ""  # name inside its source, shown to the user; "" = numbered on storing
    generator: str = ""
    prompt: str = ""
    seed: int | None = None
    provenance: dict = field(default_factory=dict)  # JSON-able
    architecture: str = ""
    real_source: str = ""
    subset: str = ""
    family: str = ""  # "" = the architecture
    validation: bool = False  # of the train split: held out by its source, and to be kept so
    original: Original | None = None  # None = the file in `data` is the original

    def __post_init__(self) -> None:
        name = self.path or "An image"
        if self.label not in (REAL, FAKE):
            raise BadInput(f"{name} has the label {self.label!r}; it must be 0 (real) or 1 (fake).")
        if not UNKNOWN_CLASS <= self.class_label < len(CLASSES):
            raise BadInput(f"{name} has the class {self.class_label}; it must be 0 to 9, or -1 for unknown.")
        if self.split not in SPLITS:
            raise BadInput(f"{name} is in the split {self.split!r}; it must be train or test.")
        assert not self.validation or self.split == "train"


def image_id(pixels: np.ndarray) -> str:
    """SHA-256 (64 hex digits) of pixels uint8 (H, W, 3) and their shape: the same for any lossless encoding."""
    shape = "x".join(map(str, pixels.shape)).encode()
    return hashlib.sha256(shape + b":" + np.ascontiguousarray(pixels).tobytes()).hexdigest()
