"""Files judged one after another for the command `try`: networks are loaded once, answers are plain rows."""

from pathlib import Path

import numpy as np

from cifake_core.detectors import loading, runs
from cifake_core.detectors.scoring import logits_of, on_device
from cifake_core.evaluation import calibrating
from cifake_core.explanations import features, seeds, trying
from cifake_core.store.workspace import Workspace


class Judge:
    """A run, the other seeds of its cell, and the calibrators of all."""

    def __init__(self, run_id: str, jpeg: bool) -> None:
        self.workspace = Workspace.current()
        self.run, self.jpeg = runs.open_run(self.workspace, run_id), jpeg
        same = seeds.same_cell(self.workspace, self.run)
        self.detectors = {run.id: loading.load(run) for run in same}
        self.calibrators = {run.id: calibrating.calibrator(self.workspace, run) for run in same}
        self.calibrator = self.calibrators[self.run.id]
        self.index = features.stored(self.workspace, self.run)

    def row(self, file: Path) -> dict:
        """{"file", "verdict", "fake_probability", "low", "high", "seeds", "far_percentile", "reasons", "warnings"}."""
        detector = self.detectors[self.run.id]
        result = trying.try_image(
            detector, file.read_bytes(), name=file.name, jpeg=self.jpeg, calibrator=self.calibrator
        )
        image = np.ascontiguousarray(result.seen.transpose(2, 0, 1))[None]
        spread = seeds.spread(np.array([self._logit(identity, image) for identity in self.detectors]))
        reasons = [*result.reasons, *(["networks that differ only in their seed disagree"] if spread.disagree else [])]
        near = self.index.nearest(features.features_of(detector, image)[0], pixels=image[0]) if self.index else None
        far = [near.strange.sentence()] if near and near.strange.is_far else []
        return {
            "file": file.name,
            "verdict": "unsure" if reasons else ("real", "fake")[result.label],
            "fake_probability": result.fake_probability,
            "low": spread.low,
            "high": spread.high,
            "seeds": spread.n,
            "far_percentile": near.strange.far if near else None,
            "reasons": reasons,
            "warnings": [*result.warnings, *far],
        }

    def _logit(self, identity: str, image: np.ndarray) -> float:
        detector = self.detectors[identity]
        images = on_device(image, detector.device)
        return float(self.calibrators[identity].logit(logits_of(detector.network, images)[0]))

    @staticmethod
    def sentence(row: dict) -> str:
        """The row for people."""
        spread = "" if row["low"] is None else f" ({row['low']:.1%} – {row['high']:.1%} over {row['seeds']} seeds)"
        why = f"; {'; '.join(row['reasons'])}" if row["reasons"] else ""
        return f"{row['verdict']}, {row['fake_probability']:.1%} fake{spread}{why}"
