"""Tiny generators for the tests: a set of rendered stand-ins, a few steps of our own training, a random Stable Diffusion."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from cifake_core.generators.latent_diffusion import TrainGenerator
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_png
from cifake_core.images.schema import CLASSES, REAL, NewImage
from cifake_core.store.workspace import Workspace

TINY = {
    "widths": [8, 8, 8],
    "layers": 1,
    "heads": 2,
    "head_width": 8,
    "autoencoder_batch": 8,
    "transformer_batch": 8,
    "sample_steps": 2,
}


def stand_ins(workspace: Workspace, name: str = "reals", per_class: int = 11) -> None:
    """An image set of flat colours with noise, one colour a class."""
    random = np.random.default_rng(0)
    rows = []
    for label in range(len(CLASSES)):
        for _ in range(per_class):
            pixels = np.full((32, 32, 3), (20 * label, 255 - 20 * label, 128), np.uint8)
            pixels = np.clip(pixels + random.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
            rows.append(NewImage(encode_png(pixels), REAL, label))
    new_image_set(workspace, name, rows, kind="rendered", note="colours for a test")


def tiny_training(name: str = "tiny", **changes) -> TrainGenerator:
    settings = {"autoencoder_steps": 4, "transformer_steps": 6, "design": TINY, "checkpoint_s": 0.0, **changes}
    return TrainGenerator(dataset="reals", name=name, **settings)


def tiny_stable_diffusion(folder: Path) -> Path:
    """A randomly initialised StableDiffusionPipeline of a few thousand weights, saved whole. No network."""
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    tokenizer = _tokenizer(folder.parent / "tokenizer-files")
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=77, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=8, in_channels=4, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16, attention_head_dim=4, norm_num_groups=4,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, norm_num_groups=4, sample_size=64,
    )  # fmt: skip
    scheduler = PNDMScheduler(beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1)
    pipeline = StableDiffusionPipeline(vae, text, tokenizer, unet, scheduler, None, None, requires_safety_checker=False)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _tokenizer(folder: Path):
    """CLIP's tokenizer over single letters: real class, real files, a vocabulary of our own."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters), ",</w>", ".</w>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def tiny_unconditional(folder: Path, kind: str) -> Path:
    """A randomly initialised DDPM-, DDIM- or LDMPipeline of 32×32 pixels, saved whole."""
    import diffusers
    import torch

    torch.manual_seed(0)
    size = 16 if kind == "LDMPipeline" else 32
    unet = diffusers.UNet2DModel(
        sample_size=size, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip
    if kind == "LDMPipeline":
        vqvae = diffusers.VQModel(
            block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=3, norm_num_groups=4, num_vq_embeddings=16,
        )  # fmt: skip
        pipeline = diffusers.LDMPipeline(vqvae, unet, diffusers.DDIMScheduler())
    else:
        scheduler = diffusers.DDPMScheduler() if kind == "DDPMPipeline" else diffusers.DDIMScheduler()
        pipeline = getattr(diffusers, kind)(unet, scheduler)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def as_hub_cache(folder: Path, cache: Path, model: str = "someone/tiny", commit: str = "0" * 40) -> Path:
    """The same files as the Hub's own client keeps them: blobs by digest, a snapshot of links to them."""
    home = cache / f"models--{model.replace('/', '--')}"
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        blob = home / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(file.read_bytes())
        link = home / "snapshots" / commit / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return home
