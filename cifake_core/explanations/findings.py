"""The step that asks what a network finds: where its maps gather, what lies under the hot spots, what its logit goes with.

Nothing here is a cause: groups and correlations say where to look, and the sliders of Try an image put it to the test.
It knows runs and studies; the arithmetic is in hot_spots.py, appearance.py and correlating.py.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from cifake_core.detectors import loading, runs
from cifake_core.detectors.places import AFTER_RELU, checked_place
from cifake_core.errors import BadInput, Refused
from cifake_core.explanations import appearance, hot_spots, methods, studies
from cifake_core.explanations.cam import Maps
from cifake_core.explanations.correlating import rank_correlations
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.metrics.intervals import share
from cifake_core.step import Context

KIND, VERSION = "findings", 3  # 3: feature maps after the ReLU, before it until then
GRID = 8  # maps are grouped by place on 8 × 8 cells
SHOWN = 18  # examples kept of each group
HOTTEST = 36  # patches kept of fakes and of reals


@dataclass(frozen=True)
class Findings:
    """Maps grouped by place and by content, and rank correlations of the logit with measures of the images."""

    run_id: str
    split: str = "test"
    method: str = "gradcam"
    layer: str | None = None  # None: the last convolution; several are separated by commas and averaged
    n: int = 0  # images, half of each label; 0: all
    places: int = 6  # groups
    contents: int = 8
    seed: int = 0
    place: str = AFTER_RELU  # of the layers' feature maps: relu (after the ReLU) or raw (before it)

    def __post_init__(self) -> None:
        checked_place(self.place)
        methods.checked_method(self.method)
        if not (2 <= self.places <= 20 and 2 <= self.contents <= 20):
            raise BadInput(f"{self.places} and {self.contents} groups were asked for; take 2 to 20.")
        if self.n < 0 or 0 < self.n < 20:
            raise BadInput(f"A sample of {self.n} images says too little; take 20 or more, or 0 for all.")

    def run(self, context: Context) -> dict:
        """{"run", "split", "n", "empty", "places", "contents", "hottest", "correlations", "verdict", …}, kept, and read
        when asked again. Images are named by their row in the part.
        """
        run = runs.open_run(context.workspace, self.run_id)
        folder = studies.folder_of(context.workspace, KIND, VERSION, self, run)
        if (there := studies.found(folder)) is not None:
            return there
        part = ImageSet.open(context.workspace, run.dataset).part(self.split)
        rows = studies.sample(part.labels, self.n, self.seed)
        if len(rows) < 20:
            raise Refused(f"{run.dataset!r} has only {len(rows)} {self.split} images; 20 are needed to group anything.")
        pixels = np.ascontiguousarray(part.pixels[rows])
        detector = loading.load(run)
        maps = methods.maps(detector, pixels, self.method, self._layers(), "verdict", context.on_progress, place=self.place)
        measures = appearance.measured(pixels, context.on_progress)
        context.on_progress(0, 1, "Grouping")
        seen = Seen(part, rows, maps)
        places, by_place = seen.by_place(self.places, self.seed)
        contents, by_content, corners = seen.by_content(pixels, self.contents, self.seed)
        context.on_progress(1, 2, "Correlating")
        correlations = correlated(maps.logits, measures, seen.labels, self.seed)
        result = {
            "run": run.id,
            "dataset": run.dataset,
            "split": self.split,
            "n": len(rows),
            "method": maps.method,
            "layer": maps.layer,
            "feature_map": maps.place,
            "empty": int(maps.empty.sum()),
            "patch": hot_spots.PATCH,
            "places": places,
            "contents": contents,
            "hottest": seen.hottest(corners),
            "correlations": correlations,
            "verdict": in_words(correlations),
            "folder": str(folder.relative_to(context.workspace.home)),
            "versions": runs.versions(),
            "created_at": runs.now(),
        }
        table = {"image_id": part.image_ids[rows], "row": rows, "label": seen.labels, "logit": maps.logits}
        table |= {"place": by_place, "content": by_content, "y": corners[:, 0], "x": corners[:, 1]}
        table |= dict(zip(appearance.MEASURES, measures.T, strict=True))
        return studies.keep(folder, result, pd.DataFrame(table))

    def _layers(self) -> list[str] | None:
        return [name.strip() for name in self.layer.split(",") if name.strip()] if self.layer else None


class Seen:
    """Images with their maps, to be grouped. Maps without evidence belong to no group (−1)."""

    def __init__(self, part: Part, rows: np.ndarray, maps: Maps) -> None:
        self.rows, self.maps, self.labels = rows, maps, part.labels[rows]
        self.has = np.flatnonzero(~maps.empty)

    def by_place(self, k: int, seed: int) -> tuple[list[dict], np.ndarray]:
        """Groups of maps whose heat lies alike, as distributions over the picture (Hellinger's distance)."""
        small = (
            np.stack([_small(heat) for heat in self.maps.heat[self.has]])
            if len(self.has)
            else np.zeros((0, GRID, GRID))
        )
        weights = small.reshape(len(small), -1)
        group, away = hot_spots.grouped(np.sqrt(weights), k, seed)
        found = [
            {
                **self._summary(group == g, away),
                "map": np.round(small[group == g].mean(0) / small[group == g].mean(0).max(), 3).tolist(),
            }
            for g in range(group.max(initial=-1) + 1)
        ]
        return found, self._all(group)

    def by_content(self, pixels: np.ndarray, k: int, seed: int) -> tuple[list[dict], np.ndarray, np.ndarray]:
        """Groups of patches under the hot spots that look alike, and the corner (n, 2) of each image's patch."""
        corners = hot_spots.hottest(self.maps.heat)
        cut = hot_spots.patches(pixels[self.has], corners[self.has])
        group, away = hot_spots.grouped(hot_spots.standardised(hot_spots.described(cut)), k, seed)
        found = [self._summary(group == g, away, corners) for g in range(group.max(initial=-1) + 1)]
        return found, self._all(group), corners

    def hottest(self, corners: np.ndarray) -> dict[str, list]:
        """The strongest maps of images rightly called fake, and rightly called real: [row, y, x], strongest first.

        Strong: by the unit the method has (the logit's gradient for Grad-CAM), else by the logit.
        """
        logits = self.maps.logits
        strength = np.abs(logits) if self.maps.scale is None else self.maps.scale
        found = {}
        for label, word in enumerate(("real", "fake")):
            mine = self.has[(self.labels[self.has] == label) & ((logits[self.has] >= 0) == bool(label))]
            found[word] = self._places(mine[np.argsort(-strength[mine], kind="stable")][:HOTTEST], corners)
        return found

    def _summary(self, member: np.ndarray, away: np.ndarray, corners: np.ndarray | None = None) -> dict:
        mine = self.has[member]
        called, fakes = self.maps.logits[mine] >= 0, self.labels[mine] == 1
        nearest = mine[np.argsort(away[member], kind="stable")][:SHOWN]
        return {
            "n": len(mine),
            "called_fake": share(int(called.sum()), len(mine)).as_dict(),
            "fake": share(int(fakes.sum()), len(mine)).as_dict(),
            "right": share(int((called == fakes).sum()), len(mine)).as_dict(),
            "mean_logit": round(float(self.maps.logits[mine].mean()), 4),
            "examples": self.rows[nearest].tolist() if corners is None else self._places(nearest, corners),
        }

    def _places(self, these: np.ndarray, corners: np.ndarray) -> list[list[int]]:
        return np.column_stack([self.rows[these], corners[these]]).tolist()

    def _all(self, group: np.ndarray) -> np.ndarray:
        everyone = np.full(len(self.rows), -1)
        everyone[self.has] = group
        return everyone


def _small(heat: np.ndarray) -> np.ndarray:
    """A map (H, W) on GRID × GRID cells, summing to 1."""
    cells = cv2.resize(heat, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return cells / cells.sum()


def correlated(logits: np.ndarray, measures: np.ndarray, labels: np.ndarray, seed: int) -> list[dict]:
    """Each measure's correlation with the logit over all images, among reals and among fakes."""
    groups = {"all": labels >= 0, "real": labels == 0, "fake": labels == 1}
    found = {
        group: rank_correlations(logits[rows], measures[rows], labels[rows], seed) for group, rows in groups.items()
    }
    return [
        {"measure": name, "meaning": meaning, **{group: found[group][i].as_dict() for group in groups}}
        for i, (name, meaning) in enumerate(appearance.MEASURES.items())
    ]


def in_words(correlations: list[dict]) -> str:
    """One sentence: the measure that goes with the logit most among reals and fakes alike, if there is one."""
    same = [row for row in correlations if _side(row["real"]) and _side(row["real"]) == _side(row["fake"])]
    if not same:
        opposite = [row["measure"] for row in correlations if _side(row["real"]) and _side(row["fake"])]
        if opposite:
            return f"No measure correlates with the logit in the same direction within both classes; in opposite directions: {', '.join(opposite)}."
        return "No measure correlates with the logit within both classes (no 95 % interval is on one side of 0 in both)."
    strongest = max(same, key=lambda row: min(abs(row[word]["value"]) for word in ("real", "fake")))
    up = _side(strongest["real"]) > 0
    more = {"spectrum slope": ("A flatter", "A steeper")}.get(strongest["measure"], ("Less", "More"))[up]
    figures = " and ".join(
        f"{strongest[word]['value']:+.2f} ({strongest[word]['low']:+.2f} to {strongest[word]['high']:+.2f}) among {word}s"
        for word in ("real", "fake")
    )
    return (
        f"{more} {strongest['measure']} goes with a higher logit for fake among reals and fakes alike: ρ = {figures}."
    )


def _side(estimate: dict) -> int:
    """+1 or −1 where the whole interval lies on that side of nought, else 0."""
    if estimate["value"] is None:
        return 0
    return int(estimate["low"] > 0) - int(estimate["high"] < 0)
