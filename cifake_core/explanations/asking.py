"""What a detector says of pictures that were changed: the one way the tests of maps ask a network."""

import numpy as np
import torch

from cifake_core.detectors.loading import Detector
from cifake_core.detectors.scoring import verdict

BATCH = 500


def logits_of(detector: Detector, images: np.ndarray) -> np.ndarray:
    """Logits float32 (n,) of the verdicts on images float32 (n, 3, H, W) in [0, 1]."""
    parts = [np.zeros(0, np.float32)]
    with detector.lock, torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH], np.float32))
            batch = batch.to(detector.device, memory_format=torch.channels_last)
            parts.append(verdict(detector.network, batch).cpu().numpy())
    return np.concatenate(parts)
