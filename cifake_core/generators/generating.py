"""Makes an image set with a generator: a plan of images, each with its own seed, made batch by batch, nothing twice.

It does not know how a pipeline samples (painting.py) nor how a set is stored (images/building.py). torch is loaded when
the work begins, not when a page checks a request.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cifake_core import ray_cluster
from cifake_core.errors import BadInput, Conflict, NotFound
from cifake_core.generators import cluster, defects, pipelines
from cifake_core.generators.recipe import Recipe, image_seed, load_recipe
from cifake_core.generators.request import Manner, Painted, Request
from cifake_core.generators.shards import Shards
from cifake_core.generators.sheets import write_sheet
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import decode
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, FAKE, SPLITS, UNKNOWN_CLASS, NewImage, Original
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

if TYPE_CHECKING:
    from cifake_core.generators.painting import Painter

PREVIEW, PREVIEW_LIST = "preview.png", "preview.json"
PREVIEW_IMAGES, PREVIEW_COLUMNS = 100, 10
MOST_IMAGES = 1_000_000


@dataclass(frozen=True)
class Generate:
    """Fakes of the asked classes as image set `name`. Cancelled or killed, it keeps what is done and goes on from there."""

    name: str
    generator: str = "demo"  # bundled, of the workspace, a folder, or owner/model@commit
    per_class: int = 20
    classes: tuple[str, ...] = CLASSES
    counts: dict[str, int] = field(default_factory=dict)  # class → its own number instead of per_class
    seed: int = 0
    steps: int = 0  # 0 = the generator's own, or the recipe's for words
    guidance: float = -1.0  # below 0 = the generator's own, or the recipe's for words
    recipe: str = "cifake"
    template: str = ""  # "" = the recipe's
    modifiers: dict[str, list[str]] = field(default_factory=dict)  # class → the user's own instead of the recipe's
    negative_prompt: str = ""
    scheduler: str = "default"
    size: int = 0  # side of the picture before shrinking, pixels; 0 = the recipe's 512
    batch: int = 0  # images at a time; 0 = by device
    split: str = "train"
    keep_originals: bool = False  # keep pictures larger than 32×32 too, as PNG
    executor: str = "local"  # or "ray": on the machines of a Ray cluster
    address: str = ""  # of the Ray cluster, host:port or auto; "" = Ray on this machine alone

    def __post_init__(self) -> None:
        checked_name(self.name)
        ray_cluster.checked(self.executor, self.address)
        object.__setattr__(self, "classes", tuple(self.classes))
        unknown = [name for name in (*self.classes, *self.counts, *self.modifiers) if name not in CLASSES]
        if unknown:
            raise BadInput(f"There is no class {unknown[0]!r}; take {', '.join(CLASSES)}.")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise BadInput("Name at least one class, each only once.")
        if any(name not in self.classes for name in self.counts):
            raise BadInput("A number of images is given for a class that is not among the chosen classes; choose it too.")
        numbers = [self.count(name) for name in self.classes]
        if min(numbers) < 0 or not 0 < sum(numbers) <= MOST_IMAGES:
            raise BadInput(f"The plan has {sum(numbers)} images; ask for 1 to {MOST_IMAGES:,}.")
        if not 0 <= self.steps <= 1000 or not 0 <= self.batch <= 4096 or not 0 <= self.seed < 2**63:
            raise BadInput("Steps lie between 0 and 1000, the batch between 0 and 4096, the seed between 0 and 2⁶³ − 1.")
        if self.size % 8 or not 0 <= self.size <= 2048:
            raise BadInput(f"The size is {self.size}; give a multiple of 8 up to 2048 pixels, or 0 for the recipe's.")
        if self.split not in SPLITS:
            raise BadInput(f"The split is {self.split!r}; take {' or '.join(SPLITS)}.")
        self.words()

    def count(self, class_name: str) -> int:
        return self.counts.get(class_name, self.per_class)

    def words(self) -> Recipe:
        """The recipe with the user's own template and modifiers."""
        return load_recipe(self.recipe).changed(self.template, self.modifiers)

    def run(self, context: Context) -> dict:
        """Makes what is missing, then the set. Raises Conflict, NotFound, BadInput, OutOfMemory, DownloadFailed."""
        source = pipelines.find(context.workspace, self.generator)
        request = self._digest(source)
        there = _existing(context.workspace, self.name, request)
        if there:
            return _result(there, source)
        work = _work_folder(context.workspace, self.name, request)
        shards = Shards(work)
        artifacts.write_json(work / "step.json", {"step": asdict(self), "request": request})
        self._make(context, source, shards)
        made = self._store(context, source, shards, request)
        shutil.rmtree(work, ignore_errors=True)
        return _result(made, source)

    def keep_done(self, context: Context) -> dict:
        """Turns what a cancelled run has finished into the set, without making more. NotFound if there is nothing."""
        source = pipelines.find(context.workspace, self.generator)
        request = self._digest(source)
        work = _work_folder(context.workspace, self.name, request)
        if not work.exists() or not (shards := Shards(work)).images:
            raise NotFound(f"Nothing of {self.name!r} has been made yet; start it first.")
        made = self._store(context, source, shards, f"{request} kept early")
        shutil.rmtree(work, ignore_errors=True)
        return _result(made, source)

    def requests(self, source: pipelines.Source) -> list[Request]:
        """Every image of the plan, class after class in turn, so that a half-made set is balanced too.

        A generator that knows no classes makes as many images as all of them together, of no known class.
        """
        if source.unconditional:
            return [Request("", index, image_seed(self.seed, "", index)) for index in range(sum(map(self.count, self.classes)))]
        words, plan = self.words(), []
        for index in range(max(self.count(name) for name in self.classes)):
            for name in self.classes:
                if index < self.count(name):
                    seed = image_seed(self.seed, name, index)
                    prompt = "" if source.by_class else words.prompt(name, seed)
                    plan.append(Request(name, index, seed, prompt))
        return plan

    def manner(self, source: pipelines.Source) -> Manner:
        """How this source is sampled: what the user gave, else what the model or the recipe says."""
        words = self.words()
        by_words = source.by_words and "Consistency" not in source.pipeline
        steps, guidance = (words.steps, words.guidance) if by_words else (source.steps, source.guidance)
        return Manner(
            steps=self.steps or steps,
            guidance=0.0 if source.unconditional else self.guidance if self.guidance >= 0 else guidance,
            negative_prompt=(self.negative_prompt or words.negative_prompt) if source.by_words else "",
            scheduler=self.scheduler,
            size=(self.size or words.size) if source.by_words else 0,
        )

    def batches(self, source: pipelines.Source) -> list[list[Request]]:
        """The plan in batches of nearly equal size, none above the batch: each is made and stored as a whole."""
        from cifake_core.generators.painting import automatic_batch

        plan = self.requests(source)
        parts = -(-len(plan) // (self.batch or automatic_batch(source)))
        size = -(-len(plan) // parts)
        return [plan[start : start + size] for start in range(0, len(plan), size)]

    def painter(self, source: pipelines.Source, on_message=lambda message: None) -> "Painter":
        """The loaded generator, with the batch size of this plan."""
        from cifake_core.generators.painting import Painter

        return Painter(*self._setup(source), on_message)

    def _setup(self, source: pipelines.Source) -> cluster.Setup:
        return source, self.manner(source), len(self.batches(source)[0]), self.classes

    def _make(self, context: Context, source: pipelines.Source, shards: Shards) -> None:
        batches = self.batches(source)
        total = sum(len(batch) for batch in batches)
        missing = [number for number in range(len(batches)) if number not in shards]
        if not missing:
            return
        defects.check_hope(shards.defects, shards.usable, source.title)  # of an earlier start: nothing is drawn to say it again
        context.on_progress(shards.images, total, f"loading {source.id}")
        preview = _Preview(context.scratch, shards)
        began, at_start, in_vain = time.monotonic(), shards.images, 0

        def tell(made: int, message: str = "") -> None:
            """`made` since it began, those of batches under way on other machines too."""
            speed = f", {made / (time.monotonic() - began):.1f} images/s" if made else ""
            vain = f", {in_vain} pictures not kept" if in_vain else ""
            context.on_progress(at_start + made, total, message or f"{at_start + made} of {total} images{speed}{vain}")

        coming = {number: batches[number] for number in missing}
        if self.executor == "ray":
            finished = cluster.painted(self.address, self._setup(source), coming, self.keep_originals, lambda made, *_: tell(made))
        else:
            finished = self._painted_here(source, coming, tell)
        for number, painted in finished:
            shards.add(number, painted, self.keep_originals)
            defects.check_hope(shards.defects, shards.usable, source.title)
            in_vain = sum(shards.defects.pictures.values())
            preview.add([one for one in painted if one.data])

    def _painted_here(
        self, source: pipelines.Source, batches: dict[int, list[Request]], tell: Callable[..., None]
    ) -> Iterator[tuple[int, list[Painted]]]:
        made = 0
        painter = self.painter(source, lambda message: tell(made, message))
        for number, requests in batches.items():
            yield number, painter.paint(requests, partial(tell, made))
            made += len(requests)
            tell(made)

    def _store(self, context: Context, source: pipelines.Source, shards: Shards, request: str) -> ImageSet:
        if not shards.usable:
            raise defects.nothing_usable(shards.defects, source.title)
        originals = context.workspace.originals / self.name if self.keep_originals else None
        return new_image_set(
            context.workspace,
            self.name,
            self._rows(shards, source, originals),
            kind="generated",
            note=f"Made by {source.title} ({source.pipeline}), seed {self.seed}.",
            source={"request": request, "generator": source.title, "revision": source.revision, "step": ray_cluster.asked(self), "defects": shards.defects.as_dict()},
            total=shards.usable,
            on_progress=context.on_progress,
        )

    def _rows(self, shards: Shards, source: pipelines.Source, originals: Path | None) -> Iterator[NewImage]:
        for row in shards.rows():
            provenance = row["provenance"]
            word = provenance["class"]
            label = f"{word or 'unknown'}-{provenance['index']:05d}"
            if originals and row["original"]:
                with artifacts.whole_file(originals / f"{label}.png") as temporary:
                    temporary.write_bytes(row["original"])
                provenance["original"] = f"originals/{self.name}/{label}.png"
            yield NewImage(
                data=row["data"],
                label=FAKE,
                class_label=CLASSES.index(word) if word else UNKNOWN_CLASS,
                split=self.split,
                path=f"{label}.jpg",
                generator=source.title,
                prompt=provenance["prompt"],
                seed=provenance["seed"],
                provenance=provenance,
                architecture="PixDiff" if source.pipeline in ("DDPMPipeline", "DDIMPipeline") else "LatDiff",
                original=Original.drawn(provenance),
            )

    def _digest(self, source: pipelines.Source) -> str:
        """Digest of everything that decides the images: another request under the same name is a conflict, not a mix."""
        asked = {**ray_cluster.asked(self), "revision": source.revision, "recipe": asdict(self.words())}
        asked.pop("name")
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class _Preview:
    """The latest images as one sheet, and what they are, for whoever watches `scratch`."""

    def __init__(self, scratch: Path | None, shards: Shards) -> None:
        self.scratch = scratch
        latest = [(row["data"], row["provenance"]) for row in shards.rows()] if scratch else []
        self.latest = latest[-PREVIEW_IMAGES:]

    def add(self, painted: list[Painted]) -> None:
        if self.scratch is None or (not painted and not self.latest):
            return
        self.latest = (self.latest + [(item.data, item.provenance) for item in painted])[-PREVIEW_IMAGES:]
        pictures = np.stack([decode(data) for data, _ in self.latest])
        write_sheet(self.scratch / PREVIEW, pictures, PREVIEW_COLUMNS)
        shown = [{key: made[key] for key in ("class", "index", "seed", "prompt")} for _, made in self.latest]
        artifacts.write_json(self.scratch / PREVIEW_LIST, {"columns": PREVIEW_COLUMNS, "images": shown})


def _work_folder(workspace: Workspace, name: str, request: str) -> Path:
    return workspace.generators / ".making" / f"{name}-{request[:12]}"


def _existing(workspace: Workspace, name: str, request: str) -> ImageSet | None:
    """The set of that name if this very request made it; Conflict if something else did."""
    if not (workspace.image_sets / name / artifacts.RECORD).exists():
        return None
    there = ImageSet.open(workspace, name)
    if there.record["source"].get("request") != request:
        raise Conflict(f"The name {name!r} is taken by other images; choose another name or delete that set first.")
    return there


def _result(made: ImageSet, source: pipelines.Source) -> dict:
    return {
        "dataset": made.name,
        "digest": made.digest,
        "images": sum(made.record["rows"].values()),
        "classes": made.record["classes"],
        "duplicates": made.record["duplicates"],
        "generator": source.title,
        "revision": source.revision,
        "defects": made.record["source"].get("defects", {}),
    }
