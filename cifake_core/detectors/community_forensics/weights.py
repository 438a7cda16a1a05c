"""Weights of a detector, from wherever a user has them: a file, a folder, or the Hub at a commit. Safetensors only.

It finds and checks; what a detector then is, is adding.py's.
"""

import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from cifake_core.detectors.community_forensics.models import Model, model_of
from cifake_core.detectors.networks import build
from cifake_core.errors import BadInput, Damaged, DownloadFailed, NotFound

FILE = "model.safetensors"  # the name `huggingface_hub` gives to a model's weights
_HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<commit>.*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def found(source: str) -> Path:
    """The safetensors file `source` names: a file, a folder that holds one, or owner/model@commit, downloaded once.

    Raises NotFound, BadInput for another format or a model without its commit, DownloadFailed.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        files = sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            raise BadInput(f"{path.name!r} holds {len(files)} safetensors files; name the one file with the weights.")
        return files[0]
    if path.is_file():
        if path.suffix != ".safetensors":
            raise BadInput(f"{path.name!r} is no safetensors file; other formats can run code, convert it first.")
        return path
    named = _HUB.fullmatch(source)
    if not named:
        raise NotFound(f"There are no weights at {source[:120]!r}; give a safetensors file, or owner/model@commit.")
    if not _COMMIT.fullmatch(named["commit"] or ""):
        raise BadInput(
            f"{source[:120]!r} is not pinned to a commit, so it could change from one day to the next; write owner/model@ and "
            f"the 40 digits of the commit, which https://huggingface.co/{named['repo']}/commits/main lists."
        )
    return _downloaded(named["repo"], named["commit"])


def _downloaded(repository: str, commit: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, FILE, revision=commit))
    except Exception as error:  # the client raises many kinds: no network, no such model or file, gated, disk full
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise DownloadFailed(
            f"{repository} could not be fetched ({reason}); check the name, the commit and the network."
        ) from error


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file; raises Damaged."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise Damaged(f"{path.name} is damaged or no safetensors file; get it again.") from error


def fitting(tensors: dict[str, torch.Tensor], name: str, file: str) -> dict[str, torch.Tensor]:
    """The tensors as the detector `name` holds them; raises BadInput, saying what does not fit, or Damaged for no numbers."""
    with torch.device("meta"):
        wanted = {key: tuple(value.shape) for key, value in build(name).state_dict().items()}
    given = {key: tuple(value.shape) for key, value in tensors.items()}
    wrong = sorted(key for key in wanted.keys() | given.keys() if wanted.get(key) != given.get(key))
    if wrong:
        raise BadInput(
            f"The weights in {file} are not those of {name}: {len(wrong)} of {len(wanted)} tensors are missing, unknown or of "
            f"another shape, the first is {wrong[0][:60]!r}; choose the other size, or the right file."
        )
    if not all(torch.isfinite(value).all() for value in tensors.values()):
        raise Damaged(f"The weights in {file} hold values that are not numbers; get the file again.")
    return {key: value.float() for key, value in tensors.items()}


def backbone(tensors: dict[str, torch.Tensor], model: Model) -> dict[str, torch.Tensor]:
    """Weights to start a training from: a `timm` checkpoint (its classifier is left out) or those of a detector."""
    bare = {key.removeprefix("vit."): value.float() for key, value in tensors.items()}
    with torch.device("meta"):
        wanted = {
            key.removeprefix("vit."): value.shape
            for key, value in build(model_of(model.name).name).state_dict().items()
        }
    kept = {key: value for key, value in bare.items() if wanted.get(key) == value.shape}
    missing = [key for key in wanted if key not in kept and not key.startswith("head.")]
    if missing:
        raise BadInput(
            f"These weights are no {model.name}: {missing[0]!r} is missing or of another shape; take those of {model.timm or model.name}."
        )
    return {f"vit.{key}": value for key, value in kept.items()}
