"""The second half: noise to latents of an asked class, in diffusers' DiTTransformer2DModel, trained by flow matching.

It knows latents and classes; it does not know pixels. Everything is chosen so that the stock DiTPipeline runs it.
"""

import torch

from cifake_core import CLASS_NAMES, hardware
from cifake_core.generators.autoencoder import LATENT_SIDE
from cifake_core.generators.fitting import batch_rows, draws

NO_CLASS = 1000  # the stock pipeline asks for class 1000 when it means "none", so the table has 1,001 rows; ours are 0 … 9
TRAIN_STEPS = 1000  # the transformer is told the noise level as σ × 1000


def build(latent_channels: int, layers: int, heads: int, head_width: int, patch: int, seed: int):
    """A fresh transformer over 8×8 latents; (8 / patch)² tokens of heads × head_width numbers.

    adaLN-Zero (Peebles & Xie 2023, §3.2): every block starts as the identity. Unused rows of the class table are zero.
    """
    from diffusers import DiTTransformer2DModel

    torch.manual_seed(seed)
    model = DiTTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=head_width,
        in_channels=latent_channels,
        out_channels=latent_channels,  # the stock pipeline halves this number to look for a learned variance
        num_layers=layers,
        sample_size=LATENT_SIDE,
        patch_size=patch,
        num_embeds_ada_norm=NO_CLASS,
    )
    for block in model.transformer_blocks:
        torch.nn.init.zeros_(block.norm1.linear.weight)
        torch.nn.init.zeros_(block.norm1.linear.bias)
        table = block.norm1.emb.class_embedder.embedding_table.weight
        with torch.no_grad():
            used = torch.randn(len(CLASS_NAMES) + 1, table.shape[1]) * 0.02
            table.zero_()
            table[: len(CLASS_NAMES)], table[NO_CLASS] = used[:-1], used[-1]
        block.norm1.emb.class_embedder.dropout_prob = 0.0  # it would drop labels per block; `FlowLoss` drops per image
    for layer in (model.proj_out_1, model.proj_out_2):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return model


def scheduler():
    """DPM-Solver++ 2M (Lu et al. 2022) on the straight path between noise and latents: good at 6 to 20 steps."""
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        num_train_timesteps=TRAIN_STEPS, prediction_type="flow_prediction", use_flow_sigmas=True, solver_order=2
    )


class FlowLoss:
    """‖(ε − x) − v(x_σ, σ, c)‖² with x_σ = (1 − σ) x + σ ε (Liu et al. 2023, eq. 1; Lipman et al. 2023).

    σ is drawn logit-normal (Esser et al. 2024, §3.1), which dwells on middle noise; the class is dropped for a share of
    the images so that guidance has an unconditional answer (Ho & Salimans 2022). `latents` (N, 2, C, 8, 8) hold each
    picture and its mirror image.
    """

    def __init__(self, latents: torch.Tensor, labels: torch.Tensor, batch: int, label_dropout: float, seed: int) -> None:
        self.latents, self.labels, self.batch, self.label_dropout, self.seed = latents, labels, batch, label_dropout, seed

    def __call__(self, model, step: int) -> torch.Tensor:
        generator = draws(self.seed, 3, step)
        rows = batch_rows(self.seed, step, self.batch, len(self.latents))
        mirrored = torch.randint(2, (len(rows),), generator=generator)
        dropped = torch.rand(len(rows), generator=generator) < self.label_dropout
        sigma = torch.randn(len(rows), generator=generator).sigmoid()
        clean = self.latents[rows, mirrored].float()
        noise = torch.randn(clean.shape, generator=generator)
        labels = torch.where(dropped, NO_CLASS, self.labels[rows])
        clean, noise, labels, sigma = (part.to(model.device) for part in (clean, noise, labels, sigma))
        mixed = torch.lerp(clean, noise, sigma[:, None, None, None])
        with hardware.autocast(model.device, hardware.fast_precision(model.device)):
            flow = model(mixed, timestep=sigma * TRAIN_STEPS, class_labels=labels).sample
        return (flow.float() - (noise - clean)).square().mean()
