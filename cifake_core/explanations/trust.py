"""The step that asks how far a run's maps can be trusted: every method and layer over a sample, always beside RandomCAM.

bench.py measures; this puts the rows together and says in words what follows from their intervals.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from cifake_core.detectors import feature_maps, loading, runs
from cifake_core.detectors.feature_maps import AFTER_RELU
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import convolution_names
from cifake_core.errors import BadInput
from cifake_core.explanations import cam, methods, studies
from cifake_core.explanations.bench import NOISE, Bench, Measured
from cifake_core.explanations.resampling import Mean, Resampled
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context

VERSION = 2  # 2: feature maps after the ReLU; those of version 1 were taken before it
RANDOM = "randomcam"
DEFAULT_METHODS = (
    "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "eigencam", "scorecam", "ablationcam",
    "integratedgradients", "occlusion",
)  # fmt: skip
SAME = 0.5  # a map this correlated with that of random weights shows the image more than the network


@dataclass(frozen=True)
class Measure:
    """One column of the table."""

    title: str
    meaning: str  # one sentence for a page
    better: int  # 1: high values are better, -1: low ones, 0: neither
    faithful: bool = False  # whether it asks the network itself; the verdict rests on these


MEASURES: dict[str, Measure] = {
    "deletion": Measure("Deletion", "Area under the verdict's probability as the most relevant pixels are removed.", -1, True),
    "insertion": Measure("Insertion", "The same as the most relevant pixels return to a blurred image.", 1, True),
    "road": Measure("ROAD", "Fall of the logit without the most relevant pixels, less without the least; holes are filled in.", 1, True),
    "sensitivity_n": Measure("Sensitivity-n", "Correlation of a region's relevance with the fall of the logit without it.", 1, True),
    "sparsity": Measure("Sparsity", "Gini index: 0 spread evenly, 1 all in one pixel.", 0),
    "stability": Measure("Stability", f"Rank correlation with the map of the image under noise of ±{NOISE} grey levels.", 1),
    "randomisation": Measure("Random weights", "Rank correlation with the map of untrained weights: near 0 where it shows what was learned.", -1),
    "randomisation_ssim": Measure("Random weights, SSIM", "Structural similarity with the map of untrained weights.", -1),
    "pointing": Measure("Pointing game", "How often the hottest pixel lies in the planted artefact.", 1),
    "mass": Measure("Mass in artefact", "Share of the relevance that lies in the planted artefact.", 1),
    "rank": Measure("Rank in artefact", "Share of the most relevant pixels, as many as the artefact has, that lie in it.", 1),
}  # fmt: skip


@dataclass(frozen=True)
class Trust:
    """Faithfulness, stability and sanity of maps over a sample of a part of the run's image set.

    Where artefacts were planted (demo world), also whether maps find them. Each row is compared with RandomCAM at the
    same layer, image by image.
    """

    run_id: str
    methods: tuple[str, ...] = DEFAULT_METHODS
    layers: tuple[str, ...] = ()  # (): every convolution, each on its own
    split: str = "test"
    n: int = 200  # images, half of each label; 0: all
    road_n: int = 60  # of those, for ROAD, whose equations cost 50 ms an image and row
    seed: int = 0
    place: str = AFTER_RELU  # of the layers' feature maps: relu (after the ReLU) or raw (before it)

    def __post_init__(self) -> None:
        feature_maps.checked_place(self.place)
        for name in ("methods", "layers"):
            given = getattr(self, name)
            object.__setattr__(self, name, tuple(dict.fromkeys((given,) if isinstance(given, str) else given)))
        for method in self.methods:
            methods.checked_method(method)
        if not [method for method in self.methods if method != RANDOM]:
            raise BadInput(f"No method is named beside {RANDOM}; name at least one, such as gradcam.")
        if self.n < 0 or 0 < self.n < 20 or self.road_n < 0:
            raise BadInput(f"A sample of {self.n} images says too little; take 20 or more, or 0 for all.")

    def run(self, context: Context) -> dict:
        """{"run", "split", "n", "rows": [{"method", "title", "layer", "measures", "against_random", "empty", "verdict"}],
        "columns", "curves", "planted", "verdict", …}; see `docs` of each name in MEASURES. Kept, and read when asked again.
        """
        run = runs.open_run(context.workspace, self.run_id)
        folder = studies.folder_of(context.workspace, "trust", VERSION, self, run)
        if (there := studies.found(folder)) is not None:
            return there
        detector = loading.load(run)
        part = ImageSet.open(context.workspace, run.dataset).part(self.split)
        rows = studies.sample(part.labels, self.n, self.seed)
        bench = Bench(detector, part, rows, self.seed, self.road_n, self.place)
        table, images, curves = [], [], []
        asked = list(self._asked(detector))
        for done, (method, layer) in enumerate(asked):
            context.on_progress(done, len(asked), f"Testing {methods.title(method)}{f' at {layer}' if layer else ''}")
            measured = bench.measured(method, layer)
            table.append(measured)
            place = layer or methods.SIZE_OF_INPUT
            curves.append({"method": method, "layer": place, **measured.curves})
            images.append(pd.DataFrame({"image_id": part.image_ids[rows], "method": method, "layer": place, **measured.values}))
        context.on_progress(len(asked), len(asked), "Comparing with RandomCAM")
        lines = self._compared(table, bench)
        result = {
            "run": run.id,
            "dataset": run.dataset,
            "split": self.split,
            "feature_map": feature_maps.place_at(detector.network, convolution_names(detector.network), self.place),
            "n": len(rows),
            "road_n": bench.road_n,
            "seed": self.seed,
            "planted": bool(bench.artefacts.known.any()),
            "columns": {name: vars(measure) for name, measure in MEASURES.items()},
            "rows": lines,
            "curves": curves,
            "verdict": _overall(lines, len(rows)),
            "folder": str(folder.relative_to(context.workspace.home)),
            "versions": runs.versions(),
            "created_at": runs.now(),
        }
        return studies.keep(folder, result, pd.concat(images, ignore_index=True))

    def _asked(self, detector: Detector) -> Iterator[tuple[str, str | None]]:
        """RandomCAM first at each layer, then every method; None for methods that look at no layer."""
        every = self.layers or tuple(convolution_names(detector.network))
        layers = cam.checked_layers(detector.network, every)
        for method in (RANDOM, *(m for m in self.methods if m != RANDOM)):
            yield from ((method, layer) for layer in (layers if methods.uses_layers(method) else [None]))

    def _compared(self, table: list[Measured], bench: Bench) -> list[dict]:
        baselines = {measured.layer: measured for measured in table if measured.method == RANDOM}
        last = list(baselines.values())[-1]
        return [_row(measured, baselines.get(measured.layer, last), bench.resampled) for measured in table]


# --- in words ---------------------------------------------------------------------------------------------------------


def _row(measured: Measured, random: Measured, resampled: Resampled) -> dict:
    means = {name: resampled.mean(values) for name, values in measured.values.items()}
    gains = {
        name: resampled.mean(MEASURES[name].better * (values - random.values[name]))
        for name, values in measured.values.items()
        if MEASURES[name].better and measured.method != RANDOM
    }
    return {
        "method": measured.method,
        "title": methods.title(measured.method),
        "layer": measured.layer or methods.SIZE_OF_INPUT,
        "measures": {name: mean.as_dict() for name, mean in means.items()},
        "against_random": {name: gain.as_dict() for name, gain in gains.items()},  # above 0 = better than RandomCAM
        "empty": measured.empty,
        **_judged(measured, means, gains),
    }


def _judged(measured: Measured, means: dict[str, Mean], gains: dict[str, Mean]) -> dict:
    """{"standing": baseline, better, mixed, no better or worse; "verdict": one sentence} from the paired intervals."""
    name = methods.title(measured.method)
    name += f" at {measured.layer}" if measured.layer else ""
    if measured.method == RANDOM:
        return {"standing": "baseline", "verdict": f"{name} is the baseline: it knows nothing of what was learned."}
    asked = [key for key in gains if MEASURES[key].faithful and gains[key].n]
    better = [MEASURES[key].title for key in asked if gains[key].above]
    worse = [MEASURES[key].title for key in asked if gains[key].below]
    if len(better) >= 2 and not worse:
        standing, said = "better", f"is better than random in {len(better)} of {len(asked)} measures ({_list(better)})"
    elif len(worse) >= 2 and not better:
        standing, said = "worse", f"is worse than random in {len(worse)} of {len(asked)} measures ({_list(worse)})"
    elif better and worse:
        standing, said = "mixed", f"is better than random in {_list(better)} but worse in {_list(worse)}"
    else:
        standing, said = "no better", "is no better than random"
        said += f" ({_list(better)} alone speaks for it)" if better else ""
    same = means.get("randomisation")
    if same and same.estimate.low is not None and same.estimate.low > SAME:
        said += f", and its maps hardly change when the weights are random (rank correlation {same.estimate.value:.2f}): it shows the image, not the network"
    return {"standing": standing, "verdict": f"On this network {name} {said}."}


def _overall(lines: list[dict], n: int) -> str:
    """One sentence on the whole table."""
    asked = [line for line in lines if line["standing"] != "baseline"]
    good = [line for line in asked if line["standing"] == "better"]
    if not good:
        return f"On {n} images none of {len(asked)} maps is better than random under two measures without being worse under another."
    best = max(good, key=lambda line: line["against_random"]["insertion"]["value"])
    return (
        f"On {n} images {len(good)} of {len(asked)} maps are better than random; "
        f"the largest gain in insertion has {best['title']} at {best['layer']}."
    )


def _list(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
