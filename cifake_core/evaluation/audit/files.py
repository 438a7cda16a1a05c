"""What the files of a set tell before a picture is decoded: format, size, JPEG tables, per label.

It reads headers only. Whether they give the label away is measured by baselines.py.
"""

import io
from functools import lru_cache

import numpy as np
import pandas as pd
from PIL import Image, JpegImagePlugin

from cifake_core.images.image_set import ImageSet
from cifake_core.images.jpeg_tables import table_name
from cifake_core.images.schema import LABELS
from cifake_core.progress import Progress, silent

CHUNK = 1000  # files read at once: one row group of the Parquet
COLUMNS = ("format", "quantisation", "subsampling", "exif", "mode")
_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


def file_facts(image_set: ImageSet, split: str, on_progress: Progress = silent) -> pd.DataFrame:
    """One row a file of that official split, in its order: bytes, bytes_per_pixel and COLUMNS."""
    total = image_set.record["rows"][split]
    rows = []
    for start in range(0, total, CHUNK):
        chunk = range(start, min(start + CHUNK, total))
        rows += [header(data) for data in image_set.encoded_rows(split, chunk)]
        on_progress(chunk.stop, total, "Reading the files' headers")
    return pd.DataFrame(rows)


def header(data: bytes) -> dict:
    """What one file says of itself; nothing is decoded. Stored files were decoded once, on import."""
    start = _before_the_scan(data)
    told, pixels = _told_once(start) if start else _told(data)
    return {"bytes": len(data), "bytes_per_pixel": len(data) / pixels, **told}


def _before_the_scan(data: bytes) -> bytes:
    """All that is read of a JPEG before its picture: often the same bytes in every file of a set. Nothing for other files."""
    at = 2
    while data[:2] == b"\xff\xd8" and data[at : at + 1] == b"\xff":
        if data[at + 1 : at + 2] == b"\xda":
            return data[: at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b""


def _told(data: bytes) -> tuple[dict, int]:
    with Image.open(io.BytesIO(data)) as image:
        told = {
            "format": image.format,
            "quantisation": table_name(image),
            "subsampling": _subsampling(image),
            "exif": "exif" in image.info,
            "mode": image.mode,
        }
        return told, image.width * image.height


_told_once = lru_cache(maxsize=1024)(_told)


def table_by_label(facts: pd.DataFrame, labels: np.ndarray) -> list[dict]:
    """One row a label and kind of file (COLUMNS), most frequent first: n, share of the label, bytes_mean, bytes_sd,
    bytes_per_pixel.
    """
    rows = []
    for label, word in enumerate(LABELS):
        of_label = facts[labels == label]
        for key, group in of_label.groupby(list(COLUMNS), sort=False):
            described = dict(zip(COLUMNS, key, strict=True)) | {"exif": bool(key[3])}
            rows.append({"label": word, **described, "n": len(group), "share": len(group) / len(of_label), **_sizes(group)})
    return sorted(rows, key=lambda row: (row["label"] != LABELS[0], -row["n"]))


def _sizes(group: pd.DataFrame) -> dict:
    return {
        "bytes_mean": float(group["bytes"].mean()),
        "bytes_sd": float(group["bytes"].std(ddof=0)),
        "bytes_per_pixel": float(group["bytes_per_pixel"].mean()),
    }


def _subsampling(image: Image.Image) -> str:
    if image.format != "JPEG":
        return ""
    return _SUBSAMPLING.get(JpegImagePlugin.get_sampling(image), "gray or other")
