"""Images from each model of a frozen catalogue, as one image set: model after model, nothing twice, each fault named.

It hands out units and collects what they made; a unit's life is unit.py's, whose fault a failure was faults.py's.
"""

import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cifake_core import ray_cluster
from cifake_core.errors import BadInput, Conflict
from cifake_core.generators import defects
from cifake_core.generators.hub import cache, faults, frozen, listing
from cifake_core.generators.hub.crew import Crew
from cifake_core.generators.hub.elsewhere import Elsewhere
from cifake_core.generators.hub.faults import Outcome, State
from cifake_core.generators.hub.models import HubModel
from cifake_core.generators.hub.unit import Unit
from cifake_core.generators.recipe import image_seed, load_recipe
from cifake_core.generators.shards import made_rows
from cifake_core.images.building import new_image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, FAKE, SPLITS, UNKNOWN_CLASS, NewImage, Original
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

TABLE = "outcomes.json"
_ASKED = (
    "name",
    "attempts",
    "cache_gb",
    "workers",
    "devices",
    "timeout_s",
    "memory_gb",
    "batch",
    "retry",
    "executor",
    "address",
)  # do not decide the images


@dataclass(frozen=True)
class SampleCatalogue:
    """`per_model` images of each model of a catalogue. Run again, it makes what is missing and tries what failed by no fault of a model's.

    While such faults remain there is no set yet, unless `keep_done` asks for one of what there is.
    """

    catalogue: str
    name: str  # of the image set
    per_model: int = 40
    models: int = 0  # only the first so many; 0 = all
    captions: str = ""  # a text file, one prompt a line, used in turn; "" = the CIFAKE recipe, class after class
    seed: int = 0
    steps: int = 0  # 0 = the recipe's
    guidance: float = -1.0  # below 0 = the recipe's
    size: int = 0  # pixels before shrinking; 0 = the recipe's
    split: str = "test"
    workers: int = 1  # models at a time
    devices: tuple[str, ...] = ()  # in turn: cuda:0, cuda:1, …; none = CIFAKE_DEVICE for all
    batch: int = 0  # images at a time; 0 = by device, halved where the device's memory runs out
    memory_gb: float = 0.0  # a model may hold in main memory, and ends if it takes more; 0 = no limit
    cache_gb: float = 60.0  # of models on the disk at a time
    timeout_s: float = 3600.0  # a model may take
    attempts: int = 3  # of a model before infrastructure faults are left for the next start
    retry: tuple[str, ...] = ()  # kinds of model faults to try again: memory, "too slow", gated …
    keep_done: bool = False
    executor: str = "local"  # or "ray": on the machines of a Ray cluster, as many models at a time as it holds
    address: str = ""  # of the Ray cluster, host:port or auto; "" = Ray on this machine alone

    def __post_init__(self) -> None:
        object.__setattr__(self, "devices", tuple(self.devices))
        object.__setattr__(self, "retry", tuple(self.retry))
        checked_name(self.name)
        ray_cluster.checked(self.executor, self.address)
        if (
            min(self.per_model, self.workers, self.attempts) < 1
            or min(self.models, self.cache_gb, self.memory_gb) < 0
            or self.timeout_s <= 0
        ):
            raise BadInput(
                "Images a model, workers and attempts are at least 1; models, cache and memory are not negative."
            )
        if self.split not in SPLITS:
            raise BadInput(f"The split is {self.split!r}; take {' or '.join(SPLITS)}.")
        unknown = [kind for kind in self.retry if kind not in faults.KINDS]
        if unknown:
            raise BadInput(f"There is no fault of the kind {unknown[0]!r}; known are {', '.join(faults.KINDS)}.")

    def run(self, context: Context) -> dict:
        """{"dataset" or None, "models", "states", "kinds", "images", "images_per_s", …}. Raises NotFound, Conflict, BadInput."""
        catalogue = frozen.open_catalogue(context.workspace, self.catalogue)
        models = catalogue.models()[: self.models or None]
        work = _Work(self, context, catalogue, models)
        there = _existing(context.workspace, self.name, work.request)
        if there:
            return work.result(there)
        work.sample()
        if not (work.left() and not self.keep_done) and work.images:
            there = work.store()
        return work.result(there)

    def prompts(self, model: HubModel) -> tuple[tuple[str, int, int, str], ...]:
        """(class, index, seed, prompt) of each image of a model: the same for the same request, whatever other models do."""
        lines = _captions(self.captions)
        recipe, asked = load_recipe(), []
        for number in range(self.per_model):
            word = "" if lines else CLASSES[number % len(CLASSES)]
            index = number if lines else number // len(CLASSES)
            seed = image_seed(self.seed, f"{model.id}/{word}", index)
            asked.append((word, index, seed, lines[number % len(lines)] if lines else recipe.prompt(word, seed)))
        return tuple(asked)


