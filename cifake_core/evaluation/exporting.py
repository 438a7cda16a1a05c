"""A selection of images to take away: one table, one archive. Text that strangers wrote cannot become a formula."""

import io
import zipfile

import numpy as np
import pandas as pd

from cifake_core.errors import BadInput
from cifake_core.evaluation.evaluating import class_name
from cifake_core.evaluation.scored import Scored
from cifake_core.images.codec import encode_png

MAX_IMAGES = 5000  # of one archive: about 15 MB, made in memory
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed date in the archive: the same selection gives the same bytes


def table(scored: Scored, rows: np.ndarray, threshold: float) -> pd.DataFrame:
    """What is known of the images at those rows, in that order; one row an image."""
    chosen = scored.manifest.iloc[rows]
    return pd.DataFrame(
        {
            "image_id": scored.image_ids[rows],
            "truth": np.array(["real", "fake"])[scored.labels[rows]],
            "verdict": np.array(["real", "fake"])[scored.verdicts(threshold)[rows]],
            "outcome": scored.outcomes(threshold)[rows],
            "fake_probability": scored.probabilities[rows],
            "logit": scored.logits[rows],
            "threshold": threshold,
            "class": [class_name(label) for label in scored.class_labels[rows]],
            "double": scored.doubles[rows],
            **{name: chosen[name].to_numpy() for name in ("generator", "prompt", "seed", "path") if name in chosen},
            "run": scored.run.id,
            "split": scored.split,
        }
    )


def csv(selected: pd.DataFrame) -> bytes:
    """UTF-8 CSV. A text cell that a spreadsheet would take for a formula gets a leading apostrophe; numbers stay numbers."""
    inert = selected.copy()
    for name in inert.columns:
        if not pd.api.types.is_numeric_dtype(inert[name]) and not pd.api.types.is_bool_dtype(inert[name]):
            inert[name] = [_inert(value) for value in inert[name]]
    return inert.to_csv(index=False).encode("utf-8")


def archive(scored: Scored, rows: np.ndarray, threshold: float) -> bytes:
    """A zip of one lossless PNG an image, <rank>-<outcome>-<class>-<id>.png, and index.csv. Raises BadInput above MAX_IMAGES."""
    if len(rows) > MAX_IMAGES:
        raise BadInput(f"{len(rows):,} images are too many for one archive; narrow the selection to {MAX_IMAGES:,}.")
    index = table(scored, rows, threshold)
    described = zip(index["outcome"], index["class"], index["image_id"], strict=True)
    names = [f"{rank:05d}-{outcome}-{word}-{key[:12]}.png" for rank, (outcome, word, key) in enumerate(described, 1)]
    index.insert(0, "file", names)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:  # PNG is compressed already
        for name, row in zip(index["file"], rows, strict=True):
            packed.writestr(zipfile.ZipInfo(name, _EPOCH), encode_png(scored.pixels[row].transpose(1, 2, 0)))
        packed.writestr(zipfile.ZipInfo("index.csv", _EPOCH), csv(index))
    return out.getvalue()


def _inert(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
