"""Train the bundled CIFAR-10 generator, version 2, in as many sittings as it takes: python -m benchmarks.train_latent_unet FOLDER

FOLDER keeps the training state; the result of --export is a stock StableDiffusionPipeline that needs no code of ours:

* latents 16 × 16 × 6: each 2 × 2 block of pixels, projected linearly to its six strongest principal components, each with
  standard deviation 1. The projection is computed, not learned, so the denoiser can be trained before the autoencoder is.
  An AutoencoderTiny learns it: its encoder by regression to these latents, its decoder by reconstruction from them.
* a UNet2DConditionModel predicts v (Salimans & Ho 2022) on the cosine schedule (Nichol & Dhariwal 2021), so that every
  stock scheduler can sample it. The prompt reaches it twice: by cross-attention below 16 × 16, and pooled, in the time embedding.
* a CLIPTextModel of two layers, trained jointly, over a vocabulary made from this program's own prompts.

All randomness is drawn from (seed, step), so a run that was killed and goes on ends with the weights of an uninterrupted one.
The learning rate stays constant: the run has no planned end. `--decay-steps` ends it, and power-function averages (Karras et al.
2024, eq. 123), whose length grows with the run, are what is exported.
"""

import argparse
import copy
import json
import math
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait sleep: on a busy machine spinning costs more than waking

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cifake_core import hardware
from cifake_core.detectors.muon import Muon
from cifake_core.generators import autoencoder, fitting
from cifake_core.generators.fitting import batch_rows, draws
from cifake_core.generators.recipe import load_recipe
from cifake_core.images.codec import encode_jpeg, encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, REAL
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

STATE, PROJECTION, DECODER, LOG, RECIPE = "unet.safetensors", "projection.safetensors", "autoencoder.safetensors", "log.jsonl", "recipe.json"
TIMES, PROMPT_LENGTH = 1000, 16
LATENT_SCALE = 3.0  # the stock decoder bends what lies beyond ±3: latents of standard deviation 1 reach it divided by this
AVERAGES = {"average-long": 6.94, "average-short": 16.97}  # name → γ; relative widths 0.10 and 0.05
_LOG_EVERY, _HELD_OUT, _CODING_BATCH = 20, 1000, 32  # steps; images; images
_PACKED, _PACKED_BYTES, _BESIDE = "weights-{}.safetensors", 14_000_000, (RECIPE, PROJECTION, DECODER, LOG)


@dataclass(frozen=True)
class Recipe:
    """What decides the weights, beside the data and the number of steps."""

    latent_channels: int = 6
    channels: tuple[int, int, int] = (48, 96, 144)  # of the U-Net at 16, 8 and 4 places a side
    layers: int = 1  # residual blocks a resolution on the way down; one more on the way up
    text_width: int = 64
    batch: int = 128
    optimizer: str = "adamw"  # or muon: convolutions by Muon, the rest by Adam
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    empty_prompts: float = 0.1  # share trained without a prompt, for classifier-free guidance
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """How long one sitting lasts and what it leaves on its way."""

    minutes: float = math.inf  # by the clock
    until: int = 0  # the step to stop at; 0 = none
    decay_steps: int = 0  # the learning rate falls to zero over the last steps before `until`
    checkpoint_s: float = 300.0
    validate_every: int = 500  # steps between losses on held-out reals

    def rate(self, recipe: Recipe, step: int) -> float:
        """The learning rate of a step: linear warm-up, constant, and where there is a decay, linear to zero."""
        rate = recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup_steps)
        if self.decay_steps:
            rate *= min(1.0, max(0.0, (self.until - step) / self.decay_steps))
        return rate


@dataclass
class State:
    """A training under way: what its checkpoint holds."""

    model: nn.ModuleDict  # "unet" and "text"
    averages: dict[str, nn.ModuleDict]
    optimizer: torch.optim.Optimizer
    step: int = 0
    cpu_s: float = 0.0  # processor time of all sittings and threads