class _Work:
    """A sampling under way: where its models' images and outcomes lie, and what is left to do."""

    def __init__(
        self, step: SampleCatalogue, context: Context, catalogue: frozen.Catalogue, models: list[HubModel]
    ) -> None:
        self.step, self.context, self.catalogue, self.models = step, context, catalogue, models
        self.request = _digest(step, catalogue.digest)
        self.folder = work_folder(context.workspace, step, catalogue)
        self.cache = cache.folder(context.workspace)
        self.outcomes = {model.id: faults.read(self.place(model), model.id) for model in models}
        if (self.folder / TABLE).exists() and (context.workspace.image_sets / step.name / artifacts.RECORD).exists():
            self.outcomes = {outcome.model: outcome for outcome in stored_outcomes(self.folder)}
        self.tries: Counter[str] = Counter()
        self.began, self.before = time.monotonic(), self.images

    def place(self, model: HubModel) -> Path:
        return self.folder / model.id.replace("/", "--")

    @property
    def images(self) -> int:
        return sum(outcome.images for outcome in self.outcomes.values() if outcome.state == State.COMPLETED)

    def left(self) -> list[HubModel]:
        """Models that wait, or failed by no fault of their own, or whose kind of fault is to be tried again."""
        again = (State.WAITING, State.INFRASTRUCTURE_FAULT)
        return [
            m for m in self.models if self.outcomes[m.id].state in again or self.outcomes[m.id].kind in self.step.retry
        ]

    def sample(self) -> None:
        """Runs every unit that is left, `attempts` times at most; the last round's faults stay as they are."""
        queue = self.left()
        if not queue:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        artifacts.write_json(
            self.folder / "step.json", {"step": asdict(self.step), "request": self.request, "models": len(self.models)}
        )
        with self._crew() as crew:
            while queue or crew.running:
                while queue and crew.free > 0:
                    self._start(crew, queue)
                for unit, outcome in crew.ended(self._tell):
                    self._ended(unit, outcome, queue)
        cache.make_room(self.cache, self.step.cache_gb * 1e9)

    def _crew(self) -> Crew | Elsewhere:
        if self.step.executor == "ray":
            return Elsewhere(self.step.address, self.step.timeout_s)
        return Crew(self.step.workers, self.step.timeout_s)

    def _start(self, crew: Crew | Elsewhere, queue: list[HubModel]) -> None:
        model = queue.pop(0)
        most = self.step.cache_gb * 1e9
        if most and model.bytes > most:
            reason = f"It takes {model.bytes / 1e9:.1f} GB, the cache may hold {self.step.cache_gb:g}; give it more with --cache-gb."
            self._note(model, faults.fault(model.id, "too large", reason))
            return
        cache.make_room(self.cache, max(most - model.bytes, 0), [one.unit.model.id for one in crew.running])
        self.tries[model.id] += 1
        crew.start(self._unit(model))

    def _unit(self, model: HubModel) -> Unit:
        step, started = self.step, sum(self.tries.values()) - 1
        return Unit(
            model, str(self.place(model)), str(self.context.workspace.home), str(self.cache), listing.endpoint(), step.prompts(model),
            step.steps, step.guidance, step.size, step.batch,
            device=step.devices[started % len(step.devices)] if step.devices else "",
            memory_gb=step.memory_gb,
            attempt=self.tries[model.id],
        )  # fmt: skip

    def _ended(self, unit: Unit, outcome: Outcome, queue: list[HubModel]) -> None:
        self.outcomes[unit.model.id] = outcome
        if outcome.state == State.INFRASTRUCTURE_FAULT and self.tries[unit.model.id] < self.step.attempts:
            queue.append(unit.model)
        self._tell()

    def _note(self, model: HubModel, outcome: Outcome) -> None:
        self.place(model).mkdir(parents=True, exist_ok=True)
        faults.write(self.place(model), outcome)
        self.outcomes[model.id] = outcome

    def _tell(self) -> None:
        done = sum(outcome.state != State.WAITING for outcome in self.outcomes.values())
        made = self.images - self.before
        speed = f", {made / (time.monotonic() - self.began):.2f} images/s" if made else ""
        faulty = sum(
            outcome.state in (State.MODEL_FAULT, State.INFRASTRUCTURE_FAULT) for outcome in self.outcomes.values()
        )
        message = f"{done} of {len(self.models)} models, {self.images:,} images{speed}, {faulty} with faults"
        self.context.on_progress(done, len(self.models), message)

    def store(self) -> ImageSet:
        """The images of all completed models as one set; their outcomes stay beside it as a table, the shards go."""
        made = new_image_set(
            self.context.workspace, self.step.name, self._rows(), kind="generated",
            note=f"Sampled from {sum(o.state == State.COMPLETED for o in self.outcomes.values())} models of the catalogue {self.catalogue.name}.",
            source={
                "request": self.request, "catalogue": self.catalogue.name, "catalogue_digest": self.catalogue.digest,
                "states": self.states(), "sampling": asdict(self.step), "defects": defects.together(self.defects().values()),
                "defects_by_generator": self.defects(),
            },
            total=self.images, on_progress=self.context.on_progress,
        )  # fmt: skip
        artifacts.write_json(self.folder / TABLE, {"outcomes": [asdict(outcome) for outcome in self.outcomes.values()]})
        for model in self.models:
            shutil.rmtree(self.place(model), ignore_errors=True)
        return made

    def _rows(self) -> Iterator[NewImage]:
        for model in self.models:
            if self.outcomes[model.id].state != State.COMPLETED:
                continue
            for file in sorted(self.place(model).glob("[0-9]*.parquet")):
                for row in made_rows(file):
                    yield _image(model, row["data"], row["provenance"], self.step.split)

    def defects(self) -> dict[str, dict]:
        """Model → what it drew in vain, for those that did."""
        return {outcome.model: outcome.defects for outcome in self.outcomes.values() if outcome.defects.get("pictures")}

    def states(self) -> dict[str, int]:
        return dict(Counter(outcome.state for outcome in self.outcomes.values()))

    def result(self, made: ImageSet | None) -> dict:
        seconds = sum(outcome.seconds for outcome in self.outcomes.values() if outcome.state == State.COMPLETED)
        return {
            "dataset": made.name if made else None,
            "catalogue": self.catalogue.name,
            "models": len(self.models),
            "images": self.images,
            "states": self.states(),
            "kinds": dict(Counter(outcome.kind for outcome in self.outcomes.values() if outcome.kind)),
            "images_per_s": round(self.images / seconds, 3) if seconds else None,
            "left": len(self.left()),
            "defects": self.defects(),
            "faults": [asdict(outcome) for outcome in self.outcomes.values() if outcome.kind][:100],
        }


