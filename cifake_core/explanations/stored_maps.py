"""Maps of a whole part of an image set as they lie in the workspace: small, memory-mapped, checked, made once.

A folder `maps/<run>/<digest of what was asked>/` holds heat.npy (uint8, at the size the method gave; signed maps with
nought at 128), and for each image the scale, the logit and the label explained. It does not know how maps are computed.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.errors import Conflict
from cifake_core.explanations import fast_cam
from cifake_core.explanations.cam import Maps, speaking_for
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

VERSION = 2  # raise it whenever a stored map would come out differently
FILES = ("heat.npy", "scale.npy", "logits.npy", "explained.npy")
SIDE = 32
ZERO = 128  # the level of nought in a signed map: 1 = −1, 255 = 1


@dataclass(frozen=True)
class StoredMaps:
    """Maps of n images, in the order of that part of the image set. Arrays are for reading only."""

    folder: Path
    record: dict  # run, split, method, layer, target, n, empty, seconds, signed, unit
    small: np.ndarray  # uint8 (n, h, w), memory-mapped: 255 = the image's own maximum
    scale: np.ndarray  # float32 (n,): see `Maps.scale`; 1 where the method has no unit
    logits: np.ndarray  # float32 (n,)
    explained: np.ndarray  # int8 (n,)

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def is_signed(self) -> bool:
        return bool(self.record["signed"])

    def heat(self, rows: np.ndarray | slice = slice(None), size: int = SIDE) -> np.ndarray:
        """Maps of some images, float32 (m, size, size) in [0, 1], each scaled to its own maximum; off by 1/510 at most."""
        if self.is_signed:
            return speaking_for(self.signed(rows, size))
        grown = fast_cam.enlarged(self.from_levels(np.asarray(self.small[rows], np.float32)), (size, size))
        low = grown.min(axis=(1, 2), keepdims=True, initial=1)
        high = (grown - low).max(axis=(1, 2), keepdims=True, initial=0)
        return (grown - low) / np.where(high > 0, high, 1)

    def signed(self, rows: np.ndarray | slice = slice(None), size: int = SIDE) -> np.ndarray | None:
        """The same with what speaks against the label below 0, float32 (m, size, size) in [-1, 1]; None: no such sign."""
        if not self.is_signed:
            return None
        return fast_cam.enlarged(self.from_levels(np.asarray(self.small[rows], np.float32)), (size, size))

    def from_levels(self, levels: np.ndarray) -> np.ndarray:
        """Stored levels float (…) → values in [0, 1], or in [-1, 1] of a signed map."""
        return (levels - ZERO) / (255 - ZERO) if self.is_signed else levels / 255

    @cached_property
    def empty(self) -> np.ndarray:
        """(n,) true where no evidence for the explained label was found."""
        nought = ZERO if self.is_signed else 0
        return self.small.reshape(len(self), -1).max(axis=1, initial=0) <= nought

    def maps(self, rows: np.ndarray | slice = slice(None)) -> Maps:
        return Maps(
            self.heat(rows),
            self.logits[rows],
            self.explained[rows],
            self.record["layer"],
            self.record["method"],
            self.signed(rows),
            self.scale[rows] if self.record["unit"] else None,
        )


def stored(workspace: Workspace, run: Run, split: str, method: str, layer: str, target: str) -> StoredMaps | None:
    """What was kept for exactly that request, or None. Raises Damaged where a file does not match its checksum."""
    folder = folder_of(workspace, run, split, method, layer, target)
    record = folder / artifacts.RECORD
    return _opened(folder, record.stat().st_mtime_ns) if record.exists() else None


def keep(workspace: Workspace, run: Run, record: dict, arrays: dict[str, np.ndarray]) -> StoredMaps:
    """Stores maps whole. `record` names split, method, layer, target, signed and unit (whether `scale` means something);
    arrays are heat (float, [0, 1], or [-1, 1] where signed), scale, logits, explained.
    """
    folder = folder_of(workspace, run, record["split"], record["method"], record["layer"], record["target"])
    try:
        with artifacts.whole_folder(folder) as temporary:
            heat = arrays["heat"] * (255 - ZERO) + ZERO if record["signed"] else arrays["heat"] * 255
            arrays = {**arrays, "heat": heat.round().astype(np.uint8)}
            for name in FILES:
                np.save(temporary / name, arrays[name.removesuffix(".npy")], allow_pickle=False)
            artifacts.write_record(temporary, {"run": run.id, **record}, list(FILES))
    except Conflict:  # somebody else computed the same meanwhile: theirs is as good
        pass
    return _opened(folder, (folder / artifacts.RECORD).stat().st_mtime_ns)


def kept(workspace: Workspace, run: Run) -> list[dict]:
    """The records of all maps kept of a run."""
    found = sorted((workspace.home / "maps" / run.id).glob(f"[!.]*/{artifacts.RECORD}"))
    return [artifacts.read_json(path) for path in found]


def folder_of(workspace: Workspace, run: Run, split: str, method: str, layer: str, target: str) -> Path:
    weights = run.record["sha256"][WEIGHTS]
    asked = [VERSION, run.id, weights, run.record["dataset_digest"], split, method, layer, target]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    return workspace.home / "maps" / run.id / digest


@lru_cache(maxsize=16)
def _opened(folder: Path, _modified_ns: int) -> StoredMaps:
    heat, scale, logits, explained = (artifacts.verify(folder, name) for name in FILES)
    return StoredMaps(
        folder,
        artifacts.read_json(folder / artifacts.RECORD),
        np.load(heat, mmap_mode="r"),
        np.load(scale),
        np.load(logits),
        np.load(explained),
    )
