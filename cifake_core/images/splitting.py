"""Cuts validation from the official train split: 10 %, stratified, no pixel-identical image on both sides.

It is decided by the images themselves, not by the order of rows. It never sees the test split.
"""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

VALIDATION_SHARE = 0.1


def validation_rows(manifest: pd.DataFrame, *, share: float = VALIDATION_SHARE, seed: int = 0) -> np.ndarray:
    """Boolean (n,): the rows of an official train split that are held out for validation.

    Every label × class gives ⌈share·n⌉ of its n images, less where identical images (equal image_id, which stay together)
    would overshoot, and never all of them. `manifest` has image_id, label and class_label.
    """
    codes, groups = _by_identity(manifest)
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    for _, stratum in groups.groupby(["label", "class_label"], sort=True):
        rows = int(stratum["size"].sum())
        wanted = min(math.ceil(round(share * rows, 6)), rows - 1)
        shuffled = stratum.iloc[rng.permutation(len(stratum))]
        chosen += _fill(shuffled.index.tolist(), shuffled["size"].tolist(), wanted)
    held_out = np.zeros(len(groups), dtype=bool)
    held_out[chosen] = True
    return held_out[codes]


def _by_identity(manifest: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Which group of identical images each row is in, (n,), and the groups by image_id: label and class_label of the first, size.

    What pandas' groupby gives, in a tenth of the time: a page waits for it when a server is fresh.
    """
    ids = pa.array(manifest["image_id"], pa.large_string())
    found = (ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids).dictionary_encode()
    codes = found.indices.to_numpy().astype(np.int64)
    first = np.empty(len(found.dictionary), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last written stays: the first occurrence
    order = pc.sort_indices(found.dictionary).to_numpy()
    groups = pd.DataFrame(
        {name: manifest[name].to_numpy()[first[order]] for name in ("label", "class_label")}, index=order
    ).assign(size=np.bincount(codes, minlength=len(first))[order])
    return codes, groups


def _fill(keys: list[int], sizes: list[int], wanted: int) -> list[int]:
    """Keys taken in order until their sizes sum to `wanted`; one too large for what is left is passed over."""
    taken = []
    for key, size in zip(keys, sizes, strict=True):
        if size <= wanted:
            taken.append(key)
            wanted -= size
        if not wanted:
            break
    return taken
