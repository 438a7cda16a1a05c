"""What a detector of a study is made of, by name: what it looks at, how it decides, what is done to its training images.

Plain values, so that a page and the command line can list them; fitting is fitting.py's. Names are part of a study's
identity: a recipe that is changed gets a new name.
"""

from dataclasses import dataclass

from cifake_core.errors import BadInput


@dataclass(frozen=True)
class Recipe:
    """One way to make a detector from fakes of some generators and reals."""

    name: str
    title: str  # what a chart says
    model: str  # linear, trees, distance (from the reals alone) or network
    inputs: tuple[str, ...] = ()  # groups of features.GROUPS; of a network: () or ("residual",)
    augment: tuple[str, ...] = ()  # each adds a copy of the training images: a transform of evaluation.transforms, "blur:0.6", or RANDOM_STATE
    balanced: bool = True  # every generator weighs alike, and reals as much as fakes
    shrinkage: float = 0.1  # of a linear model's covariance, 0 … 1
    topology: str = "16x2-32x1"  # of a network
    epochs: int = 4


RANDOM_STATE = "random-state"  # RandomStateAugmentation as published: "random-state:1", "random-state:2" … are different draws
_ALL = ("global", "residuals", "pairs", "neighbours", "values", "spectrum")
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("network", "plain network", "network", balanced=False),
        Recipe("statistics", "trees on 74 global statistics", "trees", ("global",)),
        Recipe("residual", "linear on high-pass residuals", "linear", ("residuals",)),
        Recipe("forensic", "linear on residuals, pairs, neighbours, grids, spectrum", "linear", _ALL),
        # one thing changed at a time, to see what it is worth
        Recipe("residual-uneven", "linear on residuals, every image weighs alike", "linear", ("residuals",), balanced=False),
        Recipe("residual-augmented", "linear on residuals, copies by JPEG, blur, resize, noise", "linear", ("residuals",), ("jpeg:85", "blur:0.6", "resize:0.75", "noise:2")),
        Recipe("reals-only", "distance from photographs, no fake learned", "distance", ("residuals",)),
        Recipe("network-balanced", "network, generators weigh alike", "network"),
        Recipe("network-jpeg", "network, copies by JPEG", "network", augment=("jpeg:85", "jpeg:60")),
        Recipe("network-blur", "network, copies by blur", "network", augment=("blur:0.6", "blur:1.0")),
        Recipe("network-resize", "network, copies by resizing", "network", augment=("resize:0.75", "resize:1.5")),
        Recipe("network-noise", "network, copies by noise", "network", augment=("noise:2", "noise:5")),
        Recipe("network-random-state", "network, copies by RandomStateAugmentation", "network", augment=("random-state:1", "random-state:2")),
        Recipe("network-residual", "network on residuals", "network", ("residual",)),
    )
}


def named(name: str) -> Recipe:
    """The recipe of that name; raises BadInput with the names there are."""
    if name not in RECIPES:
        raise BadInput(f"There is no detector {name[:40]!r} for a study; take {', '.join(RECIPES)}.")
    return RECIPES[name]


CANDIDATES = ("statistics", "residual", "forensic")
REFERENCES = ("network", "statistics")
