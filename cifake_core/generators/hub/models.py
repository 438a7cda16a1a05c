"""One text-to-image model of the Hub as a catalogue knows it, and which of them may be sampled. It asks nobody anything."""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from cifake_core.errors import BadInput
from cifake_core.generators import checking

WANTED = (checking.INDEX, "*/*.json", "*/*.txt", "*/*.model", "*/*.safetensors")  # files that a pipeline is loaded from
UNWANTED = ("*.non_ema*", "*.fp16.*", "*.bf16.*", "*openvino*", "*flax*")
FAMILIES = {  # pipeline class → what its models descend from
    "StableDiffusionPipeline": "Stable Diffusion 1 / 2",
    "StableDiffusionXLPipeline": "Stable Diffusion XL",
    "StableDiffusion3Pipeline": "Stable Diffusion 3",
    "LatentConsistencyModelPipeline": "Latent consistency",
    "PixArtAlphaPipeline": "PixArt",
    "PixArtSigmaPipeline": "PixArt",
    "SanaPipeline": "Sana",
    "FluxPipeline": "FLUX",
    "DiTPipeline": "DiT",
}


@dataclass(frozen=True)
class HubModel:
    """What is known of a model at one commit, before anything of it is downloaded."""

    id: str  # owner/name
    sha: str  # the commit, 40 digits
    downloads: int = 0  # of the last 30 days, as the Hub counts
    likes: int = 0
    licence: str = ""
    gated: bool = False
    pipeline: str = ""  # diffusers class; "" = no whole pipeline, for example a LoRA
    base_models: tuple[str, ...] = ()
    safetensors: bool = False  # has safetensors files in its parts
    code: bool = False  # carries Python files
    bytes: int = 0  # of the files a pipeline is loaded from; 0 = not asked yet
    created: str = ""  # date

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_models", tuple(self.base_models))

    @property
    def family(self) -> str:
        return FAMILIES.get(self.pipeline, "other")

    @property
    def generator(self) -> str:
        """As `pipelines.find` takes it."""
        return f"{self.id}@{self.sha}"


@dataclass(frozen=True)
class Filters:
    """Which models belong in a catalogue. What cannot be sampled safely is always left out."""

    licences: tuple[str, ...] = ()  # any of these; none = all. Patterns: "creativeml*"
    pipelines: tuple[str, ...] = ()  # diffusers classes; none = every class that may be loaded
    families: tuple[str, ...] = ()  # words in the family or in a base model's name; none = all
    max_gb: float = 0.0  # largest download; 0 = any
    min_downloads: int = 0
    gated: bool = False  # True: also those that ask for a login (a token with access must be set)

    def __post_init__(self) -> None:
        for name in ("licences", "pipelines", "families"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        known = checking.BY_PROMPT + checking.BY_CLASS
        unknown = [name for name in self.pipelines if name not in known]
        if unknown:
            raise BadInput(
                f"The pipeline class {unknown[0][:60]!r} is not among those that may be loaded; take {', '.join(known)}."
            )
        if self.max_gb < 0 or self.min_downloads < 0:
            raise BadInput(
                f"Sizes and downloads cannot be negative; got {self.max_gb} GB and {self.min_downloads} downloads."
            )

    def why_not(self, model: HubModel) -> str:
        """Why the model is left out, in a few words; "" = it belongs in."""
        if not model.pipeline:
            return "no whole pipeline"
        if model.pipeline not in (self.pipelines or checking.BY_PROMPT + checking.BY_CLASS):
            return "another pipeline class"
        if not model.safetensors:
            return "no safetensors"
        if model.code:
            return "carries program code"
        if model.gated and not self.gated:
            return "gated"
        if model.downloads < self.min_downloads:
            return "too few downloads"
        if self.licences and not any(fnmatch.fnmatch(model.licence, pattern) for pattern in self.licences):
            return "another licence"
        names = " ".join((model.family, *model.base_models)).lower()
        if self.families and not any(word.lower() in names for word in self.families):
            return "another family"
        if self.max_gb and model.bytes > self.max_gb * 1e9:
            return "too large"
        return ""


def wanted(names: Iterable[str]) -> list[str]:
    """Of a repository's file names, those a pipeline is loaded from."""
    kept = [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in WANTED)]
    return [name for name in kept if not any(fnmatch.fnmatch(name, pattern) for pattern in UNWANTED)]
