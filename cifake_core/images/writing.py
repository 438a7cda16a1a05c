"""Writes one official split of an image set, batch by batch: its Parquet and, in the same order, its pixels.

It knows the two file layouts; whether the images belong together was decided before.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cifake_core.images.codec import SIDE
from cifake_core.images.preparing import Prepared
from cifake_core.images.schema import LABELS, stored_schema

# NumPy pads the header so that the first number may grow in place: written first for 0 rows, then for the true count.
_NPY = {"descr": "|u1", "fortran_order": False}


class SplitWriter:
    """Open until `close`; the caller's folder is what becomes whole or vanishes."""

    def __init__(self, folder: Path, split: str) -> None:
        self.files = [f"{split}.parquet", f"{split}-pixels.npy"]
        self._rows = 0
        self._schema = stored_schema()
        self._parquet = pq.ParquetWriter(folder / self.files[0], self._schema, compression="zstd")
        self._pixels = (folder / self.files[1]).open("wb")
        self._header()

    def write(self, items: list[Prepared]) -> None:
        """Appends one row group."""
        columns = [self._row(self._rows + i, item) for i, item in enumerate(items)]
        self._parquet.write_table(pa.Table.from_pylist(columns, schema=self._schema))
        self._pixels.write(np.stack([item.pixels for item in items]).tobytes())
        self._rows += len(items)

    def close(self) -> None:
        self._parquet.close()
        self._pixels.seek(0)
        self._header()
        self._pixels.close()

    def _header(self) -> None:
        np.lib.format.write_array_header_1_0(self._pixels, {**_NPY, "shape": (self._rows, 3, SIDE, SIDE)})

    @staticmethod
    def _row(number: int, item: Prepared) -> dict:
        image = item.image
        path = image.path or f"{image.split}/{LABELS[image.label].upper()}/{number:05d}.{item.format.lower()}"
        return {
            "image": {"bytes": image.data, "path": path},
            "label": image.label,
            "class_label": image.class_label,
            "image_id": item.image_id,
            "split": image.split,
            "generator": image.generator,
            "prompt": image.prompt,
            "seed": image.seed,
            "format": item.format,
            "width": item.width,
            "height": item.height,
            "architecture": image.architecture,
            "family": image.family or image.architecture,
            "real_source": image.real_source,
            "subset": image.subset,
            "provenance": json.dumps(image.provenance, ensure_ascii=False),
            "validation": image.validation,
            **item.original.as_columns(),
        }
