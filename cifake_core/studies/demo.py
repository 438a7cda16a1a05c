"""The demo: a whole lab of our own making, offline, in about two minutes on two cores.

Rendered pictures play the photographs, the bundled generator makes the fakes, six networks of the paper's grid learn
them apart. What it shows is how the lab works, not how hard real photographs are.
"""

from dataclasses import dataclass, replace

from cifake_core.detectors.grid import TrainGrid
from cifake_core.errors import BadInput
from cifake_core.generators.demo_set import RenderDemo
from cifake_core.generators.generating import Generate
from cifake_core.images.combining import CombineSets
from cifake_core.progress import Progress
from cifake_core.step import Context

NAME = "demo"
_FAKES_SEED = 7


@dataclass(frozen=True)
class Demo:
    """Reals, fakes, six networks with their figures. Done twice, it makes nothing twice; stopped, it goes on."""

    train: int = 150  # pictures of each label and class
    test: int = 50
    epochs: int = 6
    generator: str = "demo"

    def __post_init__(self) -> None:
        if self.train < 10 or self.test < 5:
            raise BadInput(
                f"The demo needs at least 10 training and 5 test pictures a class, not {self.train} and {self.test}."
            )
        self.steps()

    def steps(self) -> list:
        """(share of the time, what it does, the step), in order."""
        fakes = Generate(name="demo-fakes-train", generator=self.generator, per_class=self.train, seed=_FAKES_SEED)
        held_out = replace(fakes, name="demo-fakes-test", per_class=self.test, seed=_FAKES_SEED + 1, split="test")
        return [
            (5, "Rendering the scenes", RenderDemo("demo-scenes", self.train, self.test)),
            (35, "Making fakes to train on", fakes),
            (12, "Making fakes to test on", held_out),
            (3, "Putting them together", CombineSets(("demo-scenes", fakes.name, held_out.name), NAME)),
            (45, "Training six networks", TrainGrid(NAME, grid="quick", epochs=self.epochs, batch_size=32)),
        ]

    def run(self, context: Context) -> dict:
        """What TrainGrid returns."""
        steps, result = self.steps(), {}
        total, before = sum(weight for weight, _, _ in steps) * 1000, 0
        for weight, title, step in steps:
            result = step.run(
                replace(context, on_progress=_part(context.on_progress, before, weight * 1000, total, title))
            )
            before += weight * 1000
        context.on_progress(total, total, "The demo is ready")
        return result


def _part(on_progress: Progress, before: int, weight: int, whole: int, title: str) -> Progress:
    """Progress of one step as its share of the whole demo."""

    def report(done: int, total: int, message: str) -> None:
        on_progress(before + weight * min(done, total) // max(1, total), whole, f"{title}: {message}")

    return report
