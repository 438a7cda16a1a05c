"""Parquet files as a source: the Hugging Face image layout, or the columns of Community Forensics.

It knows both column sets and how a row's split and label are told. It does not decode images.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cifake_core.errors import BadInput
from cifake_core.images.schema import FAKE, REAL, UNKNOWN_CLASS, NewImage, Original
from cifake_core.images.sources.found import Found
from cifake_core.images.sources.layout import label_of, official_classes, split_of

BATCH = 1000
_HUGGING_FACE = {"image", "label"}
_COMMUNITY_FORENSICS = {"image_name", "image_data", "label"}
_KEPT = ("generator", "prompt", "architecture", "real_source", "subset", "family")


def recognises(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == ".parquet"


def look(path: Path) -> Found:
    """Raises BadInput if the file is damaged, empty or has other columns."""
    with _open(path) as file:
        total, schema = file.metadata.num_rows, file.schema_arrow
    names = set(schema.names)
    if not total:
        raise BadInput(f"{path.name} holds no rows; give a Parquet file with images.")
    if names >= _HUGGING_FACE and _is_image(schema.field("image").type):
        kind, read = "Parquet in the Hugging Face image layout", _hugging_face
    elif names >= _COMMUNITY_FORENSICS:
        kind, read = "Parquet with the columns of Community Forensics", _community_forensics
    else:
        raise BadInput(
            f"{path.name} has the columns {', '.join(schema.names[:8])}; expected are image and label (Hugging Face), or "
            "image_name, image_data and label (Community Forensics)."
        )
    return Found(kind, path.name, total, partial(read, path))


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise BadInput(f"{path.name} does not exist; check the path.") from error
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path.name} is damaged or not a Parquet file; get it again.") from error


def _is_image(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and {"bytes", "path"} <= {kind.field(i).name for i in range(kind.num_fields)}


def _rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """One dictionary a row. A page that cannot be read means a damaged file."""
    with _open(path) as file:
        try:
            for batch in file.iter_batches(BATCH, columns=columns):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{path.name} is damaged; get it again.") from error


def _hugging_face(path: Path) -> Iterator[NewImage]:
    with _open(path) as file:
        schema = file.schema_arrow
    to_label = _label_names(schema)
    paths = ((row["image"] or {}).get("path") or "" for row in _rows(path, ["image.path"]))
    class_of_path = official_classes(paths) if "class_label" not in schema.names else lambda _: UNKNOWN_CLASS
    for number, row in enumerate(_rows(path)):
        image = row["image"] or {}
        name = image.get("path") or f"{path.name}, row {number}"
        label = _label(row["label"], to_label, name)
        yield NewImage(
            data=image.get("bytes") or b"",
            label=label,
            class_label=_class(row["class_label"], name) if "class_label" in row else class_of_path(name),
            split=_split(row.get("split"), name, path),
            path=name,
            seed=row.get("seed"),
            provenance=json.loads(row.get("provenance") or "{}"),
            original=Original.of_row(row),
            **{column: row.get(column) or "" for column in _KEPT},
        )


def _community_forensics(path: Path) -> Iterator[NewImage]:
    """The columns of OwensLab/CommunityForensics, -Small and -Eval; `nsfw_flag` is a string in the last."""
    for row in _rows(path):
        name = row["image_name"]
        yield NewImage(
            data=row["image_data"] or b"",
            label=_label(row["label"], {}, name),
            split=_split(row.get("split"), name, path),
            path=name,
            generator="" if row["label"] == REAL else row.get("model_name") or "",
            prompt=row.get("prompt") or "",
            architecture=row.get("architecture") or "",
            real_source=row.get("real_source") or "",
            subset=row.get("subset") or "",
            family=row.get("family") or "",
            provenance={"nsfw": str(row.get("nsfw_flag")).lower() == "true", "split": row.get("split") or ""},
        )


def _label_names(schema: pa.Schema) -> dict[int, int]:
    """The file's own numbers → ours. `datasets` numbers folders by the alphabet, which makes FAKE 0 and REAL 1."""
    try:
        info = json.loads((schema.metadata or {})[b"huggingface"])
        names = info["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, ValueError):
        return {}
    ours = [label_of(str(name)) for name in names]
    return dict(enumerate(ours)) if None not in ours else {}


def _label(value: Any, to_label: dict[int, int], name: str) -> int:
    label = to_label.get(value, value)
    if label not in (REAL, FAKE):
        raise BadInput(f"{name} has the label {value!r}; it must be 0 (real) or 1 (fake).")
    folder = next((told for part in name.split("/")[:-1] if (told := label_of(part)) is not None), label)
    if folder != label:
        raise BadInput(
            f"{name} lies in a folder for the other label than its own, {label} ({'fake' if label else 'real'}); "
            "0 must mean real and 1 fake."
        )
    return label


def _class(value: Any, name: str) -> int:
    return UNKNOWN_CLASS if value is None else int(value)


def _split(value: str | None, name: str, path: Path) -> str:
    """From the row's own split column, else a folder of its path, else a word in the file's name, else train."""
    if value:
        split = split_of(value)
        if split is None:
            raise BadInput(f"{name} is in the split {value!r}; train and test are known here.")
        return split
    words = [*name.split("/")[:-1], *path.stem.lower().replace("_", "-").replace(".", "-").split("-")]
    return next((split for word in words if (split := split_of(word))), "train")
