"""Is a folder of weights safe to load? Reads names and headers only: nothing of the folder is executed or unpickled.

It knows diffusers' folder layout; it does not load models.
"""

import hashlib
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open

from cifake_core.errors import BadInput, Damaged
from cifake_core.store import artifacts

INDEX = "model_index.json"
BY_CLASS = ("DiTPipeline",)  # asked by class number
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
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")  # the last holds the stock safety checker
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5", ".onnx")
_CODE = (".py", ".pyc", ".so")
_OURS = (artifacts.RECORD, "curve.json", "samples.png")  # beside the model, not part of it


def checked_pipeline(folder: Path) -> str:
    """The pipeline class of a diffusers folder that may be loaded. Raises BadInput or Damaged, saying what is wrong."""
    name = folder.name
    if not (folder / INDEX).is_file():
        raise BadInput(f"{name!r} is no diffusers pipeline, it has no {INDEX}; give a folder made by save_pretrained.")
    index = artifacts.read_json(folder / INDEX)
    pipeline = index.get("_class_name") if isinstance(index, dict) else None
    if pipeline not in BY_CLASS + BY_PROMPT:
        raise BadInput(
            f"{name!r} holds a {str(pipeline)[:60]!r}, which is not among the pipelines that may be loaded; "
            f"take one of {', '.join(BY_CLASS + BY_PROMPT)}."
        )
    parts = [key for key, value in index.items() if _is_part(value) and _checked_part(name, key, value)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    code = next((path for path in files if path.suffix in _CODE), None)
    if code:
        raise BadInput(f"{name!r} holds program code ({code.name}), which is never run here; remove it or take another model.")
    for part in parts:
        _check_weights(name, folder / part)
    return pipeline


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


def check_links(folder: Path) -> None:
    """Raises BadInput if a file of the folder lies outside it: a typed folder must not lead elsewhere."""
    root = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise BadInput(f"{path.name} in {folder.name!r} is a link to somewhere else; copy the file itself into the folder.")


def model_files(folder: Path) -> list[str]:
    """The model's files, sorted, as paths in the folder: not what lies beside them."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return [name for name in names if name not in _OURS and not name.startswith(".")]


def content_digest(folder: Path) -> str:
    """"sha256:…" over names and contents of the model's files: the identity of a folder, wherever it lies."""
    digest = hashlib.sha256()
    for name in model_files(folder):
        digest.update(f"{name.replace(os.sep, '/')}\0{artifacts.sha256(folder / name)}\n".encode())
    return f"sha256:{digest.hexdigest()}"
