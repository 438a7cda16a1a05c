"""Cuts validation from the official train split: 10 %, stratified, no pixel-identical image on both sides.

It is decided by the images themselves, not by the order of rows. It never sees the test split.
"""

import math

import numpy as np
import pandas as pd

VALIDATION_SHARE = 0.1


def validation_rows(manifest: pd.DataFrame, *, share: float = VALIDATION_SHARE, seed: int = 0) -> np.ndarray:
    """Boolean (n,): the rows of an official train split that are held out for validation.

    Every label × class gives ⌈share·n⌉ of its n images, less where identical images (equal image_id, which stay together)
    would overshoot, and never all of them. `manifest` has image_id, label and class_label.
    """
    groups = manifest.groupby("image_id", sort=True).agg(
        label=("label", "first"), class_label=("class_label", "first"), size=("label", "size")
    )
    rng = np.random.default_rng(seed)
    chosen: list[str] = []
    for _, stratum in groups.groupby(["label", "class_label"], sort=True):
        rows = int(stratum["size"].sum())
        wanted = min(math.ceil(round(share * rows, 6)), rows - 1)
        shuffled = stratum.iloc[rng.permutation(len(stratum))]
        chosen += _fill(shuffled.index.tolist(), shuffled["size"].tolist(), wanted)
    return manifest["image_id"].isin(chosen).to_numpy(dtype=bool)


def _fill(keys: list[str], sizes: list[int], wanted: int) -> list[str]:
    """Keys taken in order until their sizes sum to `wanted`; one too large for what is left is passed over."""
    taken = []
    for key, size in zip(keys, sizes, strict=True):
        if size <= wanted:
            taken.append(key)
            wanted -= size
        if not wanted:
            break
    return taken
