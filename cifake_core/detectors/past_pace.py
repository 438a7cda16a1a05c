"""How long a launch may take, judged by past runs of this workspace where its cells were not timed. No torch here."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from cifake_core.detectors import trainable, workers
from cifake_core.detectors.estimating import makespan
from cifake_core.detectors.request import TrainSettings
from cifake_core.detectors.runs import Run, of_todays_preset
from cifake_core.errors import CifakeError
from cifake_core.images.image_set import ImageSet

_NEWEST = 105  # runs that are looked at: one training of the paper's grid with three seeds


@dataclass(frozen=True)
class PastPace:
    """Seconds for one image in one epoch: of networks that were trained here, and of one multiply-add of any other."""

    own: dict[str, float]
    multiply_add: float

    @staticmethod
    def of(runs: Sequence[Run], sets: Sequence[ImageSet]) -> "PastPace | None":
        """From the newest runs; None without any whose image set is there."""
        images, paces = {image_set.digest: _train_images(image_set) for image_set in sets}, {}
        for run in runs[:_NEWEST]:
            known, epochs = images.get(run.record["dataset_digest"]), run.record.get("epochs")
            if not known or not epochs or not of_todays_preset(run):
                continue
            try:
                seen = trainable.recipe(run.topology).images_seen(known, epochs)
            except CifakeError:  # a network that is not trained here
                continue
            paces.setdefault(run.topology, []).append(run.record["duration_s"] / seen)
        if not paces:
            return None
        own = {network: median(found) for network, found in paces.items()}
        return PastPace(own, median(pace / trainable.cost(network) for network, pace in own.items()))

    def seconds(self, left: Sequence[TrainSettings], launched: int, image_set: ImageSet) -> float:
        """Of those left of so many launched: by the clock, at most (every epoch, nothing stopped early), as many at once as a launch takes."""
        return makespan([self._one(asked, image_set) for asked in left], workers.crew_for(launched).workers)

    def _one(self, asked: TrainSettings, image_set: ImageSet) -> float:
        pace = self.own.get(asked.topology, self.multiply_add * trainable.cost(asked.topology))
        return pace * trainable.recipe(asked.topology).images_seen(_train_images(image_set), asked.epochs)


def _train_images(image_set: ImageSet) -> float:
    return 0.9 * image_set.record["rows"].get("train", 0)  # the rest is validation
