"""What a study of explanations leaves behind: a folder with its result, its numbers an image, and a record last.

It knows folders and samples; what is measured is trust.py's and entity.py's.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.errors import Conflict
from cifake_core.step import Step
from cifake_core.store import artifacts
from cifake_core.store.studies import RESULT, found
from cifake_core.store.studies import studies as studies
from cifake_core.store.workspace import Workspace

IMAGES = "images.parquet"


def folder_of(workspace: Workspace, kind: str, version: int, step: Step, run: Run, more: str = "") -> Path:
    """`studies/<kind>/<run>-<digest>`: the same request on the same weights is the same study. `more`: what else it rests on."""
    asked = [version, run.record["dataset_digest"], run.record["sha256"][WEIGHTS], asdict(step), more]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=list).encode()).hexdigest()
    return workspace.home / "studies" / kind / f"{run.id}-{digest[:10]}"


def keep(folder: Path, result: dict, images: pd.DataFrame) -> dict:
    """Stores a result whole, with a row an image, and gives it back."""
    try:
        with artifacts.whole_folder(folder) as temporary:
            artifacts.write_json(temporary / RESULT, result)
            images.to_parquet(temporary / IMAGES, index=False)
            summary = {key: result[key] for key in ("run", "split", "n", "created_at", "verdict")}
            artifacts.write_record(temporary, summary, [RESULT, IMAGES])
    except Conflict:  # another process did the same study meanwhile
        return found(folder) or result
    return result


def images_of(workspace: Workspace, result: dict) -> pd.DataFrame:
    """The numbers an image behind a result. Raises NotFound or Damaged."""
    return pd.read_parquet(artifacts.verify(workspace.home / result["folder"], IMAGES))


def sample(labels: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Rows (≤ n,) drawn without replacement, half of each label as far as there are, in order; all for n = 0."""
    if not n or n >= len(labels):
        return np.arange(len(labels))
    random, chosen = np.random.default_rng(seed), []
    for label, share in ((0, n // 2), (1, n - n // 2)):
        chosen.append(random.permutation(np.flatnonzero(labels == label))[:share])
    return np.sort(np.concatenate(chosen))
