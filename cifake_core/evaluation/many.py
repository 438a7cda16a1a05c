"""What many runs say of the same images, side by side: where networks or seeds disagree."""

from dataclasses import dataclass

import numpy as np

from cifake_core.detectors import runs
from cifake_core.detectors.runs import Run, predictions_file
from cifake_core.errors import Damaged, NotFound
from cifake_core.evaluation.scored import Scored
from cifake_core.metrics.scores import fake_probability
from cifake_core.store.workspace import Workspace


@dataclass(frozen=True)
class Many:
    """R runs, n images. A run whose predictions are damaged or of other images is left out."""

    runs: list[Run]  # newest first
    probabilities: np.ndarray  # float32 (R, n): probability of fake

    def of(self, row: int) -> list[tuple[Run, float]]:
        """Each run with its probability for the image at that row, the surest of fake first."""
        found = zip(self.runs, self.probabilities[:, row].tolist(), strict=True)
        return sorted(found, key=lambda pair: -pair[1])

    def spread(self, like: Run | None = None) -> np.ndarray:
        """(n,) standard deviation of the probability over all runs, or over the seeds of `like`'s topology. Zeros for one run."""
        chosen = [like is None or run.topology == like.topology for run in self.runs]
        if sum(chosen) < 2:
            return np.zeros(self.probabilities.shape[1], np.float32)
        return self.probabilities[chosen].std(axis=0)


def comparable(workspace: Workspace, scored: Scored) -> list[Run]:
    """The runs trained on the same images that have predictions for that split, newest first."""
    digest = scored.run.record["dataset_digest"]
    name = predictions_file(scored.split)
    return [r for r in runs.runs(workspace) if r.record["dataset_digest"] == digest and name in r.record["sha256"]]


def read(found: list[Run], scored: Scored) -> Many:
    """The predictions of these runs for the images of `scored`."""
    kept, rows = [], []
    for run in found:
        try:
            table = run.predictions(scored.split)
        except (Damaged, NotFound):
            continue
        if np.array_equal(table["image_id"].to_numpy(), scored.image_ids):
            kept.append(run)
            rows.append(fake_probability(table["logit"].to_numpy()).astype(np.float32))
    return Many(kept, np.stack(rows) if rows else np.empty((0, len(scored)), np.float32))
