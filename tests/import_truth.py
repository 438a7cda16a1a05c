"""Small sources of every layout for the tests of imports: pictures whose label is known by their pixels, and the check against it."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cifake_core.images.codec import encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages
from cifake_core.images.schema import image_id
from cifake_core.step import Context
from tests.image_files import random_pixels

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def pixels(i: int, fake: int) -> np.ndarray:
    """The i-th real or fake picture of the tests: uint8 (32, 32, 3)."""
    return random_pixels(2 * i + fake)


def png(i: int, fake: int) -> bytes:
    return encode_png(pixels(i, fake))


def saved(i: int, fake: int, kind: str, **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels(i, fake)).save(out, format=kind, **options)
    return out.getvalue()


_LABEL_OF = {image_id(pixels(i, fake)): fake for i in range(400) for fake in (0, 1)}


def put(root, files: dict[str, bytes | str]):
    """A folder of these files."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def pairs(n: int, real: str, fake: str, first: int = 0, suffix: str = "png") -> dict[str, bytes]:
    """n reals below `real` and n fakes below `fake`."""
    return {f"{folder}/{i:03d}.{suffix}": png(i, label) for label, folder in ((0, real), (1, fake)) for i in range(first, first + n)}


def table(path, columns: dict, names: dict[str, list[str]] | None = None):
    """A Parquet file of these columns; `names` are ClassLabel names as Hugging Face stores them."""
    made = pa.table({name: pa.array(values, IMAGE) if name == "image" else values for name, values in columns.items()})
    if names:
        features = {name: {"names": list(known), "_type": "ClassLabel"} for name, known in names.items()}
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(made, path)
    return path


def cells(n: int, first: int = 0) -> tuple[list[dict], list[int]]:
    """(image cells, labels) of n reals and n fakes in turn."""
    told = [(i, fake) for i in range(first, first + n) for fake in (0, 1)]
    return [{"bytes": png(i, fake), "path": f"img_{i}_{fake}.png"} for i, fake in told], [fake for _, fake in told]


def run(workspace, *sources, name: str = "set", **options) -> dict:
    """The result of an import."""
    return ImportImages(tuple(map(str, sources)), name, **options).run(Context(workspace))


def imported(workspace, *sources, name: str = "set", **options) -> ImageSet:
    """The set, every label of which was compared with the picture's own, and whose account adds up."""
    result = run(workspace, *sources, name=name, **options)
    made = ImageSet.open(workspace, name)
    rows = rows_of(made)
    assert [row["label"] for row in rows] == [_LABEL_OF[row["image_id"]] for row in rows]
    account = result["account"]
    assert account["seen"] == account["imported"] + sum(entry["count"] for entry in account["left_out"].values())
    assert account["imported"] == len(rows)
    return made


def rows_of(made: ImageSet) -> list[dict]:
    """The manifest's rows of train, then of test."""
    parts = [("train+validation", "train"), ("test", "test")]
    return [row for part, split in parts if made.has(split) for row in made.manifest(part).to_dict("records")]


def counts(made: ImageSet) -> dict[str, tuple[int, int]]:
    """{split: (reals, fakes)}."""
    return {split: (told["real"], told["fake"]) for split, told in made.record["counts"].items()}
