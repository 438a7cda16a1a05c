"""Maps of a whole part of an image set as they lie in the workspace: small, memory-mapped, checked, made once.

Maps of feature maps after the ReLU have a version of their own: those of earlier versions were all taken before it. They
lie where maps before the ReLU lie today, have no "feature_map" in their record, and are never taken for the others.

A folder `maps/<run>/<digest of what was asked>/` holds heat.npy (uint8, at the size the method gave; signed maps with
nought at 128), and for each image the scale, the logit and the label explained. It does not know how maps are computed.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch

from cifake_core.detectors import feature_maps, places
from cifake_core.detectors.places import AFTER_RELU
from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.errors import Conflict
from cifake_core.explanations import fast_cam, methods
from cifake_core.explanations.cam import Maps, speaking_for
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

VERSION = 3  # raise it whenever a stored map would come out differently
BEFORE_PLACES = 2  # of maps that are no others than when there was no choice of place: before the ReLU, or without one
FILES = ("heat.npy", "scale.npy", "logits.npy", "explained.npy")
SIDE = 32
ZERO = 128  # the level of nought in a signed map: 1 = −1, 255 = 1


@dataclass(frozen=True)
class StoredMaps:
    """Maps of n images, in the order of that part of the image set. Arrays are for reading only."""

    folder: Path
    record: dict  # run, split, method, layer, feature_map, target, n, empty, seconds, signed, unit
    small: np.ndarray  # uint8 (n, h, w), memory-mapped: 0 = the image's own minimum, 255 = its maximum
    scale: np.ndarray  # float32 (n,): see `Maps.scale`; 1 where the method has no unit
    logits: np.ndarray  # float32 (n,)
    explained: np.ndarray  # int8 (n,)

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def is_signed(self) -> bool:
        return bool(self.record["signed"])

    @property
    def place(self) -> str:
        """Where the feature maps were taken, see `places.PLACES`."""
        return place_in(self.record)

    def heat(self, rows: np.ndarray | slice = slice(None), size: int = SIDE) -> np.ndarray:
        """Maps of some images, float32 (m, size, size), from 0 at each one's minimum to 1 at its maximum, or the same
        everywhere (`feature_maps.scaled`); off by 1/510 at most.
        """
        if self.is_signed:
            return speaking_for(self.signed(rows, size))
        grown = fast_cam.enlarged(self.from_levels(np.asarray(self.small[rows], np.float32)), (size, size))
        return feature_maps.scaled(torch.from_numpy(grown))[0].numpy()

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
            self.place,
        )


def place_in(record: dict) -> str:
    """Where the feature maps behind a record were taken; records of earlier versions do not say, and it was before the ReLU."""
    without = record["layer"] == methods.SIZE_OF_INPUT
    return record.get("feature_map", places.NO_RELU if without else places.BEFORE_RELU)


def stored(
    workspace: Workspace, run: Run, split: str, method: str, layer: str, target: str, place: str = AFTER_RELU
) -> StoredMaps | None:
    """What was kept for exactly that request, or None. Raises Damaged where a file does not match its checksum."""
    folder = folder_of(workspace, run, split, method, layer, target, place)
    record = folder / artifacts.RECORD
    return _opened(folder, record.stat().st_mtime_ns) if record.exists() else None


def keep(workspace: Workspace, run: Run, record: dict, arrays: dict[str, np.ndarray]) -> StoredMaps:
    """Stores maps whole. `record` names split, method, layer, feature_map (`methods.place_of`), target, signed and unit
    (whether `scale` means something); arrays are heat (float, [0, 1], or [-1, 1] where signed), scale, logits, explained.
    """
    folder = folder_of(workspace, run, record["split"], record["method"], record["layer"], record["target"], place_in(record))
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
    """The records of all maps kept of a run, each with its "feature_map"."""
    found = sorted((workspace.home / "maps" / run.id).glob(f"[!.]*/{artifacts.RECORD}"))
    records = map(artifacts.read_json, found)
    return [{**record, "feature_map": place_in(record)} for record in records]


def folder_of(workspace: Workspace, run: Run, split: str, method: str, layer: str, target: str, place: str) -> Path:
    weights = run.record["sha256"][WEIGHTS]
    after = place == AFTER_RELU and methods.place_of(run.topology, method, place) == AFTER_RELU
    asked = [VERSION if after else BEFORE_PLACES, run.id, weights, run.record["dataset_digest"], split, method, layer, target]
    asked += [AFTER_RELU] if after else []
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
