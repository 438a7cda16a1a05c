"""What the files of a set were before anything was shrunk or re-encoded: sizes, aspect ratios, shrinking, metadata, per label.

A set of 32×32 pictures looks even; if all fakes were 559×559 and no real was, the traces of shrinking still tell.
"""

import json

import numpy as np
import pandas as pd

from cifake_core.images.codec import SIDE
from cifake_core.images.schema import LABELS

LISTED = 8  # the most frequent sizes and aspect ratios of either label
METADATA = ("format", "quantisation", "exif")


def originals(manifest: pd.DataFrame) -> pd.DataFrame:
    """One row an image: width, height (0 = not known), format, quantisation, exif. Older sets tell sizes in their provenance only."""
    found = manifest[[f"original_{name}" for name in ("width", "height", *METADATA)]].copy()
    found.columns = ["width", "height", *METADATA]
    unknown = np.flatnonzero((found["width"] == 0).to_numpy())
    if len(unknown):
        told = [_size_in(text) for text in manifest["provenance"].iloc[unknown]]
        found.loc[found.index[unknown], ["width", "height"]] = np.array(told, dtype=np.int32).reshape(-1, 2)
    return found


def _size_in(provenance: str) -> tuple[int, int]:
    """(width, height) that a provenance tells, (0, 0) for none."""
    if not isinstance(provenance, str) or ("resized_from" not in provenance and "original_size" not in provenance):
        return 0, 0
    told = json.loads(provenance)
    size = told.get("resized_from") or told.get("original_size") or (0, 0)
    return int(size[0]), int(size[1])


def by_label(found: pd.DataFrame, labels: np.ndarray) -> dict:
    """{"known", "sizes", "different_sizes", "aspects", "shrinking", "metadata"} of what `originals` gave.

    "sizes" and "aspects" list {"size" or "aspect", "real", "fake": images, "share_real", "share_fake": of the label}. "known" counts images of each label whose size is known. "shrinking" is, per label, the shares that were shrunk,
    enlarged and cropped to a square, and the quartiles of how many times the square's side was larger than 32 pixels.
    """
    known = found["width"].to_numpy() > 0
    groups = {word: found[known & (labels == label)] for label, word in enumerate(LABELS)}
    return {
        "known": {word: len(group) for word, group in groups.items()},
        "sizes": _listed("size", {word: size_names(group) for word, group in groups.items()}),
        "different_sizes": {word: int(size_names(group).nunique()) for word, group in groups.items()},
        "aspects": _listed("aspect", {word: _aspects(group) for word, group in groups.items()}),
        "shrinking": {word: _shrinking(group) for word, group in groups.items() if len(group)},
        "metadata": [row for label, word in enumerate(LABELS) for row in _metadata(word, found[labels == label])],
    }


def size_names(found: pd.DataFrame) -> pd.Series:
    """ "256 × 192" of each row."""
    return found["width"].astype(str) + " × " + found["height"].astype(str)


def _aspects(found: pd.DataFrame) -> pd.Series:
    """ "4 : 3" of each row, width to height, in lowest terms."""
    common = np.gcd(found["width"].to_numpy(np.int64), found["height"].to_numpy(np.int64))
    return pd.Series([f"{w // g} : {h // g}" for w, h, g in zip(found["width"], found["height"], common, strict=True)], dtype=object)


def _listed(name: str, values: dict[str, pd.Series]) -> list[dict]:
    """The most frequent values of either label, with how often both have them; those that differ most first."""
    counts = {word: found.value_counts() for word, found in values.items()}
    listed = dict.fromkeys(value for found in counts.values() for value in found.head(LISTED).index)
    rows = [
        {
            name: value,
            **{word: int(found.get(value, 0)) for word, found in counts.items()},
            **{f"share_{word}": float(found.get(value, 0) / max(1, found.sum())) for word, found in counts.items()},
        }
        for value in listed
    ]
    return sorted(rows, key=lambda row: -abs(row["share_real"] - row["share_fake"]))


def _shrinking(found: pd.DataFrame) -> dict:
    width, height = found["width"].to_numpy(float), found["height"].to_numpy(float)
    factor = np.minimum(width, height) / SIDE
    low, median, high = np.quantile(factor, (0.25, 0.5, 0.75))
    return {
        "shrunk": float((factor > 1).mean()),
        "enlarged": float((factor < 1).mean()),
        "cropped": float((width != height).mean()),
        "factor_median": float(median),
        "factor_quartiles": [float(low), float(high)],
    }


def _metadata(word: str, found: pd.DataFrame) -> list[dict]:
    """One row a kind of file as it came, most frequent first; what is not known is left out."""
    known = found[found["format"].astype(str) != ""]
    rows = [
        {"label": word, **dict(zip(METADATA, key, strict=True)), "n": len(group), "share": len(group) / len(known)}
        for key, group in known.groupby(list(METADATA), sort=False, dropna=False)
    ]
    rows = [{**row, "exif": None if pd.isna(row["exif"]) else bool(row["exif"])} for row in rows]
    return sorted(rows, key=lambda row: -row["n"])
