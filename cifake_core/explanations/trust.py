"""The step that asks how far a run's maps can be trusted: every method and layer over a sample, beside a map that knows nothing.

bench.py measures; this puts the rows together, each with its baseline at the same layer and place. What follows from the
numbers is said by trust_words.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cifake_core.detectors import feature_maps, loading, runs
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import convolution_names
from cifake_core.detectors.places import AFTER_RELU, BEFORE_RELU, BOTH, NO_RELU, checked_place
from cifake_core.errors import BadInput
from cifake_core.explanations import cam, methods, studies
from cifake_core.explanations.bench import NOISE, Bench, Measured
from cifake_core.explanations.comparing import corrected, paired_p
from cifake_core.explanations.resampling import Resampled
from cifake_core.explanations.trust_words import judged, overall
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store.studies import CURRENT

VERSION = CURRENT["trust"]
DEFAULT_METHODS = (
    "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "eigencam", "scorecam", "ablationcam",
    "integratedgradients", "occlusion",
)  # fmt: skip


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

    Where artefacts were planted (demo world), also whether maps find them. Each row is compared image by image with the
    map that knows nothing at the same layer and place, or at the input.
    """

    run_id: str
    methods: tuple[str, ...] = DEFAULT_METHODS
    layers: tuple[str, ...] = ()  # (): every convolution, each on its own
    split: str = "test"
    n: int = 1000  # images, half of each label; 0: all
    road_n: int = 1000  # of those, for ROAD, which costs 10 ms an image and row
    seed: int = 0
    place: str = AFTER_RELU  # of the layers' feature maps: relu (after the ReLU), raw (before it) or both
    slow_n: int = 300  # of n, for the methods in methods.SLOW; 0: as many as for the others

    def __post_init__(self) -> None:
        if self.place != BOTH:
            checked_place(self.place)
        for name in ("methods", "layers"):
            given = getattr(self, name)
            object.__setattr__(self, name, tuple(dict.fromkeys((given,) if isinstance(given, str) else given)))
        for method in self.methods:
            methods.checked_method(method)
        if not set(self.methods) - set(methods.BASELINES):
            raise BadInput(f"No method is named beside {', '.join(methods.BASELINES)}; name at least one, such as gradcam.")
        if self.n < 0 or 0 < self.n < 20 or self.road_n < 0 or self.slow_n < 0 or 0 < self.slow_n < 20:
            raise BadInput(f"A sample of {self.n} images ({self.slow_n} for slow methods) says too little; take 20 or more, or 0 for all.")

    def run(self, context: Context) -> dict:
        """{"run", "split", "n", "rows": [{"method", "title", "layer", "feature_map", "n", "measures", "against_random",
        "baseline", "empty", "standing", "verdict"}], "places", "columns", "curves", "planted", "verdict", …}; see `docs` of each
        name in MEASURES. Kept, and read when asked again.
        """
        run = runs.open_run(context.workspace, self.run_id)
        folder = studies.folder_of(context.workspace, "trust", VERSION, self, run)
        if (there := studies.found(folder)) is not None:
            return there
        detector = loading.load(run)
        part = ImageSet.open(context.workspace, run.dataset).part(self.split)
        rows = studies.sample(part.labels, self.n, self.seed)
        bench = Bench(detector, part, rows, self.seed, self.road_n, self.slow_n)
        table, images, curves = [], [], []
        asked = list(self._asked(detector))
        for done, (method, layer, place) in enumerate(asked):
            context.on_progress(done, len(asked), f"Testing {methods.title(method)}{f' at {layer}' if layer else ''}")
            measured = bench.measured(method, layer, place)
            table.append(measured)
            named = {"method": method, "layer": layer or methods.SIZE_OF_INPUT, "feature_map": place}
            curves.append({**named, **measured.curves})
            images.append(pd.DataFrame({"image_id": part.image_ids[rows], **named, **measured.values}))
        context.on_progress(len(asked), len(asked), "Comparing with maps that know nothing")
        lines = compared(table, bench.resampled)
        result = {
            "version": VERSION,
            "run": run.id,
            "dataset": run.dataset,
            "split": self.split,
            "feature_map": next((measured.place for measured in table if measured.layer), NO_RELU),  # the first, of both
            "n": len(rows),
            "road_n": bench.road_n,
            "slow_n": bench.slow_n,
            "seed": self.seed,
            "planted": bool(bench.artefacts.known.any()),
            "columns": {name: vars(measure) for name, measure in MEASURES.items()},
            "rows": lines,
            "comparisons": sum(gain["p"] is not None for line in lines for gain in line["against_random"].values()),
            "places": both_places(table, lines, bench.resampled),
            "curves": curves,
            "verdict": overall(lines, len(rows)),
            "folder": str(folder.relative_to(context.workspace.home)),
            "versions": runs.versions(),
            "created_at": runs.now(),
        }
        return studies.keep(folder, result, pd.concat(images, ignore_index=True))

    def _asked(self, detector: Detector) -> Iterator[tuple[str, str | None, str]]:
        """(method, layer, place): the baselines first, then every method; no layer for methods that look at none."""
        every = self.layers or tuple(convolution_names(detector.network))
        layers = cam.checked_layers(detector.network, every)
        places = feature_maps.places_at(detector.network, layers, self.place)
        chosen = [method for method in self.methods if method not in methods.BASELINES]
        needed = {methods.baseline_of(method) for method in chosen} | (set(self.methods) & set(methods.BASELINES))
        for method in (*(name for name in methods.BASELINES if name in needed), *chosen):
            if not methods.uses_layers(method):
                yield method, None, NO_RELU
                continue
            yield from ((method, layer, place) for place in places for layer in layers)


