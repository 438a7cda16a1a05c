"""The detectors' names and sizes as plain values. No torch here, so pages and command lines can list them at once.

Source: Park and Owens 2025, official code: ViT-S/16 of `timm`, one logit, whole pictures shown at 384 or 224 pixels.
"""

from dataclasses import dataclass

from cifake_core.errors import BadInput

PREFIX = "commfor-"
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's; two other pairs circulate and are wrong


@dataclass(frozen=True)
class Model:
    """One size of the detector: what is done to a picture first, and the transformer that looks at it."""

    name: str
    resize: int  # pixels: the short side is brought to this
    crop: int  # pixels: of it, the middle square that is looked at
    patch: int
    width: int
    depth: int
    heads: int
    timm: str  # the `timm` architecture; "" = built from the numbers above
    published: str  # the authors' weights on the Hub; "" = none
    batch: int  # pictures at a time while scoring; what fits 4 GB


MODELS: dict[str, Model] = {
    "commfor-384": Model(
        "commfor-384", 440, 384, 16, 384, 12, 6, "vit_small_patch16_384", "OwensLab/commfor-model-384", 16
    ),
    "commfor-224": Model(
        "commfor-224", 256, 224, 16, 384, 12, 6, "vit_small_patch16_224", "OwensLab/commfor-model-224", 48
    ),
    # ours: the same design over whole 32-pixel pictures, for the image sets here and for trials on a CPU
    "commfor-32": Model("commfor-32", 32, 32, 4, 96, 6, 3, "", "", 512),
}


def is_forensic(topology: str) -> bool:
    """Whether the name of a network is one of these and not a cell of the CIFAKE paper's grid."""
    return topology.startswith(PREFIX)


def model_of(name: str) -> Model:
    """Raises BadInput, naming those there are."""
    if name not in MODELS:
        raise BadInput(
            f"There is no detector of Community Forensics named {name[:40]!r}; known are {', '.join(MODELS)}."
        )
    return MODELS[name]
