"""The paper's 36 cells as values: what a network of the grid is made of. No torch here, so pages can list them at once.

Source: Bird and Lotfi 2024, section on topology search. 12 feature extractors (filters × convolution layers), each with
one dense layer of 64 units, then 24 dense heads (units × layers) on the chosen extractor. Cell `32x2-64x1` lies in both
tables, so the 36 cells are 35 different networks. Padding is not confirmed in the sources; "same" here.
"""

import re
from dataclasses import dataclass

from cifake_core.errors import BadInput

EXTRACTOR_FILTERS = (16, 32, 64, 128)
CONV_LAYERS = (1, 2, 3)
HEAD_UNITS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
DENSE_LAYERS = (1, 2, 3)
PAPER_ACCURACY = 0.9298  # the paper's best cell, 32x2-64x1, test accuracy

_SPELLING = re.compile(r"(\d+)x(\d+)(?:-(\d+)x(\d+))?")


@dataclass(frozen=True, order=True)
class Topology:
    """One cell of the paper's grid. Equal topologies are the same network."""

    filters: int  # output channels of every convolution
    conv_layers: int  # each is followed by a 2×2 max-pool, halving the side
    dense_units: int = 64
    dense_layers: int = 1

    def __post_init__(self) -> None:
        limits = {"filters": 512, "conv_layers": 5, "dense_units": 8192, "dense_layers": 5}
        for name, most in limits.items():
            value = getattr(self, name)
            if not 1 <= value <= most:
                raise BadInput(f"A topology has 1 to {most} {name.replace('_', ' ')}, not {value}.")

    @staticmethod
    def parse(text: str) -> "Topology":
        """From "32x2-64x1" (or "32x2", with one dense layer of 64); raises BadInput."""
        match = _SPELLING.fullmatch(text.strip())
        if not match:
            raise BadInput(
                f"{text[:40]!r} is no topology; write filters x layers - units x layers, for example 32x2-64x1."
            )
        return Topology(*(int(part) for part in match.groups() if part is not None))

    def __str__(self) -> str:
        return f"{self.filters}x{self.conv_layers}-{self.dense_units}x{self.dense_layers}"

    def parameters(self, side: int = 32) -> int:
        """How many numbers the network learns, for side × side RGB images."""
        convolutions = sum(
            (9 * previous + 1) * self.filters for previous in [3] + [self.filters] * (self.conv_layers - 1)
        )
        width, dense = self.filters * (side >> self.conv_layers) ** 2, 0
        for _ in range(self.dense_layers):
            dense += (width + 1) * self.dense_units
            width = self.dense_units
        return convolutions + dense + width + 1

    def multiply_adds(self, side: int = 32) -> int:
        """Multiplications of one forward pass on one image: what training time is roughly proportional to."""
        total, channels = 0, 3
        for _ in range(self.conv_layers):
            total += 9 * channels * self.filters * side * side
            channels, side = self.filters, side // 2
        width = self.filters * side * side
        for _ in range(self.dense_layers):
            total += width * self.dense_units
            width = self.dense_units
        return total + width


CHOSEN_EXTRACTOR = Topology(32, 2)  # the paper's winner carries the 24 heads


def extractors() -> list[Topology]:
    """The 12 cells of the first table, filters by layers."""
    return [Topology(filters, layers) for filters in EXTRACTOR_FILTERS for layers in CONV_LAYERS]


def heads(extractor: Topology = CHOSEN_EXTRACTOR) -> list[Topology]:
    """The 24 cells of the second table on that extractor."""
    return [
        Topology(extractor.filters, extractor.conv_layers, units, layers)
        for units in HEAD_UNITS
        for layers in DENSE_LAYERS
    ]


GRIDS = {
    "quick": lambda: [Topology(filters, layers) for filters in (16, 32) for layers in CONV_LAYERS],
    "extractors": extractors,
    "heads": heads,
    "paper": lambda: extractors() + heads(),  # 36 cells; 32x2-64x1 is in both tables and trained once
}


def grid(name: str) -> list[Topology]:
    """The cells of a named grid; raises BadInput."""
    if name not in GRIDS:
        raise BadInput(f"There is no grid {name!r}; known are {', '.join(GRIDS)}.")
    return GRIDS[name]()