class Projection:
    """Pixels to whitened principal components of 2 × 2 blocks, and back."""

    def __init__(self, mean: Tensor, axes: Tensor, deviation: Tensor) -> None:
        self.mean, self.axes, self.deviation = mean, axes, deviation  # (12,), (12, C), (C,)

    @staticmethod
    def of(pixels: Tensor, channels: int) -> "Projection":
        """The projection that fits pixels uint8 (N, 3, 32, 32) best in the least-squares sense."""
        blocks = F.pixel_unshuffle(autoencoder.as_input(pixels), 2).permute(0, 2, 3, 1).reshape(-1, 12).double()
        mean = blocks.mean(0)
        variance, axes = torch.linalg.eigh(torch.cov((blocks - mean).T))
        order = variance.argsort(descending=True)[:channels]
        axes = axes[:, order] * axes[:, order].sum(0).sign().where(axes[:, order].sum(0).abs() > 1e-6, 1.0)
        return Projection(mean.float(), axes.float(), variance[order].sqrt().float())

    def latents(self, images: Tensor) -> Tensor:
        """Images (N, 3, 32, 32) in [−1, 1] → (N, C, 16, 16) of standard deviation 1."""
        kernel = (self.axes / self.deviation).T[:, :, None, None]
        centred = F.pixel_unshuffle(images, 2) - self.mean[None, :, None, None]
        return F.conv2d(centred, kernel).to(memory_format=torch.channels_last)


class Prompts:
    """Token numbers of every prompt the training uses, and which of them an image of a class may be given."""

    def __init__(self, tokenizer) -> None:
        recipe, texts, self.bare, self.varied = load_recipe(), [""], {}, {}
        for number, name in enumerate(CLASSES):
            article = recipe.articles[name]
            own = [f"a photograph of {article} {name}"]
            own += [f"{own[0]} {modifier}" for modifier in recipe.modifiers[name]]
            own += [f"a photo of {article} {name}", f"{article} {name}", name, f"a picture of {article} {name}"]
            self.bare[number], self.varied[number] = len(texts), range(len(texts), len(texts) + len(own))
            texts += own
        self.texts, self.tokens = texts, tokenize(tokenizer, texts)

    def draw(self, classes: Tensor, empty: float, draw: torch.Generator) -> Tensor:
        """Token numbers (N, PROMPT_LENGTH): none for a share of `empty`, else half the time the bare template, else any of the class."""
        chance = torch.rand((2, len(classes)), generator=draw).tolist()
        rows = []
        for number, kind, choice in zip(classes.tolist(), *chance, strict=True):
            if kind < empty:
                rows.append(0)
            elif kind < empty + (1 - empty) / 2:
                rows.append(self.bare[number])
            else:
                rows.append(self.varied[number][int(choice * len(self.varied[number]))])
        return self.tokens[rows]


def tokenize(tokenizer, texts: list[str]) -> Tensor:
    """As the stock pipeline does: padded and cut to the model's length."""
    return tokenizer(texts, padding="max_length", max_length=PROMPT_LENGTH, truncation=True, return_tensors="pt").input_ids


def build_tokenizer():
    """A stock CLIPTokenizer whose vocabulary holds this program's prompts as whole words, and every byte for all other text."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = learn_merges(sorted(known_words()))
    pieces = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    pieces += dict.fromkeys("".join(merge) for merge in merges)
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=PROMPT_LENGTH)


def known_words() -> set[str]:
    recipe = load_recipe()
    texts = [f"{recipe.articles[name]} {name} {' '.join(recipe.modifiers[name])}" for name in CLASSES]
    texts += ["photograph photo picture image of the small large young old red blue green white black brown yellow grey"]
    return {word for text in texts for word in text.split()}


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich et al. 2016) until each word is one piece. Ties go by spelling: the same list on every machine."""
    split, merges = [[*word[:-1], f"{word[-1]}</w>"] for word in words], []
    while True:
        pairs = Counter(pair for pieces in split for pair in pairwise(pieces))
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        split = [merged(pieces, best) for pieces in split]


def merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """["a", "b", "c"] and ("a", "b") → ["ab", "c"]."""
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def build(recipe: Recipe, tokenizer) -> nn.ModuleDict:
    """The trainable half: a fresh U-Net and text encoder."""
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(recipe.seed)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=recipe.text_width, intermediate_size=2 * recipe.text_width,
            projection_dim=recipe.text_width, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=PROMPT_LENGTH,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=recipe.latent_channels, out_channels=recipe.latent_channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=recipe.channels, layers_per_block=recipe.layers, norm_num_groups=16,
        attention_head_dim=tuple(max(1, width // 48) for width in recipe.channels),  # diffusers' name for the number of heads
        cross_attention_dim=recipe.text_width, resnet_time_scale_shift="scale_shift",
        addition_embed_type="text", addition_embed_type_num_heads=4,
    )  # fmt: skip
    nn.init.zeros_(unet.conv_out.weight)
    unet.set_attn_processor(AttnProcessor())  # measured on a CPU in bf16: a tenth faster to train than the fused kernel
    return nn.ModuleDict({"unet": unet.to(memory_format=torch.channels_last), "text": text})


def build_autoencoder(latent_channels: int):
    """A fresh AutoencoderTiny of factor 2. It has no normalisation, so brightness and contrast pass through it as they are."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    model = AutoencoderTiny(
        encoder_block_out_channels=(32, 32), decoder_block_out_channels=(48, 48), num_encoder_blocks=(1, 1),
        num_decoder_blocks=(2, 3), latent_channels=latent_channels, scaling_factor=LATENT_SCALE,
    )  # fmt: skip
    return model.to(memory_format=torch.channels_last)


def schedule():
    """The stock scheduler that is trained for and exported: cosine, v-prediction."""
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        num_train_timesteps=TIMES, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", solver_order=2,
        timestep_spacing="trailing", steps_offset=1, lower_order_final=True,
    )  # fmt: skip


class DenoisingLoss:
    """Mean squared error of v = α ε − σ x at times spread evenly over the batch."""

    def __init__(self, pixels: Tensor, classes: Tensor, projection: Projection, prompts: Prompts, recipe: Recipe) -> None:
        self.pixels, self.classes, self.projection, self.prompts, self.recipe = pixels, classes, projection, prompts, recipe
        signal_share = schedule().alphas_cumprod
        self.alpha, self.sigma = signal_share.sqrt(), (1 - signal_share).sqrt()

    def __call__(self, model: nn.ModuleDict, step: int, rows: Tensor | None = None) -> Tensor:
        draw = draws(self.recipe.seed, 3, step)
        rows = batch_rows(self.recipe.seed, step, self.recipe.batch, len(self.pixels)) if rows is None else rows
        images = autoencoder.as_input(self.pixels[rows])
        flip = torch.rand(len(rows), generator=draw) < 0.5
        latents = self.projection.latents(torch.where(flip[:, None, None, None], images.flip(3), images))
        times = self._times(len(rows), draw)
        noise = torch.randn(latents.shape, generator=draw).to(memory_format=torch.channels_last)
        tokens = self.prompts.draw(self.classes[rows], self.recipe.empty_prompts, draw)
        alpha, sigma = self.alpha[times][:, None, None, None], self.sigma[times][:, None, None, None]
        answer = predict(model, alpha * latents + sigma * noise, times, tokens)
        return F.mse_loss(answer.float(), alpha * noise - sigma * latents)

    @staticmethod
    def _times(count: int, draw: torch.Generator) -> Tensor:
        """One time in each of `count` equal stretches, in random order: less variance than independent draws."""
        places = (torch.arange(count) + torch.rand(count, generator=draw)) * TIMES / count
        return places.long().clamp_max(TIMES - 1)[torch.randperm(count, generator=draw)]


def predict(model: nn.ModuleDict, noisy: Tensor, times: Tensor, tokens: Tensor) -> Tensor:
    """The U-Net's answer (N, C, 16, 16) to noisy latents at these times under these prompts."""
    known, place = torch.unique(tokens, dim=0, return_inverse=True)
    with hardware.autocast(noisy.device, hardware.fast_precision(noisy.device)):
        states = model["text"](known).last_hidden_state[place]
        return model["unet"](noisy, times, states).sample


# --- the training ---


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "muon":
        return Muon(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99))
    return torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)


def advance(state: State, loss: DenoisingLoss, rate: float) -> float:
    """One optimizer step. Returns the loss."""
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.model.train()
    value = loss(state.model, state.step)
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimizer.step()
    state.step += 1
    follow(state)
    found = float(value.detach())
    assert math.isfinite(found), f"the loss is {found} at step {state.step}; lower the learning rate"
    return found


