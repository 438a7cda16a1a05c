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


def as_single_file(folder: Path, file: Path) -> Path:
    """The weights of `tiny_stable_diffusion` in one file, under the names Stable Diffusion's own code gives them."""
    from safetensors.torch import load_file, save_file

    tensors = {}
    for part, rename, begins in (
        ("unet", _unet_name, "model.diffusion_model."), ("vae", _vae_name, "first_stage_model."), ("text_encoder", str, "cond_stage_model.transformer."),
    ):  # fmt: skip
        for name, tensor in load_file(next((folder / part).glob("*.safetensors"))).items():
            if part == "text_encoder" and not name.startswith("text_model."):
                name = f"text_model.{name}"
            convolved = part == "vae" and ".attentions." in name and "group_norm" not in name and name.endswith("weight")
            tensors[begins + rename(name)] = (tensor[:, :, None, None] if convolved else tensor).contiguous()
    save_file(tensors, file)
    return file


_RESNET = (
    ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"), ("norm2", "out_layers.0"), ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
)  # fmt: skip
_UNET = (  # two levels of one layer each
    ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"), ("conv_in", "input_blocks.0.0"),
    ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
    ("down_blocks.0.resnets.0", "input_blocks.1.0"), ("down_blocks.0.downsamplers.0.conv", "input_blocks.2.0.op"),
    ("down_blocks.1.resnets.0", "input_blocks.3.0"), ("down_blocks.1.attentions.0", "input_blocks.3.1"),
    ("mid_block.resnets.0", "middle_block.0"), ("mid_block.attentions.0", "middle_block.1"), ("mid_block.resnets.1", "middle_block.2"),
    ("up_blocks.0.resnets.0", "output_blocks.0.0"), ("up_blocks.0.attentions.0", "output_blocks.0.1"),
    ("up_blocks.0.resnets.1", "output_blocks.1.0"), ("up_blocks.0.attentions.1", "output_blocks.1.1"),
    ("up_blocks.0.upsamplers.0.conv", "output_blocks.1.2.conv"),
    ("up_blocks.1.resnets.0", "output_blocks.2.0"), ("up_blocks.1.resnets.1", "output_blocks.3.0"),
)  # fmt: skip
_ATTENTION = (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"))


def _unet_name(name: str) -> str:
    for ours, theirs in _UNET:
        if name.startswith(f"{ours}."):
            rest = name.removeprefix(ours)
            if ".resnets." in ours:
                rest = next(f".{new}{rest.removeprefix(f'.{old}')}" for old, new in _RESNET if rest.startswith(f".{old}."))
            return theirs + rest
    raise AssertionError(name)


def _vae_name(name: str) -> str:
    """Four levels: the decoder counts them from the other end."""
    side, _, rest = name.partition(".")
    parts = rest.split(".")
    if parts[0] in ("down_blocks", "up_blocks"):
        level = int(parts[1]) if parts[0] == "down_blocks" else 3 - int(parts[1])
        way = parts[0].removesuffix("_blocks")
        if parts[2] == "resnets":
            return f"{side}.{way}.{level}.block.{parts[3]}.{'.'.join(parts[4:]).replace('conv_shortcut', 'nin_shortcut')}"
        return f"{side}.{way}.{level}.{way}sample.{'.'.join(parts[4:])}"
    if parts[0] == "mid_block":
        if parts[1] == "resnets":
            return f"{side}.mid.block_{int(parts[2]) + 1}.{'.'.join(parts[3:])}"
        inner = ".".join(parts[3:])
        return f"{side}.mid.attn_1." + next(new + inner.removeprefix(old) for old, new in _ATTENTION if inner.startswith(f"{old}."))
    return name.replace("conv_norm_out", "norm_out")
