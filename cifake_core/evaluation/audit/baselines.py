"""Classifiers that cannot see a picture: how far one gets from the files, the spectrum, or colours alone.

Logistic regression from scikit-learn, fitted on the official train split, judged on test. They know features and labels.
"""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cifake_core.evaluation.audit.files import COLUMNS
from cifake_core.evaluation.audit.originals import size_names
from cifake_core.images.schema import LABELS
from cifake_core.metrics import scores

SHOWN = ("accuracy", "specificity", "recall", "auc")
RESAMPLES = 200  # for the AUC's interval; the shares' intervals are exact
STRONGEST = 5
_KINDS = 20  # of quantisation tables and the like; rarer ones count as one kind
HELD_OUT_OF = 5  # where a set has one split only, every fifth picture is held out


def halves(split: np.ndarray, image_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Which images to fit on and which to judge on, bool (n,) each, and how they were told apart.

    The official splits where there are two. Else a fifth is held out by the image's id, so that identical pictures stay
    together and the choice does not depend on the order.
    """
    if len(np.unique(split)) == 2:
        return split == "train", split == "test", "fitted on train, judged on test"
    held_out = np.array([int(key[:8], 16) % HELD_OUT_OF == 0 for key in image_ids], dtype=bool)
    return ~held_out, held_out, f"fitted on four fifths of {split[0]}, judged on the rest"


def metadata_baseline(facts: pd.DataFrame, labels: np.ndarray, fit: np.ndarray, judge: np.ndarray) -> dict | None:
    """From size, format, JPEG tables, subsampling, EXIF and colour mode of the file alone. See `baseline`."""
    kinds = {name: pd.factorize(facts[name])[0] for name in COLUMNS}  # numbers: words take the encoder seconds
    seen = facts.assign(log_bytes=np.log(facts["bytes"]), **kinds)
    encode = make_column_transformer(
        (StandardScaler(), ["bytes", "log_bytes", "bytes_per_pixel"]),
        (OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=_KINDS), list(COLUMNS)),
    )
    return _judged(make_pipeline(encode, _regression()), seen, labels, fit, judge)


def size_baseline(found: pd.DataFrame, labels: np.ndarray, fit: np.ndarray, judge: np.ndarray) -> dict | None:
    """From width and height of the original files alone; `found` as `originals.originals` gives it. See `baseline`.

    The exact size is a feature of its own: "all fakes were 256 × 256" is no straight line through widths. Images of
    unknown size are left out; None if too few are known.
    """
    known = found["width"].to_numpy() > 0
    width, height = np.maximum(found["width"], 1), np.maximum(found["height"], 1)
    seen = pd.DataFrame({"log_width": np.log(width), "log_height": np.log(height), "aspect": np.log(width / height), "size": size_names(found)})
    encode = make_column_transformer(
        (StandardScaler(), ["log_width", "log_height", "aspect"]),
        (OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=_KINDS), ["size"]),
    )
    return _judged(make_pipeline(encode, _regression()), seen, labels, fit & known, judge & known)


def baseline(features: np.ndarray, names: tuple[str, ...], labels: np.ndarray, fit: np.ndarray, judge: np.ndarray) -> dict | None:
    """{"n_fit", "n_judged", "features", "share_fake", "accuracy", "specificity", "recall", "auc", "strongest"}; estimates have 95 % intervals.

    `features` (n, k), `names` k. "strongest" lists the features that separate best alone: name, auc (0.5 … 1) and which
    label has the higher values. None if a label is missing on either side: then there is nothing to tell apart.
    """
    result = _judged(make_pipeline(StandardScaler(), _regression()), features, labels, fit, judge)
    if result:
        result["strongest"] = _strongest(features[judge], names, labels[judge])
    return result


def _regression() -> LogisticRegression:
    return LogisticRegression(C=1.0, max_iter=2000, tol=1e-4)


def _judged(model: Pipeline, features, labels: np.ndarray, fit: np.ndarray, judge: np.ndarray) -> dict | None:
    if len(np.unique(labels[fit])) < 2 or len(np.unique(labels[judge])) < 2:
        return None
    model.fit(features[fit], labels[fit])
    found = scores.evaluate(model.decision_function(features[judge]), labels[judge], resamples=RESAMPLES)
    return {
        "n_fit": int(fit.sum()),
        "n_judged": int(judge.sum()),
        "features": features.shape[1],
        "share_fake": float(labels[judge].mean()),  # of those judged: what naming one label always would give
        **{name: found[name].as_dict() for name in SHOWN},
    }


def _strongest(features: np.ndarray, names: tuple[str, ...], labels: np.ndarray) -> list[dict]:
    aucs = [float(roc_auc_score(labels, column)) for column in features.T]
    order = sorted(range(len(names)), key=lambda i: -abs(aucs[i] - 0.5))[:STRONGEST]
    return [
        {"name": names[i], "auc": max(aucs[i], 1 - aucs[i]), "higher_in": LABELS[int(aucs[i] >= 0.5)]} for i in order
    ]
