"""The first half of a latent diffusion model: pictures 32×32×3 to latents 8×8 and back, in diffusers' AutoencoderKL.

It knows reconstruction and the scale of the latents; it does not know classes, noise or schedulers.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from cifake_core import hardware
from cifake_core.generators.fitting import batch_rows, draws

SIDE, LATENT_SIDE = 32, 8


def build(latent_channels: int, widths: tuple[int, int, int], seed: int):
    """A fresh AutoencoderKL with 32×32 → 16×16 → 8×8 stages of the given widths (multiples of 8), no attention."""
    from diffusers import AutoencoderKL

    torch.manual_seed(seed)
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=latent_channels,
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=SIDE,
        scaling_factor=1.0,  # `standardise` folds the scale into the 1×1 convolutions instead
    ).to(memory_format=torch.channels_last)


def as_input(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels uint8 (N, 3, 32, 32) as floats in [−1, 1], channels last."""
    return (pixels.float() / 127.5 - 1).to(memory_format=torch.channels_last)


class ReconstructionLoss:
    """|x − x̂| + edges at three scales + a little KL (Kingma & Welling 2014, eq. 10), per pixel and per latent number.

    No perceptual network and no adversary: both would need weights of others, or teach a detector's job here. The
    gradient term keeps edges that a plain absolute error smooths away.
    """

    def __init__(self, pixels: torch.Tensor, batch: int, kl_weight: float, seed: int) -> None:
        self.pixels, self.batch, self.kl_weight, self.seed = pixels, batch, kl_weight, seed

    def __call__(self, model, step: int) -> torch.Tensor:
        generator = draws(self.seed, 2, step)
        rows = batch_rows(self.seed, step, self.batch, len(self.pixels))
        flip = torch.rand(len(rows), generator=generator) < 0.5
        pixels = self.pixels[rows]
        pixels[flip] = pixels[flip].flip(-1)
        noise = torch.randn((len(rows), model.config.latent_channels, LATENT_SIDE, LATENT_SIDE), generator=generator)
        images = as_input(pixels.to(model.device))
        with hardware.autocast(model.device, hardware.fast_precision(model.device)):
            posterior = model.encode(images).latent_dist
            latents = posterior.mean + posterior.std * noise.to(model.device)
            restored = model.decode(latents).sample
        kl = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).float().mean()
        return (restored.float() - images).abs().mean() + edges(restored.float(), images) + self.kl_weight * kl


def edges(restored: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of horizontal and vertical gradients at 32, 16 and 8 pixels. Scalar ≥ 0."""
    total = restored.new_zeros(())
    difference = restored - images
    for _ in range(3):
        total = total + (difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()) / 2
        difference = F.avg_pool2d(difference, 2)
    return total / 3


@torch.inference_mode()
def encode(model, pixels: torch.Tensor, batch: int = 256) -> Iterator[torch.Tensor]:
    """Latent means float32 (n, C, 8, 8) of pixels uint8 (N, 3, 32, 32), batch after batch, on the CPU."""
    for part in pixels.split(batch):
        yield model.encode(as_input(part.to(model.device))).latent_dist.mean.float().cpu()


@torch.no_grad()
def standardise(model, pixels: torch.Tensor) -> None:
    """Changes the model so that every latent channel has mean 0 and standard deviation 1 on these pixels.

    The shift and scale go into the 1×1 convolutions around the latents, so the pictures stay what they were and the
    stock pipeline, which knows a single scaling factor and no shift, needs nothing of ours.
    """
    latents = torch.cat(list(encode(model, pixels)))
    mean = latents.mean((0, 2, 3)).to(model.device)
    scale = latents.std((0, 2, 3)).clamp_min(1e-6).to(model.device)
    channels = len(mean)
    inner, outer = model.quant_conv, model.post_quant_conv
    outer.bias += outer.weight[:, :, 0, 0] @ mean
    outer.weight *= scale[None, :, None, None]
    inner.weight[:channels] /= scale[:, None, None, None]
    inner.bias[:channels] = (inner.bias[:channels] - mean) / scale
    inner.bias[channels:] -= 2 * scale.log()  # the log-variance of the scaled latent


@torch.inference_mode()
def reconstruction_error(model, pixels: torch.Tensor) -> float:
    """Mean absolute error of pictures sent through the autoencoder, in grey levels of 255."""
    restored = model.decode(torch.cat(list(encode(model, pixels))).to(model.device)).sample.float().cpu().clamp(-1, 1)
    return float((restored - as_input(pixels)).abs().mean() * 127.5)
