"""A folder of images as a source: CIFAKE's official layout, or any folder with REAL and FAKE in it.

Links are never followed. It does not decode images.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cifake_core.errors import BadInput
from cifake_core.images.schema import NewImage
from cifake_core.images.sources.found import Found
from cifake_core.images.sources.layout import Placed, placed

MAX_FILE_BYTES = 64 * 2**20  # far above any 40-megapixel JPEG


def recognises(path: Path) -> bool:
    return path.is_dir()


def look(path: Path) -> Found:
    """Raises BadInput if there is no image or no REAL/FAKE level, or a folder may not be read."""
    root = path.resolve()
    images, left_out = placed(_files(root), root.name)
    return Found("folder of REAL and FAKE images", root.name, len(images), partial(_rows, root, images), left_out)


def _files(root: Path) -> Iterator[str]:
    """Paths of all plain files below, relative to the root, "/" between folders."""

    def refused(error: OSError) -> None:
        name = Path(str(error.filename)).name
        raise BadInput(f"The folder {name!r} may not be read; allow reading it or take another.") from error

    for folder, _, names in os.walk(root, followlinks=False, onerror=refused):
        for name in names:
            file = Path(folder, name)
            if not file.is_symlink() and file.is_file():
                yield file.relative_to(root).as_posix()


def _rows(root: Path, images: list[Placed]) -> Iterator[NewImage]:
    for image in images:
        yield NewImage(
            data=_read(root / image.path, image.path),
            label=image.label,
            class_label=image.class_label,
            split=image.split,
            path=image.path,
            generator=image.generator,
            family=image.family,
        )


def _read(file: Path, name: str) -> bytes:
    """The file's bytes. O_NOFOLLOW: it was no link when it was found, and must not have become one since."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{name} cannot be read ({error.strerror}); check the file.") from error
    if len(data) > MAX_FILE_BYTES:
        raise BadInput(f"{name} is larger than {MAX_FILE_BYTES // 2**20} MiB; that is no image for this set.")
    return data
