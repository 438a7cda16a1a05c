"""Masks made elsewhere, by people or better models: read with suspicion, kept in the workspace under a name, found by image id.

Three forms: a folder or a zip archive of <image id>.png (white = entity), or an .npz with `image_ids` (m,) and `masks`
(m, H, W). Masks are square, of 32 pixels a side or more, and brought to 32. It does not know what they are used for.
"""

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from PIL import Image

from cifake_core.detectors import runs
from cifake_core.errors import BadInput, NotFound
from cifake_core.images.sources import archive
from cifake_core.progress import Progress, silent
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

PREFIX = "imported:"  # before the name of kept masks, where a source of masks is asked for
NPZ = "masks.npz"
SIDE = 32
SIDES = (SIDE, 2048)  # pixels a side that a given mask may have
MAX_MASKS = 200_000
MAX_BYTES = 256 * 2**20  # of the arrays of an .npz, unpacked
MAX_PNG_BYTES = 2**20
_BROKEN = (ValueError, KeyError, OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile)
_FORMS = "give <image id>.png files, white on the entity, or an .npz with image_ids (m,) and masks (m, H, W)"


@dataclass(frozen=True)
class Given:
    """Masks of one source, each read when asked for."""

    name: str
    ids: tuple[str, ...]  # of the images they are of
    read: Callable[[str], np.ndarray]  # image id → bool (32, 32)


def opened(path: Path) -> Given:
    """What lies in a folder, a zip archive or an .npz. Raises BadInput or NotFound."""
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() == ".npz":
        table = _npz(path)
        return Given(path.name, tuple(table), table.__getitem__)
    if path.suffix.lower() == ".zip":
        return _zip(path)
    raise BadInput(f"{path.name} is no folder, .zip or .npz; {_FORMS}.")


