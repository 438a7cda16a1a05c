"""Two networks beyond the paper's grid, as plain values: `small` for a CPU, `strong` for a GPU. No torch here.

Residual networks (He et al. 2016) with batch normalisation, mean and maximum of the last places, trained from scratch
at 32 pixels with Muon (Jordan et al. 2024) or AdamW, the rate up and down once (Smith and Topin 2018), mirror images,
small shifts and, in `small`, a hidden square and fewer of the easy images; a verdict is the mean over an image and its
mirror image. The best epoch is chosen on validation and the test split is read once, as for every run. Expected and found:
`benchmarks/RESULTS.md`.
Command: `python -m cifake_core train --dataset cifake --preset small --seeds 0,1,2`.
"""

import math
from dataclasses import dataclass

from cifake_core.errors import BadInput

_EASY = 0.92  # share of the losses that lie below their mean, over a training of `small` on CIFAKE


@dataclass(frozen=True)
class Recipe:
    """How a network is trained besides its settings. As it stands: the paper's Adam at one rate, images as they are."""

    weight_decay: float = 0.0  # decoupled; 0 = Adam's
    muon: bool = False  # the convolutions' optimizer (`muon.py`) instead of AdamW
    warmup: float = 0.0  # share of the training in which the rate rises; then it falls along a cosine; 0 = one rate
    shift: int = 0  # pixels an image is moved at most, either way; what comes in is its edge mirrored
    mirror: bool = False  # left and right exchanged in half of the images
    cutout: int = 0  # side in pixels of a grey square somewhere in each image, which may reach over an edge (DeVries and Taylor 2017)
    skip: float = 0.0  # share of the easy images that an epoch leaves out (`skipping.py`)

    def rate(self, done: float) -> float:
        """Share of the learning rate that holds when this share (0 to 1) of the training is done."""
        if not self.warmup:
            return 1.0
        if done < self.warmup:
            return 0.04 + 0.96 * done / self.warmup  # not from zero: the first steps would teach nothing
        return (1 + math.cos(math.pi * (done - self.warmup) / (1 - self.warmup))) / 2

    def sees_all(self, epoch: int, epochs: int) -> bool:
        """Whether that epoch (the first is 1) of so many sees every image: if none is left out, in the first, in the last eighth."""
        return not self.skip or epoch == 1 or epoch > epochs * 7 / 8

    def images_seen(self, images: int, epochs: int) -> float:
        """About how many images so many epochs see together, epochs times `images` if none is left out."""
        whole = sum(self.sees_all(epoch, epochs) for epoch in range(1, epochs + 1))
        return images * (whole + (epochs - whole) * (1 - self.skip * _EASY))

    @property
    def varies(self) -> bool:
        """Whether an image looks different from epoch to epoch."""
        return self.shift > 0 or self.mirror or self.cutout > 0


@dataclass(frozen=True)
class Preset:
    """A residual network and how it is trained. All of it but the title is part of a run's id: other numbers, another run."""

    name: str
    title: str
    channels: tuple[int, ...]  # of each stage; the first at 32 pixels, each further one at half the side
    blocks: tuple[int, ...]  # residual blocks of each stage, after its first convolution
    recipe: Recipe
    epochs: int
    batch_size: int
    learning_rate: float  # the highest it reaches
    both_ways: bool = False  # a verdict is the mean logit of the image and of its mirror image; a map is of the image alone

    @staticmethod
    def recorded(numbers: dict) -> "Preset":
        """The preset as it stood when a run of it was recorded; `numbers` are all its fields but the title.

        Raises KeyError or TypeError for others.
        """
        lists = {field: tuple(numbers[field]) for field in ("channels", "blocks")}
        return Preset(title="", **numbers | lists | {"recipe": Recipe(**numbers["recipe"])})

    def settings(self) -> dict:
        """What `TrainSettings` takes for it besides topology, seed and precision."""
        named = {"epochs": self.epochs, "batch_size": self.batch_size, "learning_rate": self.learning_rate}
        return {**named, "patience": 0}

    def parameters(self) -> int:
        """How many numbers the network learns."""
        total, before = 0, 3
        for width, blocks in zip(self.channels, self.blocks, strict=True):
            total += 9 * before * width + 2 * width + blocks * 2 * (9 * width * width + 2 * width)
            before = width
        return total + 2 * before + 1

    def multiply_adds(self, side: int = 32) -> int:
        """Multiplications of one forward pass on one image, those of the convolutions and of the last layer."""
        total, before = 0, 3
        for width, blocks in zip(self.channels, self.blocks, strict=True):
            total += side * side * 9 * (before * width + blocks * 2 * width * width)
            before, side = width, side // 2
        return total + 2 * before


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="small",
            title="Small: under 300,000 parameters, for a CPU",
            channels=(32, 48, 64, 64),
            blocks=(1, 1, 1, 1),
            recipe=Recipe(weight_decay=0.02, muon=True, warmup=0.2, shift=2, mirror=True, cutout=13, skip=0.7),
            epochs=56,
            batch_size=128,
            learning_rate=4e-3,
            both_ways=True,
        ),
        Preset(
            name="strong",
            title="Strong: 9.3 million parameters, for a GPU",
            channels=(64, 128, 256, 512),
            blocks=(1, 2, 2, 1),
            recipe=Recipe(weight_decay=0.05, warmup=0.2, shift=3, mirror=True),
            epochs=60,
            batch_size=512,
            learning_rate=2e-3,
            both_ways=True,
        ),
    )
}


def preset(name: str) -> Preset:
    """The preset of that name; raises BadInput."""
    if name not in PRESETS:
        raise BadInput(f"There is no preset {name[:40]!r}; known are {', '.join(PRESETS)}.")
    return PRESETS[name]