@torch.no_grad()
def follow(state: State) -> None:
    """Moves each average by the power function's share of this step (Karras et al. 2024, eq. 127)."""
    for name, average in state.averages.items():
        kept = (1 - 1 / state.step) ** (AVERAGES[name] + 1)
        torch._foreach_lerp_(list(average.parameters()), list(state.model.parameters()), 1 - kept)


def fresh(recipe: Recipe, tokenizer) -> State:
    model = build(recipe, tokenizer)
    averages = {name: copy.deepcopy(model).requires_grad_(False).eval() for name in AVERAGES}
    return State(model, averages, build_optimizer(model, recipe))


def save(path: Path, state: State) -> None:
    """Weights, averages and optimizer as one safetensors file, written whole."""
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    for key, average in state.averages.items():
        tensors |= {f"{key}.{name}": value for name, value in average.state_dict().items()}
    for number, values in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
    tensors = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
    with artifacts.whole_file(path) as temporary:
        save_file(tensors, temporary, metadata={"step": str(state.step), "cpu_s": str(state.cpu_s)})


def restore(path: Path, state: State) -> None:
    """Puts a checkpoint into the state. One without optimizer (an exported copy) starts that anew."""
    with safe_open(path, "pt") as file:
        state.step, state.cpu_s = int(file.metadata()["step"]), float(file.metadata()["cpu_s"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    for key, module in {"model": state.model, **state.averages}.items():
        part = {name.removeprefix(f"{key}."): value for name, value in tensors.items() if name.startswith(f"{key}.")}
        module.load_state_dict(part)
    kept: dict[int, dict[str, Tensor]] = {}
    parameters = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".")
            like = parameters[int(number)]  # the same order in memory, else sums differ in the last bit
            kept.setdefault(int(number), {})[key] = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
    if kept:
        state.optimizer.load_state_dict({"state": kept, "param_groups": state.optimizer.state_dict()["param_groups"]})


class Sitting:
    """One stretch of training: until its minutes or steps are over, or a signal comes. A file PAUSE makes it wait."""

    def __init__(self, folder: Path, recipe: Recipe, plan: Plan) -> None:
        self.folder, self.recipe, self.plan, self.stopped = folder, recipe, plan, False

    def stop(self, *_: object) -> None:
        """Ends it after the step under way; fit to be a signal's handler."""
        self.stopped = True

    def over(self, state: State, started: float) -> bool:
        late = time.monotonic() - started > 60 * self.plan.minutes
        return self.stopped or late or bool(self.plan.until and state.step >= self.plan.until)

    def wait_while_paused(self) -> None:
        while any((place / "PAUSE").exists() for place in (self.folder, self.folder.parent)) and not self.stopped:
            time.sleep(1)

    def train(self, state: State, loss: DenoisingLoss, held_out: DenoisingLoss) -> None:
        """Advances the state and leaves it in the folder, whole at any moment; also when an error or a signal ends it."""
        started = saved = time.monotonic()
        losses: list[float] = []
        truncate_log(self.folder / LOG, state.step)
        try:
            while not self.over(state, started):
                self.wait_while_paused()
                cpu, rate = time.process_time(), self.plan.rate(self.recipe, state.step)
                losses.append(advance(state, loss, rate))
                state.cpu_s += time.process_time() - cpu
                if state.step % _LOG_EVERY == 0:
                    self.note(state, {"loss": round(sum(losses) / len(losses), 5), "rate": rate})
                    losses = []
                if state.step % self.plan.validate_every == 0:
                    found = {name: round(held_out_loss(average, held_out), 5) for name, average in state.averages.items()}
                    self.note(state, {"held_out": found})
                if time.monotonic() - saved > self.plan.checkpoint_s:
                    save(self.folder / STATE, state)
                    saved = time.monotonic()
        finally:
            save(self.folder / STATE, state)

    def note(self, state: State, entry: dict) -> None:
        line = {"step": state.step, "images": state.step * self.recipe.batch, "cpu_s": round(state.cpu_s), **entry}
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def truncate_log(path: Path, step: int) -> None:
    """Drops what was logged after the checkpoint that is gone on from."""
    if path.exists():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["step"] <= step]
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


@torch.no_grad()
def held_out_loss(model: nn.ModuleDict, loss: DenoisingLoss) -> float:
    """Over held-out reals, with the same noise, times and prompts every time it is asked."""
    parts = torch.arange(len(loss.pixels)).split(250)
    return sum(float(loss(model.eval(), number, rows)) for number, rows in enumerate(parts)) / len(parts)