def work_folder(workspace: Workspace, step: SampleCatalogue, catalogue: frozen.Catalogue) -> Path:
    """Where a sampling keeps what it has made until it is a set, and the table of outcomes after."""
    return workspace.generators / ".sampling" / f"{step.name}-{_digest(step, catalogue.digest)[:12]}"


def stored_outcomes(folder: Path) -> list[Outcome]:
    return [Outcome(**entry) for entry in artifacts.read_json(folder / TABLE)["outcomes"]]


def _image(model: HubModel, data: bytes, provenance: dict, split: str) -> NewImage:
    word = provenance["class"]
    about = {"downloads": model.downloads, "licence": model.licence, "base_models": list(model.base_models)}
    return NewImage(
        data=data,
        label=FAKE,
        class_label=CLASSES.index(word) if word else UNKNOWN_CLASS,
        split=split,
        path=f"{model.id}/{word or 'caption'}-{provenance['index']:05d}.jpg",
        generator=model.id,
        prompt=provenance["prompt"],
        seed=provenance["seed"],
        provenance=provenance | {"hub": about},
        architecture="LatDiff",
        original=Original.drawn(provenance),
        family=model.family,
    )


def _digest(step: SampleCatalogue, catalogue_digest: str) -> str:
    """Of all that decides the images: another request under the same name is a conflict, not a mix."""
    asked = {key: value for key, value in asdict(step).items() if key not in (*_ASKED, "catalogue", "keep_done")}
    asked |= {
        "catalogue": catalogue_digest,
        "captions": hashlib.sha256("\n".join(_captions(step.captions)).encode()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _captions(path: str) -> list[str]:
    if not path:
        return []
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"The captions in {Path(path).name!r} cannot be read; give a text file with one caption a line."
        ) from error
    if not any(lines):
        raise BadInput(f"{Path(path).name!r} holds no caption; give a text file with one caption a line.")
    return [line for line in lines if line]


def _existing(workspace: Workspace, name: str, request: str) -> ImageSet | None:
    if not (workspace.image_sets / name / artifacts.RECORD).exists():
        return None
    there = ImageSet.open(workspace, name)
    if there.record["source"].get("request") != request:
        raise Conflict(f"The name {name!r} is taken by other images; choose another name or delete that set first.")
    return there
