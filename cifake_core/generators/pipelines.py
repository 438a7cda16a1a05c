"""From what a user names (bundled, trained here, a folder, a Hub model at a commit) to a loaded diffusers pipeline.

It finds, checks and loads; it does not generate. Only safetensors and stock classes are loaded, never code of others.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cifake_core.errors import BadInput, CifakeError, Damaged, DownloadFailed, NotFound, OutOfMemory
from cifake_core.generators import catalogue, checking, local
from cifake_core.images.schema import CLASSES
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

if TYPE_CHECKING:
    import torch

FLOW_SCHEDULERS = ("DPMSolverMultistep", "UniPCMultistep")  # also fit our own models, which are trained by flow matching
_HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>.*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_STEPS = {"LatentConsistencyModelPipeline": 4, "DDPMPipeline": 1000}  # what a pipeline is meant for, where it is not 50
_WANTED = [checking.INDEX, "*/*.json", "*/*.txt", "*/*.model", "*/*.safetensors"]
_UNWANTED = ["*.non_ema*", "*.bf16.*", "*openvino*", "*flax*"]
_HALF = "*.fp16*"  # fetched only where a part has no other weights


@dataclass(frozen=True)
class Source:
    """A generator that was found and may be loaded."""

    id: str  # as the user named it
    kind: str  # bundled, trained, folder or hub
    folder: Path
    pipeline: str  # class name
    revision: str  # the commit of a Hub model, else "sha256:…" of the folder's model files
    steps: int  # what it is meant to be sampled with
    guidance: float
    name: str = ""  # of a folder or file of this machine
    checkpoint: Path | None = None  # the single file that holds the weights, where there is one

    @property
    def title(self) -> str:
        """What is written beside its images: a folder by its name, not by its place on this machine."""
        return self.name or self.id

    @property
    def by_class(self) -> bool:
        """Whether it is asked by class number instead of words."""
        return self.pipeline in checking.BY_CLASS

    @property
    def unconditional(self) -> bool:
        """Whether it is asked for nothing at all: its images are of no known class."""
        return self.pipeline in checking.UNCONDITIONAL

    @property
    def by_words(self) -> bool:
        return not self.by_class and not self.unconditional


def find(workspace: Workspace, generator: str, cache: Path | None = None, endpoint: str | None = None) -> Source:
    """The generator of that name; a Hub model is downloaded first (resumed by the client where it stopped).

    `cache`: where a Hub model is kept, None = the client's own place; `endpoint`: another Hub than that of HF_ENDPOINT.

    `generator` is "demo" or "cifar10-ldm", a generator of the workspace, a folder, or "owner/model@commit" with all 40
    digits. Raises NotFound, BadInput, Damaged, DownloadFailed.
    """
    if generator in catalogue.BUNDLED:
        return _own(generator, catalogue.BUNDLED_FOLDER / generator, "bundled")
    if re.fullmatch(r"[A-Za-z0-9][\w.-]{0,79}", generator) and (workspace.generators / generator / artifacts.RECORD).exists():
        return _own(generator, workspace.generators / generator, "trained")
    path = Path(generator).expanduser()
    if "\0" not in generator and len(generator) < 1000 and (path.is_dir() or local.is_file(path)):
        found = local.located(path)
        if found.checkpoint is None:
            checking.checked_pipeline(found.folder)  # before anything is read at length: it may be any folder of the machine
        digest = checking.content_digest(found.folder, found.checkpoint)
        return replace(_source(generator, found.folder, "folder", digest), name=found.title, checkpoint=found.checkpoint)
    match = _HUB.fullmatch(generator)
    if not match:
        known = ", ".join(names(workspace)) or "none yet"
        raise NotFound(f"There is no generator {generator[:80]!r}; there are: {known}; or give a folder, a .safetensors file or owner/model@commit.")
    if not _COMMIT.fullmatch(match["revision"] or ""):
        raise BadInput(
            f"{generator[:80]!r} is not pinned to a commit, so it could change from one day to the next; "
            "write owner/model@ and the 40 digits of the commit."
        )
    folder = _downloaded(match["repo"], match["revision"], cache, endpoint)
    checking.checked_pipeline(folder)
    return _source(generator, folder, "hub", match["revision"])


def names(workspace: Workspace) -> list[str]:
    """Generators ready to use on this machine: bundled ones that are there, then those of the workspace."""
    bundled = [one.name for one in catalogue.bundled() if one.record is not None]
    trained = sorted(path.parent.name for path in workspace.generators.glob(f"[!.]*/{artifacts.RECORD}"))
    return bundled + [name for name in trained if name not in bundled]


def load(source: Source, device: "torch.device"):
    """The pipeline on the device, ready to sample. Raises BadInput, Damaged or OutOfMemory."""
    import diffusers
    import torch
    import transformers

    from cifake_core import hardware

    diffusers.utils.logging.disable_progress_bar()  # both draw bars on their own; progress is reported in one way here
    transformers.utils.logging.disable_progress_bar()
    try:
        pipeline = _opened(source, getattr(diffusers, source.pipeline), hardware.sampling_dtype(device)).to(device)
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(f"{source.id!r} does not fit into the memory of {device}; take a smaller model.") from error
    except Exception as error:  # diffusers and transformers raise many kinds; each means the same to the user
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise BadInput(f"The generator {source.id!r} cannot be loaded ({reason}); take a complete diffusers folder.") from error
    _check_numbers(source, pipeline)
    pipeline.set_progress_bar_config(disable=True)
    if device.type == "cpu" and source.by_class:
        pipeline.vae.to(memory_format=torch.channels_last)  # measured: a fifth faster to decode
    return pipeline


def _opened(source: Source, pipeline: type, dtype: "torch.dtype"):
    """The pipeline from its files, on the CPU; no network is asked."""
    if source.checkpoint:
        return pipeline.from_single_file(str(source.checkpoint), config=str(source.folder), torch_dtype=dtype, local_files_only=True)
    return pipeline.from_pretrained(
        source.folder,
        dtype=dtype,
        variant=checking.variant(source.folder) or None,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
    )


def class_ids(source: Source, pipeline, classes: tuple[str, ...]) -> dict[str, int]:
    """Class name → the number this model knows it by. Raises BadInput for a class it was not trained on."""
    known = pipeline.labels or dict(zip(CLASSES, range(len(CLASSES)), strict=True))
    missing = [name for name in classes if name not in known]
    if missing:
        raise BadInput(f"The generator {source.id!r} does not know the class {missing[0]!r}; take other classes or another model.")
    return {name: known[name] for name in classes}


def _own(name: str, folder: Path, kind: str) -> Source:
    """A generator with a record: every file is compared with its checksum before use."""
    if not (folder / artifacts.RECORD).exists():
        raise NotFound(f"The generator {name!r} is not in {folder.parent.name}; train it with train-generator or get the files.")
    record = artifacts.read_json(folder / artifacts.RECORD)
    for file in record["sha256"]:
        artifacts.verify(folder, file)
    checking.checked_pipeline(folder)
    sampling = record["sampling"]
    return _source(name, folder, kind, checking.content_digest(folder), sampling["steps"], sampling["guidance"])


def _source(name: str, folder: Path, kind: str, revision: str, steps: int = 0, guidance: float = -1.0) -> Source:
    pipeline = checking.checked_class(folder)
    steps = steps or _STEPS.get(pipeline, 50)
    guidance = guidance if guidance >= 0 else 4.0 if pipeline in checking.BY_CLASS else 0.0 if pipeline in checking.UNCONDITIONAL else 7.5
    return Source(name, kind, folder, pipeline, revision, steps, guidance)


def _downloaded(repository: str, revision: str, cache: Path | None, endpoint: str | None) -> Path:
    from huggingface_hub import snapshot_download

    def fetched(unwanted: list[str]) -> Path:
        return Path(
            snapshot_download(repository, revision=revision, cache_dir=cache, endpoint=endpoint, allow_patterns=_WANTED, ignore_patterns=unwanted)
        )

    try:
        folder = fetched([*_UNWANTED, _HALF])
        if (folder / checking.INDEX).is_file() and checking.parts_without_weights(folder):
            folder = fetched(_UNWANTED)
        return folder
    except Exception as error:  # the client raises many kinds: no network, no such model, gated, disk full
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise DownloadFailed(f"{repository} could not be fetched ({reason}); check the name, the commit and the network.") from error


def _check_numbers(source: Source, pipeline) -> None:
    import torch

    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            for parameter in part.parameters():
                if parameter.is_meta or not bool(torch.isfinite(parameter).all()):
                    raise Damaged(f"The {name} of {source.id!r} holds weights that are no numbers; get the model again.")


def schedulers() -> dict[str, Callable]:
    """Name → scheduler class a text-to-image model may be sampled with instead of its own."""
    import diffusers

    allowed = ("DDIM", "PNDM", "EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep", "UniPCMultistep", "LMSDiscrete")
    return {name: getattr(diffusers, f"{name}Scheduler") for name in allowed}


def use_scheduler(source: Source, pipeline, name: str) -> str:
    """Puts the named scheduler in; "default" keeps the model's own. Returns its class name; raises BadInput."""
    if name != "default":
        if name not in schedulers():
            raise BadInput(f"There is no scheduler {name!r}; take default, {', '.join(schedulers())}.")
        if source.unconditional and name != "DDIM":
            raise BadInput(f"{source.id!r} is sampled with its own scheduler or with DDIM, not {name}; choose one of these.")
        if source.by_class and (name not in FLOW_SCHEDULERS or not pipeline.scheduler.config.get("use_flow_sigmas")):
            raise BadInput(f"{source.id!r} was trained for its own scheduler; leave the scheduler at default.")
        try:
            pipeline.scheduler = schedulers()[name].from_config(pipeline.scheduler.config)
        except (CifakeError, ValueError, TypeError, ImportError) as error:
            raise BadInput(f"The scheduler {name!r} does not fit {source.id!r}; leave it at default.") from error
    return type(pipeline.scheduler).__name__
