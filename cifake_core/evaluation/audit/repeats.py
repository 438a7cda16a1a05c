"""Which pictures a set holds more than once, and which test pictures a detector may have seen in training."""

from collections import Counter

import numpy as np
import pandas as pd

from cifake_core import CLASS_NAMES
from cifake_core.evaluation.audit import near
from cifake_core.images.duplicates import PAIRS, duplicates, seen_in
from cifake_core.images.schema import LABELS, SPLITS
from cifake_core.progress import Progress, silent

EXAMPLES = 200  # groups or pairs listed; counts are of all


def exact(manifest: pd.DataFrame) -> dict:
    """{"pairs", "test_seen_in_train", "n_test", "seen_by_label", "seen_by_class", "examples"} of pixel-identical images.

    An example is a group of identical images: {"image_id", "copies": [place, …]}, those across splits first; a place is
    {"split", "row", "label", "class", "path"}, row counting in the official split.
    """
    ids = {split: rows["image_id"].to_numpy() for split, rows in manifest.groupby("split")}
    test = manifest[manifest["split"] == "test"]
    seen = test[seen_in(test["image_id"], ids.get("train", ()))]
    return {
        "pairs": duplicates(ids),
        "test_seen_in_train": len(seen),
        "n_test": len(test),
        "seen_by_label": {word: int((seen["label"] == label).sum()) for label, word in enumerate(LABELS)},
        "seen_by_class": {_class(c): int(n) for c, n in seen["class_label"].value_counts().sort_index().items()},
        "examples": _groups(manifest),
    }


def nearly(manifest: pd.DataFrame, pixels: list[np.ndarray], on_progress: Progress = silent) -> dict:
    """{"method", "pairs", "test_near_train", "across_labels", "by_label", "examples"} of images that are nearly the same.

    Only different pictures are compared: each group of identical ones stands for itself once, in its first place, train
    before test. An example is {"first": place, "second": place, "correlation", "difference": levels of 255}. `pixels` lie as `manifest`.
    """
    first = ~manifest["image_id"].duplicated().to_numpy()
    found = near.near_pairs(pixels, first, on_progress)
    pairs = found.rows
    split, label = manifest["split"].to_numpy(), manifest["label"].to_numpy()
    where = Counter("-".join(sorted((split[a], split[b]), key=SPLITS.index)) for a, b in pairs)
    across = pairs[split[pairs[:, 0]] != split[pairs[:, 1]]]
    same = label[pairs[:, 0]] == label[pairs[:, 1]]
    return {
        "method": found.method,
        "pairs": {name: where.get(name, 0) for name in PAIRS},
        "test_near_train": len(np.unique(across[split[across] == "test"])),
        "across_labels": int((~same).sum()),
        "by_label": {word: int((same & (label[pairs[:, 0]] == number)).sum()) for number, word in enumerate(LABELS)},
        "examples": [
            {"first": _place(manifest, a), "second": _place(manifest, b), "correlation": float(r), "difference": float(d)}
            for (a, b), r, d in zip(
                pairs[:EXAMPLES].tolist(), found.correlation[:EXAMPLES], found.distance[:EXAMPLES], strict=True
            )
        ],
    }


def _groups(manifest: pd.DataFrame) -> list[dict]:
    repeated = manifest[manifest["image_id"].duplicated(keep=False)]
    groups = [(key, rows.index.tolist(), rows["split"].nunique()) for key, rows in repeated.groupby("image_id")]
    groups.sort(key=lambda group: (-group[2], group[1][0]))
    return [
        {"image_id": key, "copies": [_place(manifest, row) for row in rows]} for key, rows, _ in groups[:EXAMPLES]
    ]


def _place(manifest: pd.DataFrame, row: int) -> dict:
    found = manifest.iloc[row]
    return {
        "split": found["split"],
        "row": int(found["row"]),
        "label": LABELS[found["label"]],
        "class": _class(found["class_label"]),
        "path": found["path"],
    }


def _class(number: int) -> str:
    return CLASS_NAMES[number] if number >= 0 else "unknown"
