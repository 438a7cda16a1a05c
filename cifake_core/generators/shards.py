"""Finished batches of a set in the making, on disk: each a Parquet file that is whole or absent.

What is there is never made again. It does not know how images are made.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cifake_core.generators.request import Painted
from cifake_core.images.codec import encode_png
from cifake_core.store import artifacts

_SCHEMA = pa.schema([("data", pa.binary()), ("original", pa.binary()), ("provenance", pa.string())])


class Shards:
    """The finished batches in a folder, by number. Damaged files count as absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._done = {int(path.stem): rows for path in folder.glob("[0-9]*.parquet") if (rows := _rows(path)) is not None}

    def __contains__(self, number: int) -> bool:
        return number in self._done

    @property
    def images(self) -> int:
        """How many images are finished."""
        return sum(self._done.values())

    def add(self, number: int, painted: list[Painted], keep_originals: bool) -> None:
        rows = [
            {
                "data": item.data,
                "original": encode_png(item.original) if keep_originals and item.original.shape[:2] != (32, 32) else None,
                "provenance": json.dumps(item.provenance),
            }
            for item in painted
        ]
        with artifacts.whole_file(self.folder / f"{number:06d}.parquet") as temporary:
            pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), temporary)
        self._done[number] = len(rows)

    def rows(self) -> Iterator[dict]:
        """{"data", "original", "provenance"} of every finished image, in the order of the plan."""
        for number in sorted(self._done):
            for row in pq.read_table(self.folder / f"{number:06d}.parquet").to_pylist():
                yield {**row, "provenance": json.loads(row["provenance"])}


def _rows(path: Path) -> int | None:
    """Rows of a whole file (its checksums are read with it), None for a damaged one."""
    try:
        return pq.read_table(path, schema=_SCHEMA).num_rows
    except (pa.ArrowException, OSError, ValueError):
        path.unlink(missing_ok=True)
        return None
