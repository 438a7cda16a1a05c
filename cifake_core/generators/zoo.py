"""A zoo of small generators of our own: several trainings, each sampled in several ways, and plain reconstructions.

For studies of unseen generators where no network is: they differ in width, depth, latent channels, training images, steps,
guidance and scheduler, and two only send real pictures through an autoencoder. It ends as one image set with generator,
family and architecture. torch is loaded when the work begins.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from cifake_core.errors import BadInput, Conflict
from cifake_core.generators import defects
from cifake_core.generators.designs import PRESETS
from cifake_core.generators.latent_diffusion import TrainGenerator
from cifake_core.generators.recipe import image_seed
from cifake_core.images.building import new_image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, FAKE, REAL, SPLITS, NewImage, Original
from cifake_core.progress import Progress
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import checked_name

# training → what differs from the preset; "half" learns from every second real
TRAININGS: dict[str, dict] = {
    "base": {},
    "narrow": {"widths": (8, 16, 32)},
    "shallow": {"layers": 2},
    "wide": {"heads": 6},
    "channels": {"latent_channels": 8},
    "half": {},
}


@dataclass(frozen=True)
class Variant:
    """One generator of the zoo: a training, and how it is sampled. Variants of one training are one family."""

    name: str
    training: str
    steps: int = 0  # 0 = the design's
    guidance: float = -1.0  # below 0 = the design's
    scheduler: str = "default"
    reconstructs: bool = False  # the autoencoder alone: real pictures in, their reconstructions out

    @property
    def architecture(self) -> str:
        return "Autoencoder" if self.reconstructs else "LatDiff"


VARIANTS: tuple[Variant, ...] = (
    *(Variant(name, name) for name in TRAININGS),
    Variant("base-2-steps", "base", steps=2),
    Variant("base-20-steps", "base", steps=20),
    Variant("base-unguided", "base", guidance=1.0),
    Variant("base-guided-5", "base", guidance=5.0),
    Variant("base-unipc", "base", scheduler="UniPCMultistep"),
    Variant("channels-4-steps", "channels", steps=4),
    Variant("half-unguided", "half", guidance=1.0),
    Variant("base-decoder", "base", reconstructs=True),
    Variant("narrow-decoder", "narrow", reconstructs=True),
)


@dataclass(frozen=True)
class BuildZoo:
    """Trains and samples the variants; what is finished is not made again. `minutes` of training are shared by all trainings."""

    dataset: str  # whose reals they learn from
    name: str  # of the image set, and the beginning of every generator's name
    variants: tuple[str, ...] = ()  # none = all
    per_class: int = 20  # images of each class from each generator
    minutes: float = 60.0  # of training, all together; see also steps
    training_steps: int = 0  # of each half of each training, in place of minutes: for tests
    preset: str = "demo"  # demo, cifar10 or cifar10-gpu
    design: dict = field(default_factory=dict)  # numbers that differ from the preset's in every training
    seed: int = 0
    split: str = "test"

    def __post_init__(self) -> None:
        object.__setattr__(self, "variants", tuple(self.variants))
        checked_name(f"{self.name}-channels")
        unknown = [name for name in self.variants if name not in {one.name for one in VARIANTS}]
        if unknown:
            raise BadInput(f"The zoo has no {unknown[0]!r}; it has {', '.join(one.name for one in VARIANTS)}.")
        if self.per_class < 1 or self.minutes <= 0 or self.training_steps < 0:
            raise BadInput(
                f"A zoo makes at least 1 image a class and trains above 0 minutes, not {self.per_class} and {self.minutes:g}."
            )
        if self.preset not in PRESETS or self.split not in SPLITS:
            raise BadInput(
                f"The preset is one of {', '.join(PRESETS)}, the split {' or '.join(SPLITS)}; got {self.preset!r}, {self.split!r}."
            )

    def chosen(self) -> tuple[Variant, ...]:
        return tuple(one for one in VARIANTS if not self.variants or one.name in self.variants)

    def trainings(self) -> tuple[str, ...]:
        """Those the chosen variants need, in order."""
        return tuple(dict.fromkeys(one.training for one in self.chosen()))

    def run(self, context: Context) -> dict:
        """{"dataset", "images", "generators", "trained"}. Raises NotFound, Refused for too few reals, Conflict."""
        reals = ImageSet.open(context.workspace, self.dataset)
        request = self._request(reals)
        there = self._existing(context, request)
        if there is None:
            self._train(context, reals)
            work = context.workspace.generators / ".making" / f"zoo-{self.name}-{request[:12]}"
            there = self._sample(context, reals, work, request)
            shutil.rmtree(work, ignore_errors=True)
        return {
            "dataset": there.name,
            "images": sum(there.record["rows"].values()),
            "generators": there.record["generators"],
            "trained": [self._generator(name) for name in self.trainings()],
        }

    def _generator(self, training: str) -> str:
        return f"{self.name}-{training}"

    def _request(self, reals: ImageSet) -> str:
        asked = {**asdict(self), "data": reals.digest, "variants": [asdict(one) for one in self.chosen()]}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def _existing(self, context: Context, request: str) -> ImageSet | None:
        if not (context.workspace.image_sets / self.name / artifacts.RECORD).exists():
            return None
        there = ImageSet.open(context.workspace, self.name)
        if there.record["source"].get("request") != request:
            raise Conflict(
                f"The name {self.name!r} is taken by other images; choose another name or delete that set first."
            )
        return there

    def _train(self, context: Context, reals: ImageSet) -> None:
        """Every training, each a generator of the workspace; a finished or interrupted one goes on from there."""
        asked = self.trainings()
        for number, training in enumerate(asked):
            on_progress = _part(context.on_progress, number, len(asked) + 1, f"training {training}")
            dataset = _half(context, reals, f"{self.name}-half-reals") if training == "half" else self.dataset
            self._training(training, dataset, len(asked)).run(replace(context, on_progress=on_progress))
        if "half" in asked and (context.workspace.image_sets / f"{self.name}-half-reals" / artifacts.RECORD).exists():
            ImageSet.delete(context.workspace, f"{self.name}-half-reals")

    def _training(self, training: str, dataset: str, trainings: int) -> TrainGenerator:
        return TrainGenerator(
            dataset,
            self._generator(training),
            self.preset,
            minutes=0.0 if self.training_steps else self.minutes / trainings,
            autoencoder_steps=self.training_steps,
            transformer_steps=self.training_steps,
            seed=self.seed,
            design=self.design | TRAININGS[training],
        )

    def _sample(self, context: Context, reals: ImageSet, work: Path, request: str) -> ImageSet:
        from cifake_core.generators.shards import Shards

        chosen, made = self.chosen(), {}
        for number, variant in enumerate(chosen):
            done = len(self.trainings()) * len(chosen) + number
            context.on_progress(done, (len(self.trainings()) + 1) * len(chosen), f"images of {variant.name}")
            made[variant.name] = Shards(work / variant.name)
            if variant.reconstructs:
                self._reconstruct(context, variant, reals, made[variant.name])
            else:
                self._paint(context, variant, made[variant.name])
        vain = _defects(made)
        return new_image_set(
            context.workspace, self.name, self._rows(made), kind="generated",
            note=f"{len(chosen)} small generators of our own, trained on the reals of {self.dataset}.",
            source={"request": request, "zoo": asdict(self), "defects": defects.together(vain.values()), "defects_by_generator": vain}, total=sum(shards.usable for shards in made.values()), on_progress=context.on_progress,
        )  # fmt: skip

    def _paint(self, context: Context, variant: Variant, shards) -> None:
        from cifake_core.generators import pipelines
        from cifake_core.generators.generating import Generate

        plan = Generate(
            self.name, self._generator(variant.training), self.per_class,
            seed=self._seed(variant), steps=variant.steps, guidance=variant.guidance, scheduler=variant.scheduler,
        )  # fmt: skip
        source = pipelines.find(context.workspace, plan.generator)
        batches = plan.batches(source)
        missing = [number for number in range(len(batches)) if number not in shards]
        if missing:
            painter = plan.painter(source)
            for number in missing:
                shards.add(number, painter.paint(batches[number]), keep_originals=False)
                defects.check_hope(shards.defects, shards.usable, plan.generator)

    def _reconstruct(self, context: Context, variant: Variant, reals: ImageSet, shards) -> None:
        """Real training pictures through encoder and decoder: what a detector may learn of the decoder alone."""
        from cifake_core import hardware
        from cifake_core.generators import pipelines, reconstructing

        if 0 in shards:
            return
        source = pipelines.find(context.workspace, self._generator(variant.training))
        part = reals.part("train+validation")
        chosen = _first_of_each_class(part.labels, part.class_labels, self.per_class)
        vae = pipelines.load(source, hardware.chosen_device()).vae
        about = {"generator": source.id, "revision": source.revision, "pipeline": "AutoencoderKL", "prompt": ""}
        restored = reconstructing.through(vae, np.array(part.pixels[chosen]))
        shards.add(
            0,
            reconstructing.painted(restored, part.class_labels[chosen], part.image_ids[chosen], about),
            keep_originals=False,
        )

    def _seed(self, variant: Variant) -> int:
        """Another noise for each variant: images of two must not be the same pictures twice."""
        return image_seed(self.seed, variant.name, 0)

    def _rows(self, made: dict) -> Iterator[NewImage]:
        for variant in self.chosen():
            for row in made[variant.name].rows():
                about = row["provenance"]
                yield NewImage(
                    data=row["data"],
                    label=FAKE,
                    class_label=CLASSES.index(about["class"]),
                    split=self.split,
                    path=f"{variant.name}/{about['class']}-{about['index']:05d}.jpg",
                    generator=f"{self.name}-{variant.name}",
                    seed=about["seed"],
                    provenance=about | {"variant": asdict(variant)},
                    architecture=variant.architecture,
                    original=Original.drawn(about),
                    family=f"{self.name}-{variant.training}",
                )


def _defects(made: dict) -> dict[str, dict]:
    """Variant → what it drew in vain, for those that did."""
    found = {name: shards.defects.as_dict() for name, shards in made.items()}
    return {name: told for name, told in found.items() if told["pictures"]}


def _half(context: Context, reals: ImageSet, name: str) -> str:
    """A set with every second real of the training split; it is removed when the trainings are done."""
    manifest = reals.manifest("train+validation")
    rows = np.flatnonzero(manifest["label"].to_numpy() == REAL)[::2]
    files = reals.encoded_rows("train", rows)
    labels = manifest["class_label"].to_numpy()[rows]
    images = (NewImage(data, REAL, int(label)) for data, label in zip(files, labels, strict=True))
    return new_image_set(
        context.workspace, name, images, kind=reals.record["kind"], note=f"Every second real of {reals.name}."
    ).name


def _first_of_each_class(labels: np.ndarray, class_labels: np.ndarray, count: int) -> np.ndarray:
    """Row numbers of the first `count` reals of each class."""
    return np.concatenate(
        [np.flatnonzero((labels == REAL) & (class_labels == label))[:count] for label in range(len(CLASSES))]
    )


def _part(on_progress: Progress, number: int, parts: int, title: str) -> Progress:
    def report(done: int, total: int, message: str) -> None:
        on_progress(1000 * number + 1000 * min(done, total) // max(total, 1), 1000 * parts, f"{title}: {message}")

    return report