def matched(given: Given, image_ids: np.ndarray, on_progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
    """(masks bool (n, 32, 32), known bool (n,)) of those images. Raises NotFound if none of them has a mask."""
    there = set(given.ids)
    known = np.array([image_id in there for image_id in image_ids], bool)
    if not known.any():
        example = f" (its first is {given.ids[0][:16]!r})" if given.ids else ""
        raise NotFound(
            f"{given.name!r} holds no mask of these images{example}; name each mask by its image's id, "
            "which the CSV of the Metrics page lists."
        )
    masks = np.zeros((len(image_ids), SIDE, SIDE), bool)
    for row in np.flatnonzero(known):
        on_progress(int(row), len(image_ids), "Reading masks")
        masks[row] = given.read(image_ids[row])
    return masks, known


# --- kept under a name ------------------------------------------------------------------------------------------------


def keep(workspace: Workspace, name: str, path: Path, image_ids: np.ndarray, on_progress: Progress = silent) -> dict:
    """Keeps the masks of a source that are of these images: {"name", "n", "unknown", "created_at"}, `unknown` being the
    masks of other images, which are left out. Raises BadInput, NotFound, or Conflict where the name is taken.
    """
    folder, given = folder_of(workspace, name), opened(path)
    masks, known = matched(given, image_ids, on_progress)
    record = {
        "name": name,
        "n": int(known.sum()),
        "unknown": len(given.ids) - int(known.sum()),
        "created_at": runs.now(),
    }
    with artifacts.whole_folder(folder) as temporary:
        np.savez_compressed(temporary / NPZ, image_ids=np.asarray(image_ids[known], str), masks=masks[known])
        artifacts.write_record(temporary, record, [NPZ])
    return record


def kept(workspace: Workspace) -> list[dict]:
    """The records of all imported masks of a workspace, by name."""
    found = sorted(folder_of(workspace, "any").parent.glob(f"[!.]*/{artifacts.RECORD}"))
    return [artifacts.read_json(path) for path in found]


def forget(workspace: Workspace, name: str) -> None:
    """Removes them; studies that used them stay as they are."""
    folder = folder_of(workspace, name)
    for file in (folder / artifacts.RECORD, folder / NPZ):  # the record first: without it the folder is no longer whole
        file.unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()


def folder_of(workspace: Workspace, name: str) -> Path:
    """`masks/imported/<name>`; also a folder that the command line accepts."""
    return workspace.home / "masks" / "imported" / checked_name(name)


def of_source(workspace: Workspace, source: str) -> Path:
    """The folder behind "imported:<name>". Raises NotFound."""
    folder = folder_of(workspace, source.removeprefix(PREFIX))
    if not (folder / artifacts.RECORD).exists():
        raise NotFound(f"No masks named {folder.name!r} are kept; import them again on the Grad-CAM page.")
    return folder


def count_known(workspace: Workspace, name: str, image_ids: np.ndarray) -> int:
    """Of how many of these images there is a mask."""
    record = folder_of(workspace, name) / artifacts.RECORD
    return int(np.isin(image_ids, _ids(record.parent, record.stat().st_mtime_ns)).sum())


@lru_cache(maxsize=8)
def _ids(folder: Path, _modified_ns: int) -> np.ndarray:
    with np.load(artifacts.verify(folder, NPZ), allow_pickle=False) as file:
        return file["image_ids"]


# --- the three forms --------------------------------------------------------------------------------------------------


def _folder(path: Path) -> Given:
    table = _npz(path / NPZ) if (path / NPZ).exists() else {}
    files = {file.stem: file for file in path.glob("*.png")}

    def read(image_id: str) -> np.ndarray:
        return table[image_id] if image_id in table else _png(files[image_id].name, files[image_id].read_bytes())

    return Given(path.name, tuple(dict.fromkeys((*table, *files))), read)


def _zip(path: Path) -> Given:
    """PNG files of a zip archive, in whatever folders; other files in it are not looked at."""
    entries = [entry for entry in archive.checked_entries(path) if entry.filename.lower().endswith(".png")]
    if not entries or len(entries) > MAX_MASKS:
        raise BadInput(f"{path.name} holds {len(entries):,} PNG files, not 1 to {MAX_MASKS:,}; {_FORMS}.")
    names = {PurePosixPath(entry.filename).stem: entry for entry in entries}
    file = zipfile.ZipFile(path)  # opened once, for its table of contents is read each time; closed with the last reader

    def read(image_id: str) -> np.ndarray:
        entry = names[image_id]
        if entry.file_size > MAX_PNG_BYTES:
            raise BadInput(
                f"{entry.filename[-80:]} is larger than {MAX_PNG_BYTES // 2**20} MiB; that is no mask of a small image."
            )
        try:
            data = file.read(entry)
        except _BROKEN as error:
            raise BadInput(f"{entry.filename[-80:]} is damaged in {path.name}; pack it anew.") from error
        return _png(entry.filename[-80:], data)

    return Given(path.name, tuple(names), read)


def _png(name: str, data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            _check_size(name, picture.size[::-1])  # from the header: a bomb is refused before it is decoded
            return _shrunk(np.asarray(picture.convert("L")) >= 128)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(f"{name} is no PNG that can be read; give one that is white on the entity.") from error


def _npz(path: Path) -> dict[str, np.ndarray]:
    """Image id → bool (32, 32); sizes are taken from the headers before anything is unpacked."""
    try:
        _check_npz(path)
        with np.load(path, allow_pickle=False) as file:
            ids, masks = file["image_ids"], file["masks"]
    except _BROKEN as error:
        raise BadInput(f"{path.name} cannot be read ({_first_line(error)}); {_FORMS}.") from error
    if ids.ndim != 1 or len(ids) != len(masks) or ids.dtype.kind not in "US":
        raise BadInput(
            f"{path.name} has image_ids {ids.shape} of {ids.dtype} for {len(masks):,} masks; give one text a mask."
        )
    return {str(image_id): _shrunk(_as_bool(mask)) for image_id, mask in zip(ids.astype(str), masks, strict=True)}


def _check_npz(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        if sum(entry.file_size for entry in file.infolist()) > MAX_BYTES:
            raise BadInput(
                f"{path.name} unpacks to more than {MAX_BYTES // 2**20} MiB; give masks of {SIDE} × {SIDE} as bool, or fewer of them."
            )
        for name in ("image_ids", "masks"):
            with file.open(f"{name}.npy") as array:
                version = np.lib.format.read_magic(array)
                header = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                shape, _, kind = header(array)
            if int(np.prod(shape, dtype=object)) * max(kind.itemsize, 1) > MAX_BYTES:
                raise BadInput(
                    f"{path.name} announces {name} of shape {shape}, too much for {MAX_BYTES // 2**20} MiB; pack it anew."
                )
            if name == "masks" and (len(shape) != 3 or kind.kind not in "buif"):
                raise BadInput(
                    f"{path.name} has masks of shape {shape} and type {kind}; give numbers or bool of shape (m, H, W)."
                )
            if name == "masks":
                _check_size(path.name, shape[1:])


def _check_size(name: str, size: tuple[int, int]) -> None:
    if size[0] != size[1] or not SIDES[0] <= size[0] <= SIDES[1]:
        raise BadInput(
            f"{name} holds a mask of {size[1]} × {size[0]} pixels; give square ones of {SIDES[0]} to {SIDES[1]} pixels a side."
        )


def _as_bool(mask: np.ndarray) -> np.ndarray:
    """Probabilities count from one half, grey levels from 128; a mask of noughts and ones is what it is."""
    if mask.dtype == bool:
        return mask
    return mask >= (128 if mask.dtype.kind in "ui" and mask.max(initial=0) > 1 else 0.5)


def _shrunk(mask: np.ndarray) -> np.ndarray:
    """bool (H, W) → bool (32, 32): a pixel is entity where at least half of it is."""
    return cv2.resize(mask.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA) >= 0.5


def _first_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:120]
