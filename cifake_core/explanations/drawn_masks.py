"""Masks a user drew, kept in the workspace: `masks/user/<image id>.png`, white on the entity.

The image's identity is the digest of its pixels, so a mask drawn on a test image is found again wherever that image is.
It is the source of masks named "user"; masks.py reads it like any folder of imported masks.
"""

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from cifake_core.errors import BadInput
from cifake_core.explanations import masks
from cifake_core.images.codec import decode
from cifake_core.images.sprite import png
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

_IDENTITY = re.compile(r"[0-9a-f]{64}")


def keep(workspace: Workspace, identity: str, mask: np.ndarray) -> Path:
    """Stores a mask of any size as the image's own; raises BadInput for an empty one or one that leaves no background."""
    small = masks.drawn(mask)
    if small.all():
        raise BadInput("The mask covers the whole picture; leave the background free.")
    with artifacts.whole_file(_path(workspace, identity)) as temporary:
        temporary.write_bytes(png(np.repeat(small[..., None], 3, 2).astype(np.uint8) * 255))
    return _path(workspace, identity)


def kept(workspace: Workspace, identity: str) -> np.ndarray | None:
    """The user's mask of that image, bool (32, 32), or None. Raises BadInput for a broken file."""
    path = _path(workspace, identity)
    return decode(path.read_bytes(), name="The kept mask")[..., 0] >= 128 if path.exists() else None


def forget(workspace: Workspace, identity: str) -> None:
    """Removes it, if it is there."""
    _path(workspace, identity).unlink(missing_ok=True)


def count(workspace: Workspace) -> int:
    """How many images have a mask of the user's."""
    return sum(1 for path in masks.user_folder(workspace).glob("*.png") if _IDENTITY.fullmatch(path.stem))


def _path(workspace: Workspace, identity: str) -> Path:
    if not _IDENTITY.fullmatch(identity):
        raise BadInput(f"{identity[:80]!r} is no image's identity; it has 64 digits of 0 to 9 and a to f.")
    return masks.user_folder(workspace) / f"{identity}.png"


def from_png(data: bytes) -> np.ndarray:
    """The alpha of a canvas's PNG, bool (H, W): true where something was drawn. Raises BadInput."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if max(picture.size) > 4096:
                raise BadInput(f"The drawing is {picture.width} × {picture.height} pixels; 4096 is the most.")
            return np.asarray(picture.convert("RGBA"))[..., 3] >= 128
    except (OSError, ValueError) as error:
        raise BadInput("The drawing did not arrive whole; draw it again.") from error
