"""What a generator of our own is made of, as plain numbers, and the presets with what each was measured to cost.

It does not build or train anything.
"""

from dataclasses import dataclass, fields, replace

from cifake_core.errors import BadInput


@dataclass(frozen=True)
class Design:
    """The numbers of a latent diffusion model over 32×32 pictures and of its training."""

    latent_channels: int = 4  # of the 8×8 latents
    widths: tuple[int, int, int] = (16, 32, 64)  # autoencoder channels at 32, 16 and 8 pixels
    kl_weight: float = 5e-4
    layers: int = 4
    heads: int = 4
    head_width: int = 40
    patch: int = 2  # latents a side in one token: 1 = 64 tokens, 2 = 16 tokens at a quarter of the cost
    autoencoder_batch: int = 32  # small, because a CPU makes few steps and each counts
    autoencoder_rate: float = 2e-3  # AdamW's peak learning rate
    transformer_batch: int = 128
    transformer_rate: float = 1e-3
    label_dropout: float = 0.1  # share of images trained without their class, for guidance
    ema_decay: float = 0.999
    autoencoder_share: float = 0.45  # of the training's minutes
    minutes: float = 80.0  # of training, both halves together
    sample_steps: int = 8  # what Generate uses unless told otherwise
    guidance: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.widths) != 3 or any(width % 8 or width <= 0 for width in self.widths):
            raise BadInput(f"The autoencoder's widths are {self.widths}; give three positive multiples of 8.")
        if self.patch not in (1, 2, 4):
            raise BadInput(f"The patch is {self.patch}; 8×8 latents are cut into patches of 1, 2 or 4.")
        if (self.heads * self.head_width) % 4:
            raise BadInput(f"{self.heads} heads of {self.head_width} cannot hold 2-D positions; make the product a multiple of 4.")
        if not (0 <= self.label_dropout < 1 and 0 < self.autoencoder_share < 1 and self.minutes > 0):
            raise BadInput("Label dropout and the autoencoder's share lie between 0 and 1, minutes above 0.")
        if min(self.latent_channels, self.layers, self.heads, self.autoencoder_batch, self.transformer_batch) < 1:
            raise BadInput("Channels, layers, heads and batches must be at least 1.")


PRESETS: dict[str, Design] = {
    # the bundled demo generator: ≤ 8 MB in half precision, trained on 2 CPU cores within 90 minutes
    "demo": Design(),
    # what 100 minutes of one CPU core give
    "cifar10": Design(layers=5, head_width=48, autoencoder_share=0.38, minutes=100.0),
    # for a GPU: 64 tokens, the largest that stays ≤ 40 MB in half precision. 8 × 384 wide would be 26M, 52 MB: the stock
    # pipeline needs a table of 1,001 classes in every block
    "cifar10-gpu": Design(
        latent_channels=8, widths=(48, 96, 96), layers=7, heads=5, head_width=64, patch=1, autoencoder_batch=256,
        transformer_batch=512, transformer_rate=8e-4, ema_decay=0.9998, autoencoder_share=0.25, minutes=120.0,
        sample_steps=12,
    ),
}  # fmt: skip


def design_of(preset: str, changes: dict) -> Design:
    """A preset with some numbers changed. Raises BadInput for an unknown preset or number."""
    if preset not in PRESETS:
        raise BadInput(f"There is no preset {preset!r}; known are {', '.join(PRESETS)}.")
    unknown = sorted(set(changes) - {field.name for field in fields(Design)})
    if unknown:
        raise BadInput(f"A generator's design has no {unknown[0]!r}; it has {', '.join(f.name for f in fields(Design))}.")
    return replace(PRESETS[preset], **changes)