def compared(table: list[Measured], resampled: Resampled) -> list[dict]:
    """A line for each map, with its gains over its baseline; p values are corrected over all gains of the table."""
    baselines = {(measured.method, measured.layer, measured.place): measured for measured in table}
    lines = []
    for measured in table:
        random = baselines[methods.baseline_of(measured.method), measured.layer, measured.place]
        lines.append(_line(measured, random, resampled))
    _correct([gain for line in lines for gain in line["against_random"].values()])
    return [line | judged(line, {name: MEASURES[name] for name in line["against_random"]}) for line in lines]


def _line(measured: Measured, random: Measured, resampled: Resampled) -> dict:
    is_baseline = measured.method in methods.BASELINES
    gains = {} if is_baseline else {
        name: _gain(MEASURES[name].better * (values - random.values[name]), resampled)
        for name, values in measured.values.items()
        if MEASURES[name].better
    }  # fmt: skip
    return {
        "method": measured.method,
        "title": methods.title(measured.method),
        "layer": measured.layer or methods.SIZE_OF_INPUT,
        "feature_map": measured.place,
        "n": measured.n,
        "measures": {name: resampled.mean(values).as_dict() for name, values in measured.values.items()},
        "against_random": gains,  # above 0 = better than the baseline
        "baseline": None if is_baseline else methods.title(random.method),
        "empty": measured.empty,
    }


def _gain(differences: np.ndarray, resampled: Resampled) -> dict:
    """The mean of differences (n,) with its interval and the p value of the paired t-test; "p_holm" follows for all together."""
    mean = resampled.mean(differences)
    return {**mean.as_dict(), "p": paired_p(differences) if mean.n else None, "p_holm": None}


def _correct(gains: list[dict]) -> None:
    """Fills in "p_holm": what is left of each p value when all of these comparisons are counted."""
    counted = [gain for gain in gains if gain["p"] is not None]
    for gain, p in zip(counted, corrected([gain["p"] for gain in counted]), strict=True):
        gain["p_holm"] = float(p)


def both_places(table: list[Measured], lines: list[dict], resampled: Resampled) -> list[dict]:
    """A row for each method and layer that was measured after the ReLU and before it: its standing and its gains over the
    baseline at either place, and how much better it does after the ReLU, image by image, with a correction of its own.
    """
    at = {(m.method, m.layer, m.place): (m, line) for m, line in zip(table, lines, strict=True)}
    rows = []
    for (method, layer, place), (after, after_line) in at.items():
        before, before_line = at.get((method, layer, BEFORE_RELU), (None, None))
        if place != AFTER_RELU or before is None:
            continue
        better = {name: MEASURES[name].better for name in after.values if MEASURES[name].faithful}
        rows.append({
            "method": method,
            "title": after_line["title"],
            "layer": layer,
            "standing": {AFTER_RELU: after_line["standing"], BEFORE_RELU: before_line["standing"]},
            "measures": {p: {name: line["measures"][name] for name in better} for p, line in ((AFTER_RELU, after_line), (BEFORE_RELU, before_line))},
            "against_random": {p: {name: line["against_random"].get(name) for name in better} for p, line in ((AFTER_RELU, after_line), (BEFORE_RELU, before_line))},
            "after_over_before": {name: _gain(sign * (after.values[name] - before.values[name]), resampled) for name, sign in better.items()},
        })  # fmt: skip
    _correct([gain for row in rows for gain in row["after_over_before"].values()])
    return rows
