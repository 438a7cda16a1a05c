"""How much memory an import of large photographs takes: JPEGs of 12 to 48 megapixels, shrunk to 32 × 32 on the way in.

Command: `python benchmarks/import_photographs.py --files 1000 --distinct 30`. Writes JPEG files of soft fields, edges and grain, `--distinct`
different ones and the rest copies of them, then imports the folder. Prints one JSON object: gigabytes read, seconds, and the peak memory
of the process after the first tenth of the files and at the end.
"""

import argparse
import io
import json
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from cifake_core.images.importing import ImportImages
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace

SIZES = ((4000, 3000), (4608, 3456), (6000, 4000), (7008, 4672), (8064, 6048))  # 12, 16, 24, 33 and 49 megapixels


def photograph(number: int) -> bytes:
    """A JPEG of one of SIZES: soft fields with edges and grain, different for every number, as large as a camera's."""
    width, height = SIZES[number % len(SIZES)]
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (height // 200, width // 200, 3), dtype=np.uint8))
    picture = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    grain = random.integers(-12, 13, (height // 4, width // 4, 1), dtype=np.int16)
    picture = np.clip(picture + grain.repeat(4, 0).repeat(4, 1)[:height, :width], 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="JPEG", quality=85)
    return out.getvalue()


def write(folder: Path, files: int, distinct: int) -> int:
    """Bytes written: `files` JPEGs in real/ and fake/, of `distinct` contents."""
    contents = [photograph(number) for number in range(distinct)]
    total = 0
    for number in range(files):
        label = "real" if number % distinct < distinct // 2 else "fake"
        path = folder / label / f"{number:05d}.jpg"
        path.parent.mkdir(exist_ok=True)
        total += path.write_bytes(contents[number % distinct])
    return total


def peak_mb() -> int:
    """Of this process alone; getrusage would count what wrote the files."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def measured(folder: Path, files: int, distinct: int) -> dict:
    source = folder / "photographs"
    source.mkdir()
    written = write(source, files, distinct)
    reset_peak()
    found: dict = {"files": files, "distinct": distinct, "gigabytes": round(written / 1e9, 2), "megapixels": "12 to 49"}
    started, early = time.perf_counter(), []

    def note(done: int, total: int, message: str) -> None:
        if done >= total // 10 and not early:
            early.append(peak_mb())

    result = ImportImages((str(source),), "photographs", resize=True).run(Context(Workspace(folder / "home"), note))
    found |= {"seconds": round(time.perf_counter() - started, 1), "peak_mb_after_a_tenth": early[0], "peak_mb": peak_mb()}
    return found | {"imported": result["account"]["imported"], "resized": result["resized"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--distinct", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(Path(folder), asked.files, asked.distinct)))


if __name__ == "__main__":
    main()
