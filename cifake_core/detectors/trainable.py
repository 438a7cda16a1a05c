"""Every network that is trained here, by name: the cells of the paper's grid, and the presets beyond it. No torch here."""

from cifake_core.detectors.presets import PRESETS, Preset, Recipe
from cifake_core.detectors.topology import Topology
from cifake_core.errors import BadInput

_PAPER = Recipe()


def described(name: str) -> Topology | Preset:
    """What the network of that name is made of; raises BadInput if there is none."""
    if name.strip() in PRESETS:
        return PRESETS[name.strip()]
    try:
        return Topology.parse(name)
    except BadInput as error:
        raise BadInput(f"{error} The presets are {' and '.join(PRESETS)}.") from error


def checked(name: str) -> str:
    """The canonical name of a network; raises BadInput if there is none of that name."""
    found = described(name)
    return found.name if isinstance(found, Preset) else str(found)


def cost(name: str) -> int:
    """Multiplications of one forward pass on one image: what training time is roughly proportional to."""
    return described(name).multiply_adds()


def recipe(name: str) -> Recipe:
    """How the network of that name is trained besides its settings."""
    found = described(name)
    return found.recipe if isinstance(found, Preset) else _PAPER
