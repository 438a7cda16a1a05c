"""Asks the Hub which text-to-image models there are, most downloaded first, and what they are made of. Downloads no weights.

The Hub is that of HF_ENDPOINT, the one of huggingface.co if that is not set.
"""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import islice

from cifake_core.errors import BadInput, DownloadFailed
from cifake_core.generators.hub import frozen
from cifake_core.generators.hub.models import Filters, HubModel, wanted
from cifake_core.progress import Progress, silent
from cifake_core.step import Context
from cifake_core.store.workspace import checked_name

_ASKED = ["sha", "downloads", "likes", "gated", "tags", "siblings", "config", "createdAt", "cardData"]
_AT_ONCE = 8  # questions for sizes under way together


@dataclass(frozen=True)
class Listing:
    """The models that passed, and how many were left out for which reason."""

    models: tuple[HubModel, ...]
    looked_at: int
    left_out: dict[str, int]


@dataclass(frozen=True)
class FreezeCatalogue:
    """A dated catalogue: which models, at which commit. The same name is not asked for twice; a catalogue never changes."""

    name: str
    most: int = 100  # models in it, by downloads
    look: int = 0  # models of the Hub to look at; 0 = twenty times as many
    filters: dict = field(default_factory=dict)  # fields of models.Filters

    def __post_init__(self) -> None:
        checked_name(self.name)
        if not 1 <= self.most <= 100_000 or self.look < 0:
            raise BadInput(
                f"A catalogue holds 1 to 100,000 models, not {self.most}; the number to look at is 0 or more."
            )
        self.chosen()

    def chosen(self) -> Filters:
        try:
            return Filters(**self.filters)
        except TypeError as error:
            raise BadInput(
                f"Models cannot be filtered so ({error}); use the fields of the form or of `catalogue freeze --help`."
            ) from error

    def run(self, context: Context) -> dict:
        """What `frozen.described` says. Raises DownloadFailed, Conflict if the name is taken by another request."""
        there = frozen.existing(context.workspace, self.name, asdict(self))
        if there:
            return frozen.described(there)
        found = listed(self.chosen(), self.most, self.look, context.on_progress)
        kept = frozen.freeze(
            context.workspace, self.name, found.models, asdict(self), found.looked_at, found.left_out, endpoint()
        )
        return frozen.described(kept)


def endpoint() -> str | None:
    """The Hub's address of HF_ENDPOINT, read now; None = the public one."""
    return os.environ.get("HF_ENDPOINT") or None


def listed(filters: Filters, most: int, look: int = 0, on_progress: Progress = silent) -> Listing:
    """The `most` most downloaded models that pass, with their sizes. Raises DownloadFailed."""
    look = look or 20 * most
    kept: list[HubModel] = []
    left_out: Counter[str] = Counter()
    seen = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        models = _all_models(look)
        while len(kept) < most and (batch := list(islice(models, 5 * _AT_ONCE))):
            seen += len(batch)
            passing = [model for model in batch if not _count(left_out, filters.why_not(model))]
            for model in pool.map(_sized, passing):
                if not _count(left_out, filters.why_not(model)) and len(kept) < most:
                    kept.append(model)
            on_progress(min(len(kept), most), most, f"{seen:,} models looked at, {len(kept):,} of them fit")
    return Listing(tuple(kept), seen, dict(left_out))


def _count(counter: Counter, reason: str) -> str:
    if reason:
        counter[reason] += 1
    return reason


def _all_models(look: int) -> Iterator[HubModel]:
    from huggingface_hub import HfApi

    try:
        for info in HfApi(endpoint=endpoint()).list_models(
            pipeline_tag="text-to-image", filter="diffusers", sort="downloads", limit=look, expand=_ASKED
        ):
            if info.sha and not getattr(info, "private", False):
                yield _model(info)
    except Exception as error:  # httpx and the client raise many kinds; each means the same to the user
        raise DownloadFailed(
            f"The Hub could not be asked ({_short(error)}); check the network and HF_ENDPOINT."
        ) from error


def _model(info) -> HubModel:
    names = [sibling.rfilename for sibling in info.siblings or []]
    tags = info.tags or []
    config = info.config or {}
    card = info.card_data or {}
    pipeline = (config.get("diffusers") or {}).get("_class_name") or _tagged(tags, "diffusers:")
    return HubModel(
        id=info.id,
        sha=info.sha,
        downloads=info.downloads or 0,
        likes=info.likes or 0,
        licence=_tagged(tags, "license:") or str(card.get("license") or ""),
        gated=bool(info.gated),
        pipeline=(pipeline or "") if "model_index.json" in names else "",
        base_models=tuple(dict.fromkeys(tag.rpartition(":")[2] for tag in tags if tag.startswith("base_model:"))),
        safetensors=any(name.endswith(".safetensors") and "/" in name for name in names),
        code=any(name.endswith(".py") for name in names),
        created=info.created_at.date().isoformat() if info.created_at else "",
    )


def _tagged(tags: list[str], prefix: str) -> str:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), "")


def _sized(model: HubModel) -> HubModel:
    """With the bytes of the files it would be loaded from, at its commit; 0 where the Hub does not say (gated)."""
    from huggingface_hub import HfApi

    try:
        info = HfApi(endpoint=endpoint()).model_info(model.id, revision=model.sha, files_metadata=True)
    except Exception:  # gone, gated or unreachable: sampling will find out, and says which
        return model
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
    return replace(model, bytes=sum(sizes[name] for name in wanted(sizes)))


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
