"""Where a layer's feature map is taken, after its ReLU or before it: names, and what records of earlier versions mean.

No torch here, so pages and command lines can name the places at once; feature_maps.py finds them in networks.
"""

from cifake_core.detectors.community_forensics.models import is_forensic
from cifake_core.errors import BadInput

AFTER_RELU, BEFORE_RELU = "relu", "raw"
BOTH = "both"  # of the places, where an answer may have both side by side
PLACES = {AFTER_RELU: "after ReLU", BEFORE_RELU: "before ReLU"}
NO_RELU = ""  # of layers that no ReLU follows, and of methods that look at no layer


def checked_place(place: str) -> str:
    """The place; raises BadInput naming those there are."""
    if place not in PLACES:
        known = " or ".join(f"{name} ({words})" for name, words in PLACES.items())
        raise BadInput(f"Feature maps cannot be taken at {str(place)[:40]!r}; take {known}.")
    return place


def has_relu(topology: str) -> bool:
    """Whether the layers of a network of that name are followed by ReLUs, so that the two places differ."""
    return not is_forensic(topology)


def recorded_place(record: dict, topology: str) -> str:
    """Where the feature maps behind a stored result were taken. Results of earlier versions have no "feature_map": there it
    was before the ReLU, in a network that has any.
    """
    return record.get("feature_map", BEFORE_RELU if has_relu(topology) else NO_RELU)
