"""CIFAR-10 as a source, through torchvision's own reader: 60,000 photographs, lossless, no fakes.

The files are pickles: torchvision compares each with its published checksum before opening it, and so only those run.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from cifake_core.errors import BadInput
from cifake_core.images.codec import encode_png
from cifake_core.images.schema import REAL, SPLITS
from cifake_core.images.sources.account import Account
from cifake_core.images.sources.found import Found, Item

FOLDER = "cifar-10-batches-py"
TOTAL = 60_000


def recognises(path: Path) -> bool:
    return path.is_dir() and _root(path) is not None


def look(path: Path) -> Found:
    """Takes the folder `cifar-10-batches-py` or the one that holds it."""
    return Found("CIFAR-10, read by torchvision", FOLDER, TOTAL, partial(_items, _root(path)), partial(_fetch, _root(path)), Account(seen=TOTAL))


def _root(path: Path) -> Path | None:
    path = path.resolve()
    if path.name == FOLDER:
        return path.parent
    return path if (path / FOLDER).is_dir() else None


def _items(root: Path, with_data: bool) -> Iterator[Item]:
    from torchvision.datasets import CIFAR10

    for split in SPLITS:
        try:
            data = CIFAR10(str(root), train=split == "train")
        except RuntimeError as error:
            raise BadInput(f"A file of {FOLDER} is missing or damaged; get CIFAR-10 again.") from error
        for number, (pixels, class_label) in enumerate(zip(data.data, data.targets, strict=True)):
            path = f"{split}/REAL/{number:05d}.png"
            picture = encode_png(pixels) if with_data else None
            yield Item(path, REAL, "CIFAR-10", split, int(class_label), real_source="CIFAR-10", key=path, data=picture)


def _fetch(root: Path, items: Iterable[Item]) -> Iterator[bytes]:
    wanted = [item.key for item in items]
    found = {item.key: item.data or b"" for item in _items(root, True) if item.key in wanted}
    yield from (found[key] for key in wanted)
