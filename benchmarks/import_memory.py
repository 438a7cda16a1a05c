"""How much memory a large import takes: synthetic shards with the columns of Community Forensics, imported and browsed.

Command: `python benchmarks/import_memory.py --rows 1000000 --shard 50000`. Every picture is different (its number is in its
pixels) and 32 × 32. Prints one JSON object: peak memory of the process in MB after writing the shards, after the import,
after one page of one generator was read, and the seconds of each.
"""

import argparse
import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace

GENERATORS = 400
PAGE = 48
_GROUP = 1000  # rows a row group


def picture(number: int) -> bytes:
    """A PNG of one colour whose first pixel spells the number."""
    pixels = np.full((32, 32, 3), number % 251, np.uint8)
    pixels[0, :2] = np.frombuffer(number.to_bytes(6, "little"), np.uint8).reshape(2, 3)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG", compress_level=1)
    return out.getvalue()


def row(number: int) -> dict:
    label = number % 2
    return {
        "image_name": f"model-{number % GENERATORS:04d}/{number:08d}.png", "format": "PNG", "resolution": [32, 32], "mode": "RGB",
        "image_data": picture(number), "model_name": f"model-{number % GENERATORS:04d}" if label else "real", "nsfw_flag": False,
        "prompt": f"a photograph of thing number {number}", "real_source": "COCO", "subset": "Systematic", "split": "train",
        "label": label, "architecture": "LatDiff" if label else "real",
    }  # fmt: skip


def write_shard(path: Path, first: int, rows: int) -> None:
    writer = None
    for start in range(first, first + rows, _GROUP):
        table = pa.Table.from_pylist([row(number) for number in range(start, min(start + _GROUP, first + rows))])
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measured(folder: Path, rows: int, shard: int) -> dict:
    found, clock = {"rows": rows, "shards": -(-rows // shard)}, time.perf_counter()

    def note(what: str) -> None:
        nonlocal clock
        found[what] = {"peak_mb": peak_mb(), "seconds": round(time.perf_counter() - clock, 1)}
        clock = time.perf_counter()

    source = folder / "shards"
    source.mkdir()
    for number, first in enumerate(range(0, rows, shard)):
        write_shard(source / f"train-{number:05d}.parquet", first, min(shard, rows - first))
    note("written")
    workspace = Workspace(folder / "home")
    ImportImages((str(source),), "large").run(Context(workspace))
    note("imported")
    images = ImageSet.open(workspace, "large")
    manifest = images.manifest("train+validation")
    page = np.flatnonzero(manifest["generator"].to_numpy() == "model-0001")[-PAGE:]
    assert len(images.encoded_rows("train", page)) == len(page)
    note("browsed")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--shard", type=int, default=50_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(Path(folder), asked.rows, asked.shard)))


if __name__ == "__main__":
    main()
