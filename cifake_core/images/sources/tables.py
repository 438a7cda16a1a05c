"""Parquet and Arrow files read batch by batch: schema, number of rows, rows as dictionaries. What columns mean is columns.py's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cifake_core.errors import BadInput
from cifake_core.images.codec import LFS_POINTER
from cifake_core.images.sources.account import printable

SUFFIXES = (".parquet", ".arrow")
BATCH = 1000
_BATCH_BYTES = 32 * 2**20  # of a batch of rows with their pictures


class Table:
    """A Parquet or Arrow file: its schema, its number of rows, and its rows as dictionaries."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.format = "Arrow file" if name.lower().endswith(".arrow") else "Parquet"
        if self.format == "Parquet":
            with _open(path, name) as file:
                self.rows, self.schema = file.metadata.num_rows, file.schema_arrow
                self._bytes = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
        else:
            with _arrow(path, name) as reader:
                self.schema = reader.schema
            self.rows = sum(len(batch) for batch in self._arrow_batches())
            self._bytes = path.stat().st_size

    def row_dicts(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """One dictionary a row; "image.path" reads one field of a column. A page that cannot be read means a damaged file."""
        size = max(1, min(BATCH, int(_BATCH_BYTES * self.rows / max(self._bytes, 1))))
        try:
            for batch in self._batches(size, columns):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{printable(self.name)} is damaged; get it again.") from error

    def _batches(self, size: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        if self.format == "Parquet":
            with _open(self.path, self.name) as file:
                yield from file.iter_batches(size, columns=columns)
            return
        tops = list(dict.fromkeys(column.partition(".")[0] for column in columns))
        for batch in self._arrow_batches():
            for start in range(0, len(batch), size):
                yield batch.slice(start, size).select(tops)

    def rows_at(self, numbers: list[int], columns: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number, row) of some rows, in ascending order."""
        if self.format != "Parquet":
            yield from ((n, row) for n, row in enumerate(self.row_dicts(columns)) if n in set(numbers))
            return
        with _open(self.path, self.name) as file:
            first = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                here = {number - first for number in numbers if first <= number < first + size}
                at = 0
                for batch in file.iter_batches(64, row_groups=[group], columns=columns) if here else ():
                    for row in (n for n in sorted(here) if at <= n < at + len(batch)):
                        yield first + row, batch.slice(row - at, 1).to_pylist()[0]
                    at += len(batch)
                first += size

    def _arrow_batches(self) -> Iterator[pa.RecordBatch]:
        with _arrow(self.path, self.name) as reader:
            if isinstance(reader, pa.RecordBatchFileReader):
                yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                yield from reader


def _open(path: Path, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=2**20)  # a column's pages are read as they are needed, not all at once
    except FileNotFoundError as error:
        raise BadInput(f"{printable(name)} does not exist; check the path.") from error
    except (pa.ArrowException, OSError) as error:
        with path.open("rb") as opened:
            if opened.read(len(LFS_POINTER)) == LFS_POINTER:
                raise BadInput(f"{printable(name)} is only a pointer of Git LFS, not the file itself; get it with git lfs pull.") from error
        raise BadInput(f"{printable(name)} is damaged or not a Parquet file; get it again.") from error


def _arrow(path: Path, name: str) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    """`datasets` stores streams, others files."""
    for opened in (pa.ipc.open_stream, pa.ipc.open_file):
        try:
            return opened(pa.memory_map(str(path)))
        except (pa.ArrowException, OSError):
            continue
    raise BadInput(f"{printable(name)} is damaged or not an Arrow file; get it again.")
