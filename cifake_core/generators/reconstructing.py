"""Real pictures through an autoencoder and back: fakes that differ from photographs by nothing but the decoder's traces."""

import numpy as np
import torch

from cifake_core.generators import autoencoder
from cifake_core.generators.painting import Painted, Request
from cifake_core.images.codec import encode_jpeg
from cifake_core.images.schema import CLASSES

_BATCH = 256


@torch.inference_mode()
def through(vae, pixels: np.ndarray) -> np.ndarray:
    """uint8 (N, 3, 32, 32) → what encoder and decoder make of them, uint8 (N, 32, 32, 3)."""
    parts = []
    for part in torch.from_numpy(pixels).split(_BATCH):
        latents = vae.encode(autoencoder.as_input(part.to(vae.device)).to(vae.dtype)).latent_dist.mean
        parts.append(vae.decode(latents).sample.float().clamp(-1, 1).cpu())
    return ((torch.cat(parts) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def painted(pictures: np.ndarray, class_labels: np.ndarray, image_ids: np.ndarray, about: dict) -> list[Painted]:
    """The pictures as files, each with the id of the real picture it is a reconstruction of."""
    made = []
    for index, (picture, label, image_id) in enumerate(zip(pictures, class_labels, image_ids, strict=True)):
        word = CLASSES[label]
        provenance = {**about, "class": word, "index": index, "seed": 0, "reconstructs": str(image_id)}
        made.append(Painted(Request(word, index, 0), encode_jpeg(picture), picture, provenance))
    return made