# --- the autoencoder ---


class CodingLoss:
    """The encoder's distance to the projection, and the decoder's to the image: |x − x̂| and its edges at three scales.

    The decoder sees latents with a little noise, as a denoiser's are; the two halves share nothing.
    """

    def __init__(self, pixels: Tensor, projection: Projection) -> None:
        self.pixels, self.projection = pixels, projection

    def __call__(self, model: nn.Module, step: int) -> Tensor:
        draw = draws(1, 4, step)
        images = autoencoder.as_input(self.pixels[batch_rows(1, step, _CODING_BATCH, len(self.pixels))])
        latents = self.projection.latents(images)
        noise = 0.05 * torch.rand((len(latents), 1, 1, 1), generator=draw) * torch.randn(latents.shape, generator=draw)
        with hardware.autocast(images.device, hardware.fast_precision(images.device)):
            restored, encoded = model.decode((latents + noise) / LATENT_SCALE).sample, model.encode(images).latents
        restored = restored.float()
        coding = F.mse_loss(encoded.float() * LATENT_SCALE, latents)
        return (restored - images).abs().mean() + autoencoder.edges(restored, images) + 0.1 * coding


def train_autoencoder(folder: Path, pixels: Tensor, held_out: Tensor, projection: Projection, steps: int) -> float:
    """Trains it, or goes on where that was stopped; returns its error on held-out reals in grey levels."""

    def report(training: fitting.Training) -> None:
        if training.step % 200 == 0:
            error = decoding_error(training.average, projection, held_out[::4])
            print(json.dumps({"step": training.step, "seconds": round(training.elapsed_s), "grey_levels": round(error, 3)}), flush=True)

    plan = fitting.Schedule(steps=steps, learning_rate=2e-3, warmup_steps=50, ema_decay=0.99)
    model = build_autoencoder(len(projection.deviation))
    trained = fitting.fit(model, CodingLoss(pixels, projection), plan, folder / "autoencoder-training.safetensors", report).average
    with artifacts.whole_file(folder / DECODER) as temporary:
        save_file({name: value.contiguous() for name, value in trained.state_dict().items()}, temporary)
    return decoding_error(trained, projection, held_out)


@torch.inference_mode()
def decoding_error(model, projection: Projection, pixels: Tensor) -> float:
    """Mean absolute error of pictures decoded from their projected latents, in grey levels of 255."""
    images = autoencoder.as_input(pixels)
    restored = model.decode(projection.latents(images) / LATENT_SCALE).sample.clamp(-1, 1)
    return float((restored - images).abs().mean() * 127.5)


# --- what comes of it ---


