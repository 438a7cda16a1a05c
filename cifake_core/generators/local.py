"""Where a generator of this machine lies: a diffusers folder, a folder of the Hub's cache, or a single-file checkpoint.

It reads names and one header; links are followed only inside the folder, or from a snapshot to the blobs of the same model.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from cifake_core.errors import BadInput, Damaged
from cifake_core.generators import checking

_CACHE = re.compile(r"models--(?P<owner>.+?)--(?P<model>.+)")
_SINGLE = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
_WHOLE = {"UNet": "model.diffusion_model.", "decoder": "first_stage_model."}  # what a checkpoint of Stable Diffusion holds
FROM_SINGLE_FILE = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")


@dataclass(frozen=True)
class Located:
    """A folder with model_index.json, and the single file that holds the weights where they lie in one."""

    folder: Path
    title: str  # what is written beside its images: no place of this machine
    checkpoint: Path | None = None


def located(path: Path) -> Located:
    """What the user's path is. Nothing of it has been opened but a checkpoint's header. Raises BadInput, Damaged."""
    if path.is_file():
        return _single_file(path)
    folder = _snapshot(path)
    if not (folder / checking.INDEX).is_file():
        raise BadInput(f"{path.name!r} is no diffusers pipeline, it has no {checking.INDEX}; give a folder made by save_pretrained.")
    checking.check_links(folder, _blobs(folder))
    return Located(folder, _title(folder))


def is_file(path: Path) -> bool:
    """Whether the path is a file that a checkpoint may be."""
    return path.suffix.lower() in _SINGLE and path.is_file()


def _snapshot(path: Path) -> Path:
    """The only snapshot of a folder of the Hub's cache, or that of its main branch; any other folder itself."""
    if not _CACHE.fullmatch(path.resolve().name) or not (path / "snapshots").is_dir():
        return path
    snapshots = sorted(folder for folder in (path / "snapshots").iterdir() if folder.is_dir() and not folder.is_symlink())
    if len(snapshots) == 1:
        return snapshots[0]
    named = ", ".join(folder.name[:10] for folder in snapshots) or "none"
    raise BadInput(f"{path.name!r} holds {len(snapshots)} snapshots ({named}); give the folder of one, {path.name}/snapshots/….")


def _cache(folder: Path) -> Path | None:
    """models--owner--model, if the folder is a snapshot in one."""
    folder = folder.resolve()
    home = folder.parent.parent
    return home if folder.parent.name == "snapshots" and _CACHE.fullmatch(home.name) else None


def _blobs(folder: Path) -> Path | None:
    home = _cache(folder)
    return home / "blobs" if home else None


def _title(folder: Path) -> str:
    home = _cache(folder)
    return "/".join(_CACHE.fullmatch(home.name).groups()) if home else folder.resolve().name


def _single_file(path: Path) -> Located:
    if path.suffix.lower() != ".safetensors":
        raise BadInput(f"{path.name!r} is a pickled checkpoint, a format that can run code; take the .safetensors file of the same model.")
    checking.check_link(path, path.parent, _blobs(path.parent))
    _check_whole(path)
    beside = [folder for folder in (path.with_suffix(""), path.parent) if (folder / checking.INDEX).is_file()]
    if not beside:
        raise BadInput(
            f"{path.name!r} holds weights but not their configuration, which is needed without a network; put the model's diffusers folder "
            f"({checking.INDEX}, the parts' config.json, scheduler and tokenizer; no weights) beside it as {path.stem!r}."
        )
    folder = beside[0]
    checking.check_links(folder, _blobs(folder))
    pipeline = checking.checked_class(folder)
    if pipeline not in FROM_SINGLE_FILE:
        raise BadInput(f"{path.name!r} belongs to a {pipeline}, which cannot be read from a single file here; take {' or '.join(FROM_SINGLE_FILE)}, or the model's folder.")
    return Located(folder, path.name, path)


def _check_whole(path: Path) -> None:
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
    except (SafetensorError, OSError) as error:
        raise Damaged(f"{path.name} is damaged or no safetensors file; get it again.") from error
    missing = [part for part, begins in _WHOLE.items() if not any(name.startswith(begins) for name in names)]
    if missing:
        example = f", such as {names[0][:60]!r}" if names else ""
        raise BadInput(
            f"{path.name!r} is no whole checkpoint: no {' and no '.join(missing)} is among its {len(names):,} tensors{example}; "
            "take the model's full checkpoint or its diffusers folder."
        )
