"""A test bench for explanations: an image set whose fakes are rendered pictures with a known artefact in a known place.

A network trained on it can only learn the artefact, so a map that deserves trust must find it, and the entity test must
say where it is. It knows how such a set is made; masks.py makes the masks again from the seeds kept with each image.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from cifake_core.errors import BadInput, Conflict, Refused
from cifake_core.generators.demo_set import RENDERER
from cifake_core.generators.demo_world import Artefact, Where, plant, render, render_frame
from cifake_core.images.building import new_image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import CLASSES, FAKE, REAL, NewImage
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import checked_name

_REAL_SEED, _FAKE_SEED = 1_000_000, 2_000_000  # first seeds: no scene is both real and fake, nor in train and test
_TEST = 500_000  # added for the test split
_TRIES = 20  # seeds until a scene has room for the artefact


@dataclass(frozen=True)
class PlantArtefacts:
    """Image set `name`: reals rendered, fakes rendered with an artefact on the background or on the entity."""

    name: str
    where: str = "background"  # or entity
    kind: str = "grid"  # grid, ringing, hue shift or patch
    strength: float = 0.6
    area: float = 0.12  # share of the picture
    per_class: int = 200  # images of each class and label to train on
    per_class_test: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        checked_name(self.name)
        Artefact(self.kind, self.strength, self.area)
        if self.where not in tuple(Where):
            raise BadInput(f"Artefacts are planted on the background or the entity, not on {self.where[:40]!r}.")
        if not 0 <= self.seed < 20:
            raise BadInput(f"The seed is {self.seed}; take 0 to 19: each has its own 20,000 scenes a class.")
        if min(self.per_class, self.per_class_test) < 0 or max(self.per_class, self.per_class_test) >= 20_000:
            raise BadInput(f"{self.per_class} and {self.per_class_test} images a class were asked for; take 0 to 19,999.")

    def run(self, context: Context) -> dict:
        """{"dataset", "digest", "counts"}. Raises Conflict where the name is taken by other images."""
        request = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        if (context.workspace.image_sets / self.name / artifacts.RECORD).exists():
            made = ImageSet.open(context.workspace, self.name)
            if made.record["source"].get("request") != request:
                raise Conflict(f"The name {self.name!r} is taken by other images; choose another name.")
        else:
            made = new_image_set(
                context.workspace,
                self.name,
                self._rows(),
                kind="rendered",
                note=f"Rendered by the demo world; the fakes carry a {self.kind} on the {self.where}. No photograph is among them.",
                source={"request": request, "renderer": RENDERER, "planted": asdict(self)},
                total=2 * len(CLASSES) * (self.per_class + self.per_class_test),
                on_progress=context.on_progress,
            )
        return {"dataset": made.name, "digest": made.digest, "counts": made.record["counts"]}

    def _rows(self) -> Iterator[NewImage]:
        for split, count, shift in (("train", self.per_class, 0), ("test", self.per_class_test, _TEST)):
            for number in range(count):
                for class_label in range(len(CLASSES)):
                    seed = shift + number + self.seed * 20_000
                    yield self._real(split, class_label, _REAL_SEED + seed)
                    yield self._fake(split, class_label, _FAKE_SEED + seed)

    def _real(self, split: str, class_label: int, seed: int) -> NewImage:
        return self._image(render(class_label, seed).jpeg, REAL, split, class_label, seed, {})

    def _fake(self, split: str, class_label: int, seed: int) -> NewImage:
        artefact = Artefact(self.kind, self.strength, self.area)
        for tried in range(_TRIES):
            scene = seed + tried * 10_000_000
            frame = render_frame(class_label, scene)
            try:
                planted = plant(frame.pixels, frame.mask, artefact, self.where, scene)
            except Refused:  # the entity fills the picture, or is a speck: another scene of the class
                continue
            kept = {"planted": {**asdict(artefact), "kind": str(artefact.kind), "where": self.where, "seed": scene}}
            return self._image(planted.jpeg, FAKE, split, class_label, scene, kept)
        raise Refused(f"No {CLASSES[class_label]} has room for an artefact on its {self.where}; plant a smaller one.")

    def _image(self, data: bytes, label: int, split: str, class_label: int, seed: int, more: dict) -> NewImage:
        provenance = {"renderer": RENDERER, "class": class_label, "seed": seed, **more}
        generator = f"planted {self.kind}" if label == FAKE else RENDERER
        return NewImage(
            data, label, class_label, split, generator=generator, seed=seed, provenance=provenance, real_source=RENDERER
        )
