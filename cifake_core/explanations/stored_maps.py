"""Maps of a whole part of an image set as they lie in the workspace: small, memory-mapped, checked, made once.

A folder `maps/<run>/<digest of what was asked>/` holds heat.npy (uint8, at the size the method gave), and for each image
the scale, the logit and the label explained. It does not know how maps are computed.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.errors import Conflict
from cifake_core.explanations import fast_cam
from cifake_core.explanations.cam import Maps
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

VERSION = 1  # raise it whenever a stored map would come out differently
FILES = ("heat.npy", "scale.npy", "logits.npy", "explained.npy")
SIDE = 32


@dataclass(frozen=True)
class StoredMaps:
    """Maps of n images, in the order of that part of the image set. Arrays are for reading only."""

    folder: Path
    record: dict  # run, split, method, layer, target, n, empty, seconds
    small: np.ndarray  # uint8 (n, h, w), memory-mapped: 255 = the image's own maximum
    scale: np.ndarray  # float32 (n,): heat · scale compares images with one another; 1 where the method has no unit
    logits: np.ndarray  # float32 (n,)
    explained: np.ndarray  # int8 (n,)

    def __len__(self) -> int:
        return len(self.logits)

    def heat(self, rows: np.ndarray | slice = slice(None), size: int = SIDE) -> np.ndarray:
        """Maps of some images, float32 (m, size, size) in [0, 1], each scaled to its own maximum; off by 1/510 at most."""
        grown = fast_cam.enlarged(np.asarray(self.small[rows], np.float32) / 255, (size, size))
        low = grown.min(axis=(1, 2), keepdims=True, initial=1)
        high = (grown - low).max(axis=(1, 2), keepdims=True, initial=0)
        return (grown - low) / np.where(high > 0, high, 1)

    @property
    def empty(self) -> np.ndarray:
        """(n,) true where no evidence for the explained label was found."""
        return self.small.reshape(len(self), -1).max(axis=1) == 0

    def maps(self, rows: np.ndarray | slice = slice(None)) -> Maps:
        return Maps(
            self.heat(rows), self.logits[rows], self.explained[rows], self.record["layer"], self.record["method"]
        )


def stored(workspace: Workspace, run: Run, split: str, method: str, layer: str, target: str) -> StoredMaps | None:
    """What was kept for exactly that request, or None. Raises Damaged where a file does not match its checksum."""
    folder = folder_of(workspace, run, split, method, layer, target)
    record = folder / artifacts.RECORD
    return _opened(folder, record.stat().st_mtime_ns) if record.exists() else None


def keep(workspace: Workspace, run: Run, record: dict, arrays: dict[str, np.ndarray]) -> StoredMaps:
    """Stores maps whole. `record` names split, method, layer and target; arrays are heat (float, [0, 1]), scale, logits,
    explained.
    """
    folder = folder_of(workspace, run, record["split"], record["method"], record["layer"], record["target"])
    try:
        with artifacts.whole_folder(folder) as temporary:
            arrays = {**arrays, "heat": (arrays["heat"] * 255).round().astype(np.uint8)}
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
