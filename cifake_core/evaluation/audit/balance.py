"""Who is in a set, and how evenly: labels, classes, generators, and the order the rows lie in."""

import numpy as np
import pandas as pd

from cifake_core import CLASS_NAMES
from cifake_core.images.schema import FAKE, LABELS


def balance(manifest: pd.DataFrame) -> dict:
    """{"classes": [{"split", "class", "real", "fake"}], "generators": [{"split", "generator", "n", "share"}], "unnamed", "blocks"}.

    "generators" are those of the fakes, most images first; "share" is of the split's fakes. "unnamed" is the number of
    fakes of which nobody said who made them. "blocks" is, per split, how often the label changes from row to row, plus
    one: 2 means sorted by label.
    """
    return {
        "classes": _classes(manifest),
        "generators": _generators(manifest),
        "unnamed": int(((manifest["label"] == FAKE) & (manifest["generator"].fillna("") == "")).sum()),
        "blocks": {
            split: int((np.diff(rows["label"].to_numpy()) != 0).sum()) + 1
            for split, rows in manifest.groupby("split", sort=False)
        },
    }


def largest_ratio(rows: list[dict]) -> float:
    """The larger of a class's two labels over the smaller, for the class where that is largest; inf where one is missing."""
    return max(max(row["real"], row["fake"]) / min(row["real"], row["fake"]) if min(row["real"], row["fake"]) else np.inf for row in rows)


def _classes(manifest: pd.DataFrame) -> list[dict]:
    counted = manifest.groupby(["split", "class_label", "label"], sort=True).size().unstack("label", fill_value=0)
    counted = counted.reindex(columns=range(len(LABELS)), fill_value=0)
    return [
        {"split": split, "class": CLASS_NAMES[number] if number >= 0 else "unknown", "real": int(real), "fake": int(fake)}
        for (split, number), (real, fake) in zip(counted.index, counted.to_numpy(), strict=True)
    ]


def _generators(manifest: pd.DataFrame) -> list[dict]:
    fakes = manifest[(manifest["label"] == FAKE) & (manifest["generator"].fillna("") != "")]
    totals = manifest[manifest["label"] == FAKE].groupby("split").size()
    counted = fakes.groupby(["split", "generator"], sort=True).size().sort_values(ascending=False, kind="stable")
    return [
        {"split": split, "generator": name, "n": int(n), "share": float(n / totals[split])}
        for (split, name), n in counted.items()
    ]
