"""The demo world as an image set: rendered pictures in the place of photographs, each with the seed that made it.

They carry the label real (0), since that is the part they play; the set's kind, "rendered", says on every page what they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cifake_core import CLASS_NAMES, REAL
from cifake_core.errors import BadInput
from cifake_core.generators.demo_world import WORLD_VERSION, render_many
from cifake_core.images.building import new_image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import described
from cifake_core.images.schema import NewImage
from cifake_core.step import Context
from cifake_core.store.workspace import checked_name

RENDERER = f"demo-world-{WORLD_VERSION}"  # the generator column of a rendered picture
_TEST_SEEDS = 1_000_000  # seeds of test pictures begin here, so that no set shares one with its training pictures
_MOST = 100_000
_AT_ONCE = 5_000


@dataclass(frozen=True)
class RenderDemo:
    """Renders `train` and `test` pictures of each class into a new set. Done twice, it makes nothing twice."""

    name: str = "demo-world"
    train: int = 150  # pictures a class
    test: int = 50
    first_seed: int = 0

    def __post_init__(self) -> None:
        checked_name(self.name)
        if not (0 <= self.train <= _MOST and 0 <= self.test <= _MOST and self.train + self.test > 0):
            raise BadInput(f"{self.train} training and {self.test} test pictures a class cannot be rendered; take 1 to {_MOST}.")
        if not 0 <= self.first_seed <= _TEST_SEEDS - _MOST:
            raise BadInput(f"The first seed is {self.first_seed}; it goes from 0 to {_TEST_SEEDS - _MOST}.")

    def run(self, context: Context) -> dict:
        """What `importing.described` says of the set."""
        total = len(CLASS_NAMES) * (self.train + self.test)
        image_set: ImageSet = new_image_set(
            context.workspace,
            self.name,
            rendered_images(self.train, self.test, self.first_seed),
            kind="rendered",
            note="Rendered by the demo world; no photograph is among them.",
            source={"renderer": RENDERER, "first_seed": self.first_seed},
            total=total,
            on_progress=context.on_progress,
        )
        return described(image_set)


def rendered_images(train: int, test: int, first_seed: int = 0) -> Iterator[NewImage]:
    """`train` and `test` pictures of each class, as JPEG files with their seed in the provenance."""
    wanted = [
        (split, class_label, seed + number)
        for split, count, seed in (("train", train, first_seed), ("test", test, _TEST_SEEDS + first_seed))
        for class_label in range(len(CLASS_NAMES))
        for number in range(count)
    ]
    for start in range(0, len(wanted), _AT_ONCE):
        batch = wanted[start : start + _AT_ONCE]
        pictures = render_many([c for _, c, _ in batch], [s for _, _, s in batch])
        for (split, class_label, seed), picture in zip(batch, pictures, strict=True):
            yield NewImage(
                picture.jpeg,
                REAL,
                class_label,
                split,
                path=f"{split}/REAL/{CLASS_NAMES[class_label]}-{seed}.jpg",
                generator=RENDERER,
                seed=seed,
                provenance={"renderer": RENDERER, "class": class_label, "seed": seed},
            )
