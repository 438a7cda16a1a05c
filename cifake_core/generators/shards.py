"""Finished batches of a set in the making, on disk: each a Parquet file that is whole or absent.

What is there is never made again. It does not know how images are made.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cifake_core.generators.defects import Defects
from cifake_core.generators.request import Painted
from cifake_core.images.codec import encode_png
from cifake_core.store import artifacts

_SCHEMA = pa.schema([("data", pa.binary()), ("original", pa.binary()), ("provenance", pa.string())])


class Shards:
    """The finished batches in a folder, by number. Damaged files count as absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._done = {int(path.stem): told for path in folder.glob("[0-9]*.parquet") if (told := _told(path)) is not None}

    def __contains__(self, number: int) -> bool:
        return number in self._done

    @property
    def images(self) -> int:
        """How many images are settled: made, or given up because no picture of them can be kept."""
        return sum(map(len, self._done.values()))

    @property
    def usable(self) -> int:
        """How many images are made."""
        return self.images - self.defects.left_out

    @property
    def defects(self) -> Defects:
        """What was drawn in vain."""
        return Defects.of(made for told in self._done.values() for made in told)

    def add(self, number: int, painted: list[Painted], keep_originals: bool) -> None:
        rows = [
            {
                "data": item.data or None,
                "original": encode_png(item.original) if keep_originals and item.data and item.original.shape[:2] != (32, 32) else None,
                "provenance": json.dumps(item.provenance),
            }
            for item in painted
        ]
        with artifacts.whole_file(self.folder / f"{number:06d}.parquet") as temporary:
            pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), temporary)
        self._done[number] = [_in_vain(item.provenance) for item in painted]

    def rows(self) -> Iterator[dict]:
        """{"data", "original", "provenance"} of every image that was made, in the order of the plan."""
        for number in sorted(self._done):
            yield from made_rows(self.folder / f"{number:06d}.parquet")


def made_rows(path: Path) -> Iterator[dict]:
    """{"data", "original", "provenance"} of the images of one finished batch, those left out not among them."""
    for row in pq.read_table(path).to_pylist():
        if row["data"]:
            yield {**row, "provenance": json.loads(row["provenance"])}


def _in_vain(provenance: dict) -> dict:
    """What is remembered of an image here: the pictures of it that were not kept."""
    return {name: provenance[name] for name in ("rejected", "left_out") if name in provenance}


def _told(path: Path) -> list[dict] | None:
    """What is remembered of each image of a whole file (its checksums are read with it), None for a damaged one."""
    try:
        return [_in_vain(json.loads(text.as_py())) for text in pq.read_table(path, schema=_SCHEMA)["provenance"]]
    except (pa.ArrowException, OSError, ValueError):
        path.unlink(missing_ok=True)
        return None
