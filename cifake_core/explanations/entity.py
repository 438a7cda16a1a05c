"""The step that puts the paper's claim to the test: does a network look at the background, and does it need the entity?

Three tests over a part of a run's image set, with intervals, by class and by outcome: where maps lie, what the verdict
needs, and in which band of frequencies. entity_words.py turns the numbers into a sentence.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cifake_core.detectors import feature_maps, loading, runs
from cifake_core.detectors.feature_maps import AFTER_RELU
from cifake_core.errors import BadInput, Refused
from cifake_core.evaluation.evaluating import class_name
from cifake_core.explanations import cam, masks, methods, needing, resampling, segmenting, studies, treating
from cifake_core.explanations.entity_words import CLAIM, verdict
from cifake_core.explanations.masks import Masks
from cifake_core.explanations.needing import OTHER, SAME, Scene
from cifake_core.explanations.resampling import Resampled
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.step import Context

VERSION = 3  # 3: feature maps after the ReLU, before it until then. Raise it whenever a result or its sentence would come out differently
RANDOM = "randomcam"
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
    place: str = AFTER_RELU  # of the layers' feature maps: relu (after the ReLU) or raw (before it)

    def __post_init__(self) -> None:
        feature_maps.checked_place(self.place)
        given = (self.methods,) if isinstance(self.methods, str) else self.methods
        asked = tuple(dict.fromkeys(methods.checked_method(method) for method in given if method != RANDOM))
        if not asked:
            raise BadInput(f"No method is named beside {RANDOM}; name at least one, such as gradcam.")
        object.__setattr__(self, "methods", asked)
        masks.checked_source(self.masks)
        if self.n < 0 or 0 < self.n < 20:
            raise BadInput(f"A sample of {self.n} images says too little; take 20 or more, or 0 for all.")

    def run(self, context: Context) -> dict:
        """{"run", "split", "n", "masks", "place", "need", "equal", "swap", "artefact", "claim", "verdict", …}, kept, and
        read when asked again. Every mean is {"value", "low", "high", "n"} by group: all, real, fake, classes, outcomes.
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
        maps = needing.mass_on_entity(scene, [RANDOM, *self.methods], layers, artefact, context.on_progress, self.place)
        logits = needing.logits_under_treatment(scene, context.on_progress)
        swaps = needing.logits_under_swap(scene, context.on_progress)
        context.on_progress(0, 1, "Counting")
        tally = Tally(scene, logits["none", "everywhere"], self.seed)
        result = {
            "run": run.id,
            "dataset": run.dataset,
            "split": self.split,
            "n": len(rows),
            "left_out": len(part) - len(rows) if not self.n else int((~found.known).sum()),
            "layer": "+".join(layers),
            "feature_map": feature_maps.place_at(scene.detector.network, layers, self.place),
            "masks": _described(found, scene),
            "accuracy": tally.grouped(tally.right),
            "auc": resampling.auc(tally.logits, scene.labels).as_dict(),
            "place": [tally.placed(method, maps[method]["entity"], maps[RANDOM]["entity"]) for method in maps],
            "need": [tally.needed(*pair, after) for pair, after in logits.items() if pair[0] != "none"],
            "equal": [tally.equal(name, logits) for name in treating.TREATMENTS],
            "swap": tally.swapped(swaps),
            "artefact": [tally.located(method, maps[method], maps[RANDOM]) for method in maps] if artefact.any() else [],
            "claim": CLAIM,
            "folder": str(folder.relative_to(context.workspace.home)),
            "versions": runs.versions(),
            "created_at": runs.now(),
        }
        result |= verdict(result)
        return studies.keep(folder, result, _table(part, rows, tally, maps, logits, swaps))

    def _layers(self) -> list[str] | None:
        return [name.strip() for name in self.layer.split(",") if name.strip()] if self.layer else None

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


class Tally:
    """Means over the images of a scene, by group, all from the same resamples."""

    def __init__(self, scene: Scene, logits: np.ndarray, seed: int) -> None:
        self.scene, self.logits = scene, logits.astype(float)
        self.signs = 2.0 * scene.labels - 1
        self.right = self._right(self.logits)
        self.area = scene.entity.mean((1, 2))
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

    def placed(self, method: str, share: np.ndarray, random: np.ndarray) -> dict:
        """Where a method's maps lie: share of relevance on the entity, and what that is above the entity's area."""
        excess = share - self.area
        return {
            "method": method,
            "title": methods.title(method),
            "mass": self.grouped(share),
            "area": self.grouped(np.where(np.isfinite(share), self.area, np.nan)),
            "excess": self.grouped(excess),  # above 0: more on the entity than a map without preference
            "excess_over_random": self.grouped(share - random) if method != RANDOM else None,
            "empty": int((~np.isfinite(share)).sum()),
        }

    def needed(self, treatment: str, region: str, after: np.ndarray) -> dict:
        """What a treatment of a region does to the verdict. logit_change is towards the truth: below 0 = it hurts."""
        return {
            "treatment": treatment,
            "meaning": treating.TREATMENTS[treatment],
            "region": region,
            "accuracy": self.grouped(self._right(after)),
            "accuracy_change": self.grouped(self._right(after) - self.right),
            "logit_change": self.grouped(self.signs * (after - self.logits)),
            "flipped": self.grouped(((after >= 0) != (self.logits >= 0)).astype(float)),
            "auc": resampling.auc(after, self.scene.labels).as_dict(),
        }

    def equal(self, treatment: str, logits: dict[tuple[str, str], np.ndarray]) -> dict:
        """Equally large pieces: how much more the loss of one of the entity costs than one of the background."""
        entity, background = (logits[treatment, f"{region} part"] for region in ("entity", "background"))
        return {
            "treatment": treatment,
            "meaning": treating.TREATMENTS[treatment],
            "entity_costs_more_logit": self.grouped(self.signs * (background - entity)),
            "entity_costs_more_accuracy": self.grouped(self._right(background) - self._right(entity)),
            "entity_moves_more": self.grouped(np.abs(entity - self.logits) - np.abs(background - self.logits)),
        }

    def swapped(self, swaps: dict[str, np.ndarray]) -> dict:
        """Entities before backgrounds of the other label: how often the verdict is the entity's. And what the seam does."""
        other, labels = swaps[OTHER], self.scene.labels
        have = np.isfinite(other)
        return {
            "follows_entity": self.grouped(self._right(other)),
            "auc_of_entity": resampling.auc(other[have], labels[have]).as_dict(),
            "accuracy_same_label": self.grouped(self._right(swaps[SAME])),
            "entity_area": self.grouped(np.where(have, self.area, np.nan)),
        }

    def located(self, method: str, measured: dict[str, np.ndarray], random: dict[str, np.ndarray]) -> dict:
        """Whether maps of images called fake find the artefact planted in them."""
        called = np.where(self.logits >= 0, 0.0, np.nan)
        names = ("pointing", "mass", "rank")
        return {
            "method": method,
            "title": methods.title(method),
            **{name: self.resampled.mean(measured[name] + called).as_dict() for name in names},
            "over_random": {name: self.resampled.mean(measured[name] - random[name] + called).as_dict() for name in names},
        }


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
    columns |= {f"mass {method}": measured["entity"].astype(np.float32) for method, measured in maps.items()}
    columns |= {f"logit {' '.join(pair)}": after for pair, after in logits.items() if pair[0] != "none"}
    return pd.DataFrame(columns | {f"logit {name}": after for name, after in swaps.items()})
