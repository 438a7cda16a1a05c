"""From seeds and classes to pixels with a DiTPipeline's parts: what the stock pipeline call does, batch after batch, leaner.

Every image's noise comes from its own seed. It does not know shards, prompts or files.
"""

from collections.abc import Callable

import numpy as np
import torch

from cifake_core.errors import BadInput
from cifake_core.generators.diffusion_transformer import NO_CLASS


def noise(seeds: list[int], shape: tuple[int, int, int], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Normal noise (N, *shape), row i from seeds[i] alone, drawn on the CPU so that every device starts from the same."""
    rows = [torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed), dtype=dtype) for seed in seeds]
    return torch.cat(rows).to(device)


@torch.inference_mode()
def sample(
    pipeline,
    class_ids: list[int],
    seeds: list[int],
    steps: int,
    guidance: float,
    after_step: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Pictures float32 (N, side, side, 3), about 0 … 1. Equal to `pipeline(class_labels, guidance, [generators], steps)` within rounding.

    Classifier-free guidance (Ho & Salimans 2022, eq. 6) runs both answers in one batch; guidance ≤ 1 halves the work.
    `after_step` is called between denoising steps and may raise.
    """
    transformer, scheduler = pipeline.transformer, pipeline.scheduler
    config, device = transformer.config, transformer.device
    latents = noise(seeds, (config.in_channels, config.sample_size, config.sample_size), device, transformer.dtype)
    labels = torch.tensor(class_ids, device=device)
    guided = guidance > 1
    if guided:
        labels = torch.cat([labels, torch.full_like(labels, NO_CLASS)])
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latents, t)
        answer = transformer(
            torch.cat([scaled, scaled]) if guided else scaled,
            timestep=t.to(device).expand(len(labels)),
            class_labels=labels,
        ).sample[:, : config.in_channels]
        if guided:
            asked, anything = answer.chunk(2)
            answer = anything + guidance * (asked - anything)
        latents = scheduler.step(answer, t, latents).prev_sample
        after_step()
    pictures = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return pictures.float().permute(0, 2, 3, 1).cpu().numpy() / 2 + 0.5


def to_pixels(pictures: np.ndarray) -> np.ndarray:
    """uint8 of floats (N, H, W, 3) in [0, 1]; raises BadInput if a picture holds no numbers (broken or overflowing weights)."""
    if not np.isfinite(pictures).all():
        raise BadInput("The generator gave pictures without numbers (NaN); its weights are broken or overflow on this device.")
    return (pictures.clip(0, 1) * 255).round().astype(np.uint8)
