"""The pixel file of a split made again from its Parquet, where it was lost or damaged. It checks nothing: the reader does."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from cifake_core.images.codec import SIDE, decode
from cifake_core.store import artifacts

_NPY = {"descr": "|u1", "fortran_order": False}


def rederive(parquet: Path, pixels: Path) -> None:
    """Writes uint8 (N, 3, 32, 32), row i from the image file in row i, a row group in memory at a time; whole or not at all."""
    with pq.ParquetFile(parquet) as file, artifacts.whole_file(pixels) as temporary, temporary.open("wb") as out:
        shape = (file.metadata.num_rows, 3, SIDE, SIDE)
        np.lib.format.write_array_header_1_0(out, {**_NPY, "shape": shape})
        for group in range(file.num_row_groups):
            column = file.read_row_group(group, columns=["image.bytes"])["image"].combine_chunks().field("bytes")
            rows = [decode(column[i].as_py(), name=f"Image {i} of group {group}") for i in range(len(column))]
            out.write(np.stack(rows).transpose(0, 3, 1, 2).tobytes())
