"""What names of folders and files say about an image: its split, label and class. It reads no file."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from cifake_core.errors import BadInput
from cifake_core.images.schema import CLASSES, FAKE, REAL, UNKNOWN_CLASS

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_OFFICIAL_NAME = re.compile(r"\d+(?: ?\((\d+)\))?\.jpe?g", re.IGNORECASE)
_LABEL_WORDS = {"real": REAL, "fake": FAKE, "0_real": REAL, "1_fake": FAKE}
_CLASS_WORDS = {**{word: i for i, word in enumerate(CLASSES)}, "plane": 0, "car": 1}
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "train",  # validation is cut anew from everything that may be trained on
    "val": "train",
    "valid": "train",
    "systematic": "train",  # Community Forensics
    "manual": "train",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
    "publiceval": "test",  # Community Forensics
    "compeval": "test",
    "commercial": "test",
}


@dataclass(frozen=True)
class Placed:
    """What a path says about the image that lies there."""

    path: str
    split: str
    label: int
    class_label: int
    generator: str = ""  # the folder that holds a FAKE folder, where there are several such
    family: str = ""  # the folder above that


def label_of(word: str) -> int | None:
    """0 for REAL, 1 for FAKE, in any case; None for any other word."""
    return _LABEL_WORDS.get(word.lower())


def split_of(word: str) -> str | None:
    """train or test for the names in use, None for any other word."""
    return _SPLIT_WORDS.get(word.lower())


def official_classes(paths: Iterable[str]) -> Callable[[str], int]:
    """Reads the class from a name as CIFAKE's authors numbered them: none = airplane, "(2)" automobile … "(10)" truck.

    Only where all names look like theirs and some carry a suffix; otherwise every class is unknown.
    """
    suffixes = set()
    for path in paths:
        match = _OFFICIAL_NAME.fullmatch(PurePosixPath(path).name)
        if not match or match[1] not in (None, *map(str, range(2, 11))):
            return lambda path: UNKNOWN_CLASS
        suffixes.add(match[1])
    return _official_class if suffixes - {None} else lambda path: UNKNOWN_CLASS


def _official_class(path: str) -> int:
    match = _OFFICIAL_NAME.fullmatch(PurePosixPath(path).name)
    return int(match[1] or 1) - 1 if match else UNKNOWN_CLASS


def placed(paths: Iterable[str], root: str) -> tuple[list[Placed], int]:
    """Split, label and class of every labelled image (paths are relative, "/" between folders), sorted by path.

    A folder named REAL or FAKE makes the label; train or test and the name of a class may stand above or below it.
    `root`, the name of the folder or archive itself, counts where the folders inside say nothing. The second value
    counts images without a label, such as the figures of a README. Raises BadInput if no image has one.
    """
    images = sorted(path for path in paths if path.lower().endswith(IMAGE_SUFFIXES) and not _hidden(path))
    if not images:
        raise BadInput(f"{root!r} holds no JPEG, PNG, WEBP or BMP image; give a folder or archive with REAL and FAKE in it.")
    labels = {path: label for path in images if (label := _label(path, root)) is not None}
    if not labels:
        raise BadInput(f"{images[0]} lies in no folder named REAL or FAKE; sort the images into such folders first.")
    class_of = official_classes(labels)
    found = [_place(path, root, label, class_of) for path, label in labels.items()]
    return _by_generator(found), len(images) - len(labels)


def _by_generator(found: list[Placed]) -> list[Placed]:
    """Generator and family from `<family>/<generator>/<label>/…`, the family optional, class or split folders anywhere.

    Only where FAKE folders lie in at least two such folders: a single one names the collection, not who made it.
    """
    owners = {place.path: _owners(place.path) for place in found if place.label == FAKE}
    if len({names[-1] for names in owners.values() if names}) < 2:
        return found
    named = {path: names[-2:] for path, names in owners.items() if names}
    return [
        replace(place, generator=names[-1], family=names[0] if len(names) > 1 else "")
        if (names := named.get(place.path))
        else place
        for place in found
    ]


def _owners(path: str) -> list[str]:
    """The folders above the label's that are no label, class or split, outermost first."""
    folders = PurePosixPath(path).parts[:-1]
    depth = max((i for i, word in enumerate(folders) if label_of(word) is not None), default=0)
    known = (*_SPLIT_WORDS, *_CLASS_WORDS, *_LABEL_WORDS)
    return [word for word in folders[:depth] if word.lower() not in known]


def _hidden(path: str) -> bool:
    """What macOS and others add beside the images: ._0001.jpg, __MACOSX/."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(path).parts)


def _label(path: str, root: str) -> int | None:
    labels = {label for word in PurePosixPath(path).parts[:-1] if (label := label_of(word)) is not None}
    if len(labels) > 1:
        raise BadInput(f"{path} lies in a REAL and a FAKE folder at once; move it into one of them.")
    return labels.pop() if labels else label_of(root)


def _place(path: str, root: str, label: int, class_of: Callable[[str], int]) -> Placed:
    folders = PurePosixPath(path).parts[:-1]
    splits = [split for word in (*reversed(folders), root) if (split := split_of(word))]
    classes = [number for word in folders if (number := _CLASS_WORDS.get(word.lower())) is not None]
    return Placed(path, splits[0] if splits else "train", label, classes[-1] if classes else class_of(path))
