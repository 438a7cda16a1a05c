"""A run ready to judge pictures: its network, the other seeds of its topology, their calibrators and the out-of-distribution check.

One method makes the verdict on pixels, so that the headline, the what-if view, the table of several files and the command
line cannot disagree about the same picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cifake_core.detectors import loading
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import SIDE
from cifake_core.detectors.ood import storing
from cifake_core.detectors.ood.check import Check
from cifake_core.detectors.runs import Run
from cifake_core.detectors.scoring import logits_of, on_device
from cifake_core.errors import BadInput, NotFound
from cifake_core.evaluation import calibrating
from cifake_core.explanations import seeds
from cifake_core.explanations.verdict import Evidence, StabilityCheck, Verdict, decide
from cifake_core.images import codec
from cifake_core.metrics.calibration import Calibrator
from cifake_core.progress import Progress, silent
from cifake_core.store.workspace import Workspace

RESIZED = 26  # pixels of 32: the side of the small resize of the stability check, down and up again
FLAT = 2.0  # levels of 255: a picture whose brightness varies less shows nothing


@dataclass(frozen=True)
class Predictor:
    """Made by `Predictor.of`. Seeds go by run id, the run itself among them."""

    run: Run
    detectors: dict[str, Detector]
    calibrators: dict[str, Calibrator]
    check: Check | None
    unchecked: str | None = None  # why there is no check, where that leaves every verdict unsure

    @staticmethod
    def of(
        workspace: Workspace, run: Run, *, load: Callable[[Run], Detector] = loading.load, on_progress: Progress = silent
    ) -> "Predictor":
        """The check of a run of an earlier version is fitted now and stored. Raises Damaged where a stored one is not whole."""
        same = seeds.same_cell(workspace, run)
        detectors = {other.id: load(other) for other in same}
        calibrators = {other.id: calibrating.calibrator(workspace, other) for other in same}
        check, unchecked = _check_of(workspace, run, detectors[run.id], on_progress)
        return Predictor(run, detectors, calibrators, check, unchecked)

    @property
    def detector(self) -> Detector:
        return self.detectors[self.run.id]

    @property
    def calibrator(self) -> Calibrator:
        return self.calibrators[self.run.id]

    @property
    def domain(self) -> str:
        """What the network was trained on, in words."""
        if self.check is None:
            return f"trained elsewhere ({self.run.topology})" if not storing.has_domain(self.run) else f"trained on the dataset {self.run.dataset}"
        return self.check.dataset.domain.sentence

    def verdict(
        self, pixels: np.ndarray, size: tuple[int, int] | None = None, done: str = "", before: float | None = None
    ) -> Verdict:
        """On pixels uint8 (H, W, 3) as the network sees them.

        `size`: width and height of the file they come from, where something was resampled; `done`: what was done to it, in
        words; `before`: the probability before a what-if edit.
        """
        small = round(len(pixels) * RESIZED / SIDE)
        variants = {"JPEG once more": through_jpeg(pixels), f"Shrunk to {small} px and back": resized(pixels, small)}
        logits = self._logits(self.run.id, np.stack([pixels, *variants.values()]))
        probabilities = [float(p) for p in self.calibrator.probability(logits)]
        return decide(
            Evidence(
                logit=float(logits[0]),
                fake_probability=probabilities[0],
                checks=tuple(StabilityCheck(*pair) for pair in zip(variants, probabilities[1:], strict=True)),
                spread=self._spread(pixels, float(logits[0])),
                domain=self.domain,
                score=self._score(pixels),
                unchecked=self.unchecked,
                unlike=tuple(self._unlike(pixels, size)),
                done=done,
                before=before,
            )
        )

    def _logits(self, run_id: str, images: np.ndarray) -> np.ndarray:
        """The network's own logits (n,) of uint8 (n, H, W, 3)."""
        detector = self.detectors[run_id]
        with detector.lock:
            return logits_of(detector.network, on_device(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), detector.device))

    def _spread(self, pixels: np.ndarray, own: float) -> seeds.Spread:
        logits = {identity: own if identity == self.run.id else float(self._logits(identity, pixels[None])[0]) for identity in self.detectors}
        return seeds.spread(np.array([float(self.calibrators[identity].logit(logit)) for identity, logit in logits.items()]))

    def _score(self, pixels: np.ndarray):
        if self.check is None:
            return None
        detector = self.detector
        with detector.lock:
            return self.check.scores(detector.network, detector.device, np.ascontiguousarray(pixels.transpose(2, 0, 1))[None])[0]

    def _unlike(self, pixels: np.ndarray, size: tuple[int, int] | None) -> list[str]:
        found = []
        if size is not None and self.check is not None:
            found += [reason for reason in [self.check.dataset.domain.unlike_in_size(*size, side=len(pixels))] if reason]
        if pixels.mean(2).std() < FLAT:
            found.append("it shows next to nothing: its brightness hardly varies")
        return found


def _check_of(workspace: Workspace, run: Run, detector: Detector, on_progress: Progress) -> tuple[Check | None, str | None]:
    if not storing.has_domain(run):
        return None, None  # a ready-made detector: said beside its verdict, see `trying`
    try:
        return storing.computed(workspace, run, detector.network, on_progress), None
    except (NotFound, BadInput) as error:
        return None, f"whether it lies outside the training domain cannot be told: {error}"


def through_jpeg(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) after CIFAKE's codec."""
    return codec.decode(codec.encode_jpeg(pixels))


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """uint8 (H, W, 3) shrunk to `side` and enlarged again."""
    small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    return np.array(small.resize(pixels.shape[1::-1], Image.Resampling.BICUBIC))
