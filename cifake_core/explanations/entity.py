"""The step that puts the paper's claim to the test: does a network look at the background, and does it need the entity?

Three tests over a part of a run's image set, with intervals, by label, class and outcome: where maps lie, what the verdict
needs, and in which band of frequencies. Each has its control: another image's mask for the place of a piece or a map, images
of two flat colours for what an outline tells, backgrounds of the same label for the seam of a swap. entity_words.py turns
the numbers into sentences.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cifake_core.detectors import feature_maps, loading, runs
from cifake_core.detectors.places import AFTER_RELU, BEFORE_RELU, BOTH, NO_RELU, checked_place
from cifake_core.errors import BadInput, Refused
from cifake_core.evaluation.evaluating import class_name
from cifake_core.explanations import cam, masks, methods, needing, resampling, segmenting, studies, treating
from cifake_core.explanations.entity_words import CLAIM, verdict
from cifake_core.explanations.masks import Masks
from cifake_core.explanations.needing import OTHER, SAME, Scene
from cifake_core.explanations.resampling import Area, Resampled
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.step import Context
from cifake_core.store.studies import CURRENT

VERSION = CURRENT["entity-test"]
DEFAULT_METHODS = ("gradcam", "hirescam", "layercam")
AREAS = (0.02, 0.98)  # shares of the picture an entity may cover to be compared with its background
QUALITY_IMAGES = 300  # rendered pictures a segmentation is measured on
MASK = "entity_mask"  # column of a study's table: the mask of each image, one bit a pixel
OUTCOMES = np.array(["TN", "FP", "FN", "TP"])  # OUTCOMES[2·label + verdict]


@dataclass(frozen=True)
class EntityTest:
    """Entity against background. `masks`: auto (the truth where it is known, else GrabCut), truth, grabcut, saliency,
    centre, user (drawn on the pages), imported:<name> (imported there), or a folder, .zip or .npz of masks.
    """

    run_id: str
    split: str = "test"
    masks: str = "auto"
    methods: tuple[str, ...] = DEFAULT_METHODS  # the first one speaks in the verdict
    layer: str | None = None  # None: the last convolution; several are separated by commas and averaged
    n: int = 0  # images, half of each label; 0: all
    seed: int = 0
    place: str = AFTER_RELU  # of the layers' feature maps: relu (after the ReLU), raw (before it) or both; the first speaks

    def __post_init__(self) -> None:
        if self.place != BOTH:
            checked_place(self.place)
        given = (self.methods,) if isinstance(self.methods, str) else self.methods
        asked = tuple(dict.fromkeys(methods.checked_method(method) for method in given if method not in methods.BASELINES))
        if not asked:
            raise BadInput(f"No method is named beside {', '.join(methods.BASELINES)}; name at least one, such as gradcam.")
        object.__setattr__(self, "methods", asked)
        masks.checked_source(self.masks)
        if self.n < 0 or 0 < self.n < 20:
            raise BadInput(f"A sample of {self.n} images says too little; take 20 or more, or 0 for all.")

    def run(self, context: Context) -> dict:
        """{"run", "split", "n", "masks", "place", "need", "floor", "alone", "equal", "swap", "artefact", "claim", "verdict",
        "sentences", …}, kept, and read when asked again. Every mean is {"value", "low", "high", "n"} by group: all, real, fake,
        classes, outcomes.
        """
        run = runs.open_run(context.workspace, self.run_id)
        folder = studies.folder_of(context.workspace, "entity-test", VERSION, self, run, masks.fingerprint(context.workspace, self.masks))
        if (there := studies.found(folder)) is not None:
            return there
        image_set = ImageSet.open(context.workspace, run.dataset)
        part = image_set.part(self.split)
        found = masks.kept_masks(context.workspace, part, image_set.digest, self.masks, context.on_progress)
        rows = self._rows(part, found)
        scene = Scene(
            loading.load(run), part.pixels[rows], found.entity[rows], part.labels[rows], part.class_labels[rows], self.seed
        )
        artefact = masks.artefact_masks(part.manifest.iloc[rows], context.on_progress).entity
        layers = cam.checked_layers(scene.detector.network, self._layers())
        asked = self._asked(feature_maps.places_at(scene.detector.network, layers, self.place))
        maps = needing.mass_on_entity(scene, asked, layers, artefact, context.on_progress)
        logits = needing.logits_under_treatment(scene, context.on_progress)
        swaps = needing.logits_under_swap(scene, context.on_progress)
        context.on_progress(0, 1, "Counting")
        tally = Tally(scene, logits["none", "everywhere"], self.seed)
        result = {
            "version": VERSION,
            "run": run.id,
            "dataset": run.dataset,
            "split": self.split,
            "n": len(rows),
            "left_out": len(part) - len(rows) if not self.n else int((~found.known).sum()),
            "layer": "+".join(layers),
            "feature_map": feature_maps.places_at(scene.detector.network, layers, self.place)[0],
            "masks": _described(found, scene),
            "accuracy": tally.grouped(tally.right),
            "auc": resampling.auc(tally.logits, scene.labels).as_dict(),
            "place": [tally.placed(*pair, shares, baseline(maps, *pair)) for pair, shares in maps.items()],
            "need": [tally.needed(*pair, logits[pair]) for pair in needing.pairs()],
            "floor": [tally.floor(name, logits[name, "everywhere"]) for name in treating.FLOORS],
            "alone": [tally.alone(region, logits) for region in ("entity", "background")],
            "equal": [tally.equal(name, logits) for name in treating.TREATMENTS],
            "swap": tally.swapped(swaps),
            "artefact": [tally.located(*pair, shares, baseline(maps, *pair)) for pair, shares in maps.items()] if artefact.any() else [],
            "claim": CLAIM,
            "folder": str(folder.relative_to(context.workspace.home)),
            "versions": runs.versions(),
            "created_at": runs.now(),
        }
        result |= verdict(result)
        return studies.keep(folder, result, _table(part, rows, tally, maps, logits, swaps))

    def _layers(self) -> list[str] | None:
        return [name.strip() for name in self.layer.split(",") if name.strip()] if self.layer else None

    def _asked(self, places: list[str]) -> list[tuple[str, str]]:
        """(method, place of its feature map), at each place the baselines first; no place for methods that look at no layer."""
        needed = dict.fromkeys(methods.baseline_of(method) for method in self.methods)
        every = [(method, place) for place in places for method in (*needed, *self.methods)]
        return list(dict.fromkeys((method, place if methods.uses_layers(method) else NO_RELU) for method, place in every))

    def _rows(self, part: Part, found: Masks) -> np.ndarray:
        covered = found.entity.mean((1, 2))
        usable = np.flatnonzero(found.known & (covered > AREAS[0]) & (covered < AREAS[1]))
        rows = usable[studies.sample(part.labels[usable], self.n, self.seed)]
        counts = [int((part.labels[rows] == label).sum()) for label in (0, 1)]
        if min(counts) < 10:
            raise Refused(
                f"Only {counts[0]} real and {counts[1]} fake images have a mask of their entity; at least 10 of each are "
                "needed, so take another source of masks."
            )
        return rows


def baseline(maps: dict[tuple[str, str], dict], method: str, place: str) -> dict[str, np.ndarray]:
    """The measures of the map that knows nothing at the same place."""
    return maps[methods.baseline_of(method), place]


class Tally:
    """Means over the images of a scene, by group, all from the same resamples."""

    def __init__(self, scene: Scene, logits: np.ndarray, seed: int) -> None:
        self.scene, self.logits = scene, logits.astype(float)
        self.signs = 2.0 * scene.labels - 1
        self.right = self._right(self.logits)
        self.area = scene.entity.mean((1, 2))
        self.permuted_area = np.where(scene.donors >= 0, self.area[np.maximum(scene.donors, 0)], np.nan)
        self.outcomes = OUTCOMES[2 * scene.labels + (logits >= 0)]
        self.groups = {"all": np.ones(len(scene), bool), "real": scene.labels == 0, "fake": scene.labels == 1}
        self.groups |= {class_name(int(label)): scene.class_labels == label for label in np.unique(scene.class_labels)}
        self.groups |= {outcome: self.outcomes == outcome for outcome in OUTCOMES}
        self.resampled = Resampled(scene.labels, seed=seed)

    def _right(self, logits: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(logits), (logits >= 0) == (self.scene.labels == 1), np.nan).astype(float)

    def grouped(self, values: np.ndarray) -> dict:
        """Group → mean of values (n,) with its interval."""
        columns = np.where(np.stack(list(self.groups.values()), 1), np.asarray(values, float)[:, None], np.nan)
        return {group: mean.as_dict() for group, mean in zip(self.groups, self.resampled.means(columns), strict=True)}

    def placed(self, method: str, place: str, shares: dict[str, np.ndarray], random: dict[str, np.ndarray]) -> dict:
        """Where a method's maps lie: share of relevance on the entity, what that is above the entity's area, and how much of
        that another image's mask catches as well, because entities and maps both prefer the middle. A map that knows nothing
        is on its own entity, too, for activations are; `excess_over_both` is what is left when that is taken off.
        """
        share, excess = shares["entity"], shares["entity"] - self.area
        permuted = shares["permuted"] - self.permuted_area
        is_baseline = method in methods.BASELINES
        beyond = (share - shares["permuted"]) - (random["entity"] - random["permuted"])  # the areas are the same
        return {
            "method": method,
            "title": methods.title(method),
            "feature_map": place,
            "mass": self.grouped(share),
            "area": self.grouped(np.where(np.isfinite(share), self.area, np.nan)),
            "excess": self.grouped(excess),  # above 0: more on the entity than a map without preference
            "permuted_excess": self.grouped(permuted),  # the same with another image's mask
            "excess_over_permuted": self.grouped(excess - permuted),
            "excess_over_random": None if is_baseline else self.grouped(share - random["entity"]),
            "excess_over_both": None if is_baseline else self.grouped(beyond),
            "empty": int((~np.isfinite(share)).sum()),
        }

    def needed(self, treatment: str, region: str, after: np.ndarray) -> dict:
        """What a treatment of a region does to the verdict. logit_change is towards the truth: below 0 = it hurts."""
        there = np.isfinite(after)
        flipped = np.where(there, (after >= 0) != (self.logits >= 0), np.nan)
        return {
            "treatment": treatment,
            "meaning": treating.TREATMENTS[treatment],
            "region": region,
            "accuracy": self.grouped(self._right(after)),
            "accuracy_change": self.grouped(self._right(after) - self.right),
            "logit_change": self.grouped(self.signs * (after - self.logits)),
            "flipped": self.grouped(flipped),
            "auc": resampling.auc(after[there], self.scene.labels[there]).as_dict(),
        }

    def floor(self, name: str, after: np.ndarray) -> dict:
        """What the verdict makes of images of two flat colours: no more than an outline, and perhaps its colours, tells."""
        return {
            "floor": name,
            "meaning": treating.FLOORS[name],
            "accuracy": self.grouped(self._right(after)),
            "auc": self._area(after).as_dict(),
        }

    def alone(self, region: str, logits: dict[tuple[str, str], np.ndarray]) -> dict:
        """AUC of one region while the other is flat, and what it is above each control, paired: the floors, and the region
        that another image's mask would have left.
        """
        flattened = "background" if region == "entity" else "entity"
        mine = self._area(logits["mean", flattened])
        controls = {floor: self._area(logits[floor, "everywhere"]) for floor in treating.FLOORS}
        controls["permuted"] = self._area(logits["mean", f"permuted {flattened}"])
        return {
            "region": region,
            "auc": mine.as_dict(),
            "controls": {name: area.as_dict() for name, area in controls.items()},
            "above": {name: (mine - area).as_dict() for name, area in controls.items()},
        }

    def _area(self, after: np.ndarray) -> Area:
        return self.resampled.ranked_by(after, self.scene.labels)

    def equal(self, treatment: str, logits: dict[tuple[str, str], np.ndarray]) -> dict:
        """Equally large pieces: how much more the loss of one of the entity costs than one of the background, with the image's
        own mask and with another image's. Costs are logits towards the truth; what the own mask costs more is not place.
        """
        entity, background, other_entity, other_background = (
            logits[treatment, f"{region} part"] for region in ("entity", "background", "permuted entity", "permuted background")
        )
        own, permuted = self.signs * (background - entity), self.signs * (other_background - other_entity)
        return {
            "treatment": treatment,
            "meaning": treating.TREATMENTS[treatment],
            "entity_costs_more_logit": self.grouped(own),
            "permuted_costs_more_logit": self.grouped(permuted),
            "excess_over_permuted": self.grouped(own - permuted),
            "entity_cost": self.grouped(self.signs * (self.logits - entity)),
            "permuted_entity_cost": self.grouped(self.signs * (self.logits - other_entity)),
            "entity_cost_over_permuted": self.grouped(self.signs * (other_entity - entity)),
            "entity_costs_more_accuracy": self.grouped(self._right(background) - self._right(entity)),
            "entity_moves_more": self.grouped(np.abs(entity - self.logits) - np.abs(background - self.logits)),
        }

    def swapped(self, swaps: dict[str, np.ndarray]) -> dict:
        """Entities before other backgrounds of their class. Every picture compared has a seam, and no threshold is asked:
        how well scores rank by the entity's label while the background's is held fixed, and the other way round. The
        groups real and fake are those of the entity.
        """
        other, same, labels = swaps[OTHER], swaps[SAME], self.scene.labels
        have = np.isfinite(other)
        of_entity, of_background = _areas_of_swaps(self.resampled, other, same, labels)
        return {
            "auc_of_entity": of_entity.as_dict(),
            "auc_of_background": of_background.as_dict(),
            "entity_over_background": (of_entity - of_background).as_dict(),
            "auc_across_labels": resampling.auc(other[have], labels[have]).as_dict(),  # by the entity; by the background 1 less it
            "follows_entity": self.grouped(self._right(other)),
            "accuracy_same_label": self.grouped(self._right(same)),
            "seam_cost": self.grouped(self.right - self._right(same)),
            "entity_area": self.grouped(np.where(have, self.area, np.nan)),
        }

    def located(self, method: str, place: str, measured: dict[str, np.ndarray], random: dict[str, np.ndarray]) -> dict:
        """Whether maps of images called fake find the artefact planted in them."""
        called = np.where(self.logits >= 0, 0.0, np.nan)
        names = ("pointing", "mass", "rank")
        return {
            "method": method,
            "title": methods.title(method),
            "feature_map": place,
            **{name: self.resampled.mean(measured[name] + called).as_dict() for name in names},
            "over_random": {name: self.resampled.mean(measured[name] - random[name] + called).as_dict() for name in names},
        }


def _areas_of_swaps(resampled: Resampled, other: np.ndarray, same: np.ndarray, labels: np.ndarray) -> tuple[Area, Area]:
    """Areas by the entity's label and by the background's; `labels` are the entities', and so are those of `same`'s backgrounds."""
    fake, real = labels == 1, labels == 0

    def ranked(higher: np.ndarray, of: np.ndarray, lower: np.ndarray, below: np.ndarray) -> Area:
        return resampled.ranked(np.where(of, higher, np.nan), np.where(below, lower, np.nan))

    before_real, before_fake = ranked(other, fake, same, real), ranked(same, fake, other, real)
    behind_real, behind_fake = ranked(other, real, same, real), ranked(same, fake, other, fake)
    return before_real.mean_with(before_fake), behind_real.mean_with(behind_fake)


def _described(found: Masks, scene: Scene) -> dict:
    """{"source", "area", "quality"}; quality is that of a guess, measured on the demo world, None where no guess is made."""
    guessed = found.source in segmenting.GUESSES
    quality = masks.measured_quality(found.source, QUALITY_IMAGES) if guessed else {}
    return {
        "source": found.source,
        "area": float(scene.entity.mean()),
        "quality": {name: mean.as_dict() for name, mean in quality.items()} or None,
    }


def _table(part: Part, rows: np.ndarray, tally: Tally, maps: dict, logits: dict, swaps: dict) -> pd.DataFrame:
    """One row an image: what it is, its entity's area, each map's share on it, and its logit under each treatment."""
    columns = {
        "image_id": part.image_ids[rows],
        "row": rows,
        "label": part.labels[rows],
        "class_label": part.class_labels[rows],
        "outcome": tally.outcomes,
        "entity_area": tally.area.astype(np.float32),
        "logit": tally.logits.astype(np.float32),
        MASK: [np.packbits(mask).tobytes() for mask in tally.scene.entity],  # 128 bytes: given masks may change or go
    }
    for (method, place), shares in maps.items():
        name = f"{method} before ReLU" if place == BEFORE_RELU else method
        columns |= {f"mass {name}": shares["entity"].astype(np.float32), f"permuted mass {name}": shares["permuted"].astype(np.float32)}
    columns |= {f"logit {' '.join(pair)}": after for pair, after in logits.items() if pair[0] != "none"}
    return pd.DataFrame(columns | {f"logit {name}": after for name, after in swaps.items()})
