"""How alike heatmaps are whose feature maps are taken after the ReLU and before it, at the last convolution of given runs.

    python -m benchmarks.before_and_after_relu RUN[,RUN…] [images]

Test images, half real and half fake, the same ones for every run; target: the run's verdict. Prints one JSON object with
the median correlation and the share of images whose hottest places lie within three pixels, with 95 % intervals, by method;
and for each place the share of relevance in the outer two pixels, trained and on random weights.
"""

import json
import sys
from dataclasses import replace

import numpy as np

from cifake_core.detectors import loading, runs
from cifake_core.detectors.places import PLACES
from cifake_core.explanations import methods, rim, studies
from cifake_core.explanations.agreement import agreement
from cifake_core.explanations.cam import Maps
from cifake_core.explanations.viewing import Question
from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace

METHODS = ("gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "eigencam", "ablationcam", "scorecam", "randomcam")


RIM = ("gradcam", "hirescam", "layercam", "gradcam++", "randomcam")


def measured(run_id: str, images: int) -> dict:
    """{"run", "n", "methods": {method: {"correlation", "same_place", "n", "empty": {"after", "before"}}}}."""
    run = runs.open_run(Workspace.current(), run_id)
    part = ImageSet.open(Workspace.current(), run.dataset).part("test")
    rows = studies.sample(part.labels, images, seed=0)
    detector, pixels = loading.load(run), np.ascontiguousarray(part.pixels[rows])
    found = {}
    for method in METHODS:
        after, before = (methods.maps(detector, pixels, method, place=place) for place in ("relu", "raw"))
        empty = {"after": int(after.empty.sum()), "before": int(before.empty.sum())}
        found[method] = {**agreement(after.heat, before.heat).as_dict(), "empty": empty}
    rims = {f"{method}, {words}": _rim(detector, pixels, method, place, part.labels[rows]) for method in RIM for place, words in PLACES.items()}
    return {"run": run.id, "layer": after.layer, "n": len(rows), "methods": found, "rim": rims}


def _rim(detector: loading.Detector, pixels: np.ndarray, method: str, place: str, labels: np.ndarray) -> dict:
    def maps_of(asked: Question) -> Maps:
        return methods.maps(detector, pixels, asked.method, place=asked.place)

    asked = Question(method, place=place)
    found = rim.measured(maps_of, asked, labels)
    untrained = rim.measured(maps_of, replace(asked, method=method + methods.RANDOM_WEIGHTS), labels)
    return {"trained": found.trained.as_dict(), "random weights": untrained.trained.as_dict(), "area": found.area}


if __name__ == "__main__":
    names, images = sys.argv[1].split(","), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    print(json.dumps({"images": images, "runs": [measured(name, images) for name in names]}, indent=1))