def export(folder: Path, out: Path, weights: str) -> None:
    """The pipeline as stock diffusers saves it, in half precision. `weights`: model, average-long or average-short."""
    from diffusers import StableDiffusionPipeline

    tokenizer = build_tokenizer()
    recipe = read_recipe(folder)
    state = fresh(recipe, tokenizer)
    restore(folder / STATE, state)
    model = state.model if weights == "model" else state.averages[weights]
    decoder = build_autoencoder(recipe.latent_channels)
    decoder.load_state_dict(load_file(folder / DECODER))
    pipeline = StableDiffusionPipeline(
        vae=decoder, text_encoder=model["text"], tokenizer=tokenizer, unet=model["unet"], scheduler=schedule(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).to(dtype=torch.float16)  # fmt: skip
    shutil.rmtree(out, ignore_errors=True)
    pipeline.save_pretrained(out, safe_serialization=True, max_shard_size="14MB")
    vocabulary = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (out / "tokenizer" / "vocab.json").write_text(json.dumps(vocabulary["vocab"], ensure_ascii=False), encoding="utf-8")
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in vocabulary["merges"]]
    (out / "tokenizer" / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")


def pack(folder: Path, out: Path, weights: str) -> None:
    """A small copy that the training can be gone on from elsewhere: one set of weights in half precision, no optimizer.

    Without a checkpoint it holds what is decided before the denoiser's first step: recipe, projection, autoencoder.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob(_PACKED.format("*")):
        old.unlink()
    if (folder / STATE).exists():
        _pack_weights(folder / STATE, out, weights)
    for name in _BESIDE:
        if (folder / name).exists():
            shutil.copyfile(folder / name, out / name)


def _pack_weights(checkpoint: Path, out: Path, weights: str) -> None:
    parts, size = [{}], 0
    with safe_open(checkpoint, "pt") as file:
        metadata = file.metadata()
        for name in file.keys():  # noqa: SIM118 - not a dict
            if not name.startswith(f"{weights}."):
                continue
            value = file.get_tensor(name).half()
            size += value.nbytes
            if size > _PACKED_BYTES:
                parts, size = [*parts, {}], value.nbytes
            parts[-1][name.removeprefix(f"{weights}.")] = value
    for number, part in enumerate(parts):
        save_file(part, out / _PACKED.format(number), metadata=metadata)


def unpack(packed: Path, folder: Path) -> None:
    """A training state from what `pack` wrote: the averages start at these weights, the optimizer anew."""
    tensors, metadata = {}, None
    for path in sorted(packed.glob(_PACKED.format("*"))):
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors |= {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    if tensors:
        copies = {f"{key}.{name}": value.clone() for key in ("model", *AVERAGES) for name, value in tensors.items()}
        save_file(copies, folder / STATE, metadata=metadata)
    for name in _BESIDE:
        if (packed / name).exists():
            shutil.copyfile(packed / name, folder / name)


@torch.inference_mode()
def sample(out: Path, per_class: int, steps: int, guidance: float, batch: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 (n, 3, 32, 32) after CIFAKE's JPEG, classes (n,)), made by the stock pipeline alone."""
    import io

    from diffusers import DiffusionPipeline
    from PIL import Image

    pipeline = DiffusionPipeline.from_pretrained(out, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    recipe, pictures = load_recipe(), []
    classes = np.tile(np.arange(len(CLASSES)), per_class)
    for start in range(0, len(classes), batch):
        words = [CLASSES[k] for k in classes[start : start + batch]]
        draw = [torch.Generator().manual_seed(start + number) for number in range(len(words))]
        prompts = [f"a photograph of {recipe.articles[word]} {word}" for word in words]
        found = pipeline(prompts, num_inference_steps=steps, guidance_scale=guidance, generator=draw, output_type="np").images
        pictures += [np.array(Image.open(io.BytesIO(encode_jpeg(one)))) for one in (found * 255).round().astype(np.uint8)]
    return np.stack(pictures).transpose(0, 3, 1, 2), classes


def measure(folder: Path, workspace: Workspace, dataset: str, arguments: argparse.Namespace) -> dict:
    """Share recognised and Fréchet distance of freshly made images, by the project's classifier of reals; a sheet beside them."""
    from cifake_core.evaluation.quality import classifier, distances
    from cifake_core.evaluation.quality.reals import reals_of
    from cifake_core.metrics.intervals import share

    with tempfile.TemporaryDirectory() as place:
        export(folder, Path(place) / "pipeline", arguments.weights)
        began = time.process_time()
        pixels, classes = sample(Path(place) / "pipeline", arguments.measure // len(CLASSES), arguments.steps, arguments.guidance)
        spent = time.process_time() - began
    reals = reals_of(ImageSet.open(workspace, dataset))
    eye = classifier.classifier_of(reals, workspace, classifier.Recipe())
    hardware.use_threads(arguments.threads)
    seen, held_out = eye.see(pixels), eye.see(reals.held_out)
    reference = held_out.features[np.random.default_rng(0).permutation(len(held_out.features))[: len(held_out.features) // 2]]
    sheet = pixels[: 10 * len(CLASSES)].reshape(10, len(CLASSES), 3, 32, 32).transpose(1, 3, 0, 4, 2).reshape(320, 320, 3)
    (folder / f"samples-{arguments.weights}.png").write_bytes(encode_png(np.ascontiguousarray(sheet)))
    return {
        "weights": arguments.weights, "n": len(pixels), "steps": arguments.steps, "guidance": arguments.guidance,
        "recognised": share(int((seen.classes == classes).sum()), len(classes)).as_dict(),
        "frechet": distances.frechet_estimate(seen.features, reference).as_dict(),
        "images_a_cpu_second": round(len(pixels) / spent, 2),
    }  # fmt: skip


# --- the command ---


def read_recipe(folder: Path) -> Recipe:
    found = artifacts.read_json(folder / RECIPE)
    return Recipe(**{**found, "channels": tuple(found["channels"])})


def reals(workspace: Workspace, dataset: str, part: str) -> tuple[Tensor, Tensor]:
    """Pixels uint8 (N, 3, 32, 32) and classes (N,) of a part's real images."""
    view = ImageSet.open(workspace, dataset).part(part)
    rows = np.flatnonzero(view.labels == REAL)
    return torch.from_numpy(view.split_pixels[rows]), torch.from_numpy(view.class_labels[rows].astype(np.int64))


def prepared(folder: Path, pixels: Tensor, recipe: Recipe) -> Projection:
    """The folder's projection, computed the first time."""
    path = folder / PROJECTION
    if not path.exists():
        found = Projection.of(pixels[::5], recipe.latent_channels)
        with artifacts.whole_file(path) as temporary:
            save_file({"mean": found.mean, "axes": found.axes.contiguous(), "deviation": found.deviation}, temporary)
    return Projection(**load_file(path))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="training state; made if it is not there")
    parser.add_argument("--dataset", default="cifake", help="whose train reals it learns from")
    parser.add_argument("--minutes", type=float, default=0.0, help="of training by the clock, in this sitting")
    parser.add_argument("--until", type=int, default=0, help="step to stop at")
    parser.add_argument("--decay-steps", type=int, default=0, help="the learning rate falls to zero over the last steps before --until")
    parser.add_argument("--threads", type=int, default=0, help="0 = all")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a recipe value of a new folder")
    parser.add_argument("--autoencoder-steps", type=int, default=0, help="train the autoencoder first, or go on with it")
    parser.add_argument("--checkpoint-s", type=float, default=300.0)
    parser.add_argument("--validate-every", type=int, default=500, help="steps between losses on held-out reals")
    parser.add_argument("--export", type=Path, help="write the diffusers folder there")
    parser.add_argument("--pack", type=Path, help="write --weights there in half precision, to go on from elsewhere")
    parser.add_argument("--unpack", type=Path, help="begin a new folder from one that --pack wrote")
    parser.add_argument("--weights", default="average-long", choices=["model", *AVERAGES])
    parser.add_argument("--measure", type=int, default=0, help="make so many images and measure them")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=2.0)
    return parser.parse_args()


def main() -> None:
    arguments, workspace = parsed(), Workspace.current()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    hardware.use_threads(arguments.threads)
    hardware.keep_freed_memory()
    if arguments.unpack and not (folder / RECIPE).exists():
        unpack(arguments.unpack, folder)
    if not (folder / RECIPE).exists():
        changes = {name: json.loads(value) for name, value in (item.split("=", 1) for item in arguments.set)}
        artifacts.write_json(folder / RECIPE, asdict(Recipe(**changes)))
    recipe = read_recipe(folder)
    if arguments.minutes or arguments.autoencoder_steps:
        pixels, classes = reals(workspace, arguments.dataset, "train+validation")
        seen, seen_classes = (part[:: max(1, len(part) // _HELD_OUT)] for part in reals(workspace, arguments.dataset, "test"))
        projection = prepared(folder, pixels, recipe)
        if arguments.autoencoder_steps:
            error = train_autoencoder(folder, pixels, seen, projection, arguments.autoencoder_steps)
            print(json.dumps({"grey_levels": round(error, 3), "n": len(seen)}))
        if arguments.minutes:
            tokenizer = build_tokenizer()
            state, prompts = fresh(recipe, tokenizer), Prompts(tokenizer)
            if (folder / STATE).exists():
                restore(folder / STATE, state)
            loss, held_out = (DenoisingLoss(*data, projection, prompts, recipe) for data in ((pixels, classes), (seen, seen_classes)))
            plan = Plan(arguments.minutes, arguments.until, arguments.decay_steps, arguments.checkpoint_s, arguments.validate_every)
            sitting = Sitting(folder, recipe, plan)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, sitting.stop)
            sitting.train(state, loss, held_out)
    if arguments.export:
        export(folder, arguments.export, arguments.weights)
    if arguments.pack:
        pack(folder, arguments.pack, arguments.weights)
    if arguments.measure:
        print(json.dumps(measure(folder, workspace, arguments.dataset, arguments)))


if __name__ == "__main__":
    main()
