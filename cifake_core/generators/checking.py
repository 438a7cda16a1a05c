"""Is a folder of weights safe to load? Reads names and headers only: nothing of the folder is executed or unpickled.

It knows diffusers' folder layout; it does not load models.
"""

import hashlib
import os
import re
from pathlib import Path

from safetensors import SafetensorError, safe_open

from cifake_core.errors import BadInput, Damaged
from cifake_core.store import artifacts

INDEX = "model_index.json"
BY_CLASS = ("DiTPipeline",)  # asked by class number
UNCONDITIONAL = ("DDPMPipeline", "DDIMPipeline", "LDMPipeline")  # asked for nothing: they know no classes and no words
BY_PROMPT = (  # asked by words
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusion3Pipeline",
    "LatentConsistencyModelPipeline",
    "PixArtAlphaPipeline",
    "PixArtSigmaPipeline",
    "SanaPipeline",
    "FluxPipeline",
)
ALL = BY_CLASS + BY_PROMPT + UNCONDITIONAL
_WEIGHTS = re.compile(r"[^.]+(?:\.(?P<before>[a-z0-9_]+))?(?:-\d+-of-\d+)?(?:\.(?P<after>[a-z0-9_]+))?\.safetensors")
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")  # the last holds the stock safety checker
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5", ".onnx")
_CODE = (".py", ".pyc", ".so")
_OURS = (artifacts.RECORD, "curve.json", "samples.png")  # beside the model, not part of it


def checked_pipeline(folder: Path) -> str:
    """The pipeline class of a diffusers folder that may be loaded, weights and all. Raises BadInput or Damaged, saying what is wrong."""
    pipeline = checked_class(folder)
    for part in _parts(folder):
        _check_weights(folder.name, folder / part)
    return pipeline


def checked_class(folder: Path) -> str:
    """The same, whatever its weights are: that class, parts and files are stock ones."""
    name = folder.name
    if not (folder / INDEX).is_file():
        raise BadInput(f"{name!r} is no diffusers pipeline, it has no {INDEX}; give a folder made by save_pretrained.")
    index = artifacts.read_json(folder / INDEX)
    pipeline = index.get("_class_name") if isinstance(index, dict) else None
    if pipeline not in ALL:
        raise BadInput(
            f"{name!r} holds a {str(pipeline)[:60]!r}, which is not among the pipelines that may be loaded; "
            f"take one of {', '.join(ALL)}."
        )
    for key, value in index.items():
        if _is_part(value):
            _checked_part(name, key, value)
    files = [path for path in folder.rglob("*") if path.is_file()]
    code = next((path for path in files if path.suffix in _CODE), None)
    if code:
        raise BadInput(f"{name!r} holds program code ({code.name}), which is never run here; remove it or take another model.")
    return pipeline


def variant(folder: Path) -> str:
    """ "fp16" where some part has its weights only as model.fp16.safetensors; "" where all have plain ones. Raises BadInput.

    The Hub's way of naming: `name.<variant>.safetensors`, of a model in pieces `name.<variant>-00001-of-00002.safetensors`
    or `name-00001-of-00002.<variant>.safetensors`.
    """
    needed = set()
    for part in _parts(folder):
        found = {_variant_of(path.name) for path in (folder / part).glob("*.safetensors")}
        if found and "" not in found:
            needed |= {"fp16"} if "fp16" in found else found
    if len(needed) > 1:
        raise BadInput(f"{folder.name!r} mixes weights of the kinds {', '.join(sorted(needed))}; get the model with one kind for all parts.")
    return needed.pop() if needed else ""


def parts_without_weights(folder: Path) -> list[str]:
    """Parts that are models (they have a config.json) and whose weights are not there, in whatever format."""
    return [part for part in _parts(folder) if (folder / part / "config.json").is_file() and not any((folder / part).glob("*.safetensors"))]


def _variant_of(name: str) -> str:
    match = _WEIGHTS.fullmatch(name)
    return (match["before"] or match["after"] or "") if match else ""


def _parts(folder: Path) -> list[str]:
    index = artifacts.read_json(folder / INDEX)
    return [key for key, value in index.items() if _is_part(value)]


def _is_part(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and value != [None, None]


def _checked_part(name: str, part: str, value: list) -> bool:
    if value[0] not in _LIBRARIES or Path(part).name != part:
        raise BadInput(f"{name!r} needs code of its own for its {part[:40]!r} ({str(value[0])[:40]}); only stock parts are loaded.")
    return True


def _check_weights(name: str, folder: Path) -> None:
    """Pickled weights can run code, so a part that has weights must have them as whole safetensors files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    tensors = [path for path in files if path.suffix == ".safetensors"]
    pickled = next((path for path in files if path.suffix in _PICKLES), None)
    if pickled and not tensors:
        raise BadInput(
            f"{name!r} has its {folder.name} only as {pickled.name}, a format that can run code; "
            "take a copy of the model with safetensors weights."
        )
    for path in tensors:
        try:
            with safe_open(path, "pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise Damaged(f"{folder.name}/{path.name} of {name!r} is damaged or no safetensors file; get it again.") from error


def check_links(folder: Path, blobs: Path | None = None) -> None:
    """Raises BadInput if a file of the folder lies outside it: a typed folder must not lead elsewhere. Nothing is opened.

    `blobs`: where the files of a snapshot of the Hub's cache lie, which is how the Hub's own client keeps them.
    """
    for path in folder.rglob("*"):
        check_link(path, folder, blobs)


def check_link(path: Path, folder: Path, blobs: Path | None = None) -> None:
    """The same of one file."""
    if not path.is_symlink():
        return
    allowed = [folder.resolve(), *([blobs.resolve()] if blobs else [])]
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # leads nowhere, or in a circle
        raise BadInput(f"{path.name} in {folder.name!r} is a link that leads nowhere; get the model again.") from error
    if not any(target.is_relative_to(root) for root in allowed):
        raise BadInput(f"{path.name} in {folder.name!r} is a link to somewhere else; copy the file itself into the folder.")


def model_files(folder: Path) -> list[str]:
    """The model's files, sorted, as paths in the folder: not what lies beside them."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return [name for name in names if name not in _OURS and not name.startswith(".")]


def content_digest(folder: Path, checkpoint: Path | None = None) -> str:
    """"sha256:…" over names and contents of the model's files: the identity of a folder, wherever it lies.

    With a single-file `checkpoint`: of that file and of the configuration beside it, whatever else lies there.
    """
    digest = hashlib.sha256()
    names = model_files(folder)
    if checkpoint:
        names = [name for name in names if name == INDEX or (os.sep in name and not name.endswith(".safetensors"))]
        digest.update(f"checkpoint\0{artifacts.sha256(checkpoint)}\n".encode())
    for name in names:
        digest.update(f"{name.replace(os.sep, '/')}\0{artifacts.sha256(folder / name)}\n".encode())
    return f"sha256:{digest.hexdigest()}"
