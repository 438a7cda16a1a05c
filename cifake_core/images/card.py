"""The dataset card of an exported set: README.md, its head as Hugging Face reads it, then what a person wants to know first."""

import yaml

from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, LABELS, stored_schema

NAME = "README.md"
_LISTED = 20  # generators


def dataset_card(images: ImageSet, *, tables: bool = True) -> str:
    """The whole card; `tables`: the pictures are in Parquet files under data/, else in folders with a metadata.csv."""
    return f"---\n{yaml.safe_dump(_head(images, tables), sort_keys=False, allow_unicode=True)}---\n\n{_body(images, tables)}"


def _head(images: ImageSet, tables: bool) -> dict:
    """What the Hub and `datasets` read: features with the names of labels and classes, splits, and which file is which split."""
    rows = images.record["rows"]
    head: dict = {"pretty_name": images.name, "task_categories": ["image-classification"], "size_categories": [_size(sum(rows.values()))]}
    if not tables:
        return head
    splits = [{"name": split, "num_examples": n} for split, n in rows.items()]
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in rows]
    return head | {
        "dataset_info": {"features": [_feature(name) for name in stored_schema().names], "splits": splits},
        "configs": [{"config_name": "default", "data_files": files}],
    }


def _feature(name: str) -> dict:
    names = {"label": LABELS, "class_label": CLASSES}.get(name)
    if names:
        return {"name": name, "dtype": {"class_label": {"names": {str(number): word for number, word in enumerate(names)}}}}
    kinds = {"bool": "bool", "string": "string", "int64": "int64", "int32": "int32", "int8": "int8"}
    return {"name": name, "dtype": "image" if name == "image" else kinds[str(stored_schema().field(name).type)]}


def _size(images: int) -> str:
    """The Hub's own words for orders of magnitude."""
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((word for most, word in bounds if images < most), "1M<n<10M")


def _body(images: ImageSet, tables: bool) -> str:
    record = images.record
    counts = [f"| {split} | {told['real']:,} | {told['fake']:,} |" for split, told in record["counts"].items()]
    makers = [f"- {_plain(name)}: {n:,}" for name, n in list(record.get("generators", {}).items())[:_LISTED]]
    more = len(record.get("generators", {})) - len(makers)
    where = "`data/`, one Parquet file a split" if tables else "a folder a split, with `metadata.csv`"
    lines = [
        f"# {_plain(images.name)}", "",
        f"Photographs and generated images of 32 × 32 pixels, in {where}. `label` says which: real or fake (0 real, 1 fake).", "",
        "| split | real | fake |", "|---|---|---|", *counts, "",
        *([_plain(record["note"]), ""] if record.get("note") else []),
        *(["## Generators", "", *makers, *([f"- and {more:,} more"] if more > 0 else []), ""] if makers else []),
        "## Provenance", "",
        f"SHA-256 of images, labels, classes and order: `{images.digest}`. Pixel-identical pairs: "
        + ", ".join(f"{n:,} {pair}" for pair, n in record["duplicates"].items()) + ".", "",
        "The licences are those of the images' sources.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text of strangers on one line, nothing in it read as Markdown or HTML."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|" else c for c in " ".join(text.split()))
