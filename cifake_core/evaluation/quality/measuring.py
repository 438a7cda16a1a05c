"""The step that measures generators side by side, and where its results are kept: once for the same images and settings."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cifake_core import CLASS_NAMES
from cifake_core.detectors.request import TrainSettings
from cifake_core.errors import BadInput
from cifake_core.evaluation.quality import copying, distances
from cifake_core.evaluation.quality.reals import Fakes, Reals, fakes_of, reals_of
from cifake_core.images.codec import encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.metrics.intervals import share
from cifake_core.progress import Progress
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

VERSION = 1
PAIRS, SAMPLES = "closest-pairs.png", "samples.png"
PAIRS_SHOWN, SAMPLES_A_CLASS = 12, 10
_COPIES_ASKED = 500  # fakes, and as many held-out reals, whose nearest training image is looked for
_TOPOLOGY = "32x2-64x1"  # the paper's winner


@dataclass(frozen=True)
class MeasureGenerators:
    """Measures each set of fakes, and each generator by a set it makes first, against reals. Done twice, it measures nothing twice."""

    reals: str = ""  # image set whose reals they are held against
    sets: tuple[str, ...] = ()  # image sets with fakes; "name:reals" names reals of its own
    generators: tuple[str, ...] = ()  # as for Generate; "name:reals" as well
    per_class: int = 400  # fakes of each class, where there are so many
    seed: int = 0
    detector_epochs: int = 10  # of the paper's network, at most; 0 leaves it out

    def __post_init__(self) -> None:
        object.__setattr__(self, "sets", tuple(self.sets))
        object.__setattr__(self, "generators", tuple(self.generators))
        if not self.sets and not self.generators:
            raise BadInput("Nothing is named that could be measured; name at least one set of fakes or one generator.")
        for name in (*self.sets, *self.generators):
            if not all(_named(name, self.reals)):
                raise BadInput(f"No reals are named for {name[:80]!r}; name a set of reals to hold it against.")
        if not 20 <= self.per_class <= 6000 or not 0 <= self.detector_epochs <= 1000 or not 0 <= self.seed < 2**31:
            raise BadInput(
                f"{self.per_class} fakes a class cannot be measured; take 20 to 6000, and a seed of at least 0."
            )

    def run(self, context: Context) -> dict:
        """{"measured": one entry a set or generator, see `measured`}. Raises NotFound, Refused."""
        subjects = [(set_name, reals) for set_name, reals in (_named(name, self.reals) for name in self.sets)]
        shares, found = len(subjects) + 2 * len(self.generators), []
        for number, name in enumerate(self.generators):
            generator, reals = _named(name, self.reals)
            progress = _part_of(context.on_progress, number, shares, f"Making fakes with {Path(generator).name}")
            subjects.append((_made(generator, self, Context(context.workspace, progress)), reals))
        for number, (set_name, reals) in enumerate(subjects, start=len(self.generators)):
            progress = _part_of(context.on_progress, number, shares, set_name)
            found.append(self._one(context.workspace, set_name, reals, progress))
        context.on_progress(1000 * shares, 1000 * shares, "measured")
        return {"measured": found}

    def _one(self, workspace: Workspace, set_name: str, reals_name: str, on_progress: Progress) -> dict:
        images, held_against = ImageSet.open(workspace, set_name), ImageSet.open(workspace, reals_name)
        asked = {
            "version": VERSION, "set": images.digest, "reals": held_against.digest, "per_class": self.per_class,
            "seed": self.seed, "detector_epochs": self.detector_epochs,
        }  # fmt: skip
        folder = results_folder(workspace) / hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
        if not (folder / artifacts.RECORD).exists():
            fakes, reals = fakes_of(images, self.per_class, self.seed), reals_of(held_against)
            record, pairs = measured(fakes, reals, workspace, self, on_progress)
            record |= {"asked": asked, "generators": sorted(_makers(images)), "kind": "generator quality"}
            _store(folder, record, pairs, fakes)
        return {**artifacts.read_json(folder / artifacts.RECORD), "folder": str(folder)}


def results_folder(workspace: Workspace) -> Path:
    return workspace.home / "quality"


def measurements(workspace: Workspace) -> list[tuple[Path, dict]]:
    """(folder, record) of everything measured, newest first."""
    found = sorted(results_folder(workspace).glob(f"[!.]*/{artifacts.RECORD}"), key=lambda path: -path.stat().st_mtime)
    return [(path.parent, artifacts.read_json(path)) for path in found]


def measured(
    fakes: Fakes, reals: Reals, workspace: Workspace, step: MeasureGenerators, on_progress: Progress
) -> tuple[dict, np.ndarray]:
    """(figures as JSON, the closest pairs as a picture (H, W, 3)); all four questions, and what reals themselves would get."""
    from cifake_core.evaluation.quality import classifier, detecting

    eye = classifier.classifier_of(reals, workspace, classifier.Recipe(), _span(on_progress, 0.0, 0.6))
    seen, held_out = eye.see(fakes.pixels), eye.see(reals.held_out)
    hits = seen.classes == fakes.classes
    near, pairs = _copying(fakes, reals, eye.see, _span(on_progress, 0.65, 0.85), step.seed)
    record = {
        "set": fakes.name,
        "reals": reals.name,
        "n": len(fakes.pixels),
        "classifier": {key: eye.record[key] for key in ("held_out", "n_train", "n_held_out")},
        "recognised": share(int(hits.sum()), len(hits)).as_dict(),
        "recognised_by_class": {
            word: share(int(hits[fakes.classes == k].sum()), int((fakes.classes == k).sum())).as_dict()
            for k, word in enumerate(CLASS_NAMES)
        },
        "distances": _distances(seen.features, held_out.features, step.seed),
        "copying": near,
        "detector": None,
    }
    if step.detector_epochs:
        settings = TrainSettings(_TOPOLOGY, seed=step.seed, epochs=step.detector_epochs)
        found = detecting.detected(reals, fakes, settings, _span(on_progress, 0.85, 1.0))
        record["detector"] = {"topology": _TOPOLOGY, **asdict(found)}
    return record, pairs


def _distances(fakes: np.ndarray, held_out: np.ndarray, seed: int) -> dict:
    """Fakes and one half of the held-out reals, each as many, against the other half: the second is what no generator can beat."""
    order = np.random.default_rng(seed).permutation(len(held_out))
    reference, others = held_out[order[: len(order) // 2]], held_out[order[len(order) // 2 :]]
    n = min(len(fakes), len(others))
    found = {"n": n, "n_reference": len(reference)}
    for name, cloud in (("fakes", fakes[:n]), ("floor", others[:n])):
        found[name] = {
            "frechet": distances.frechet_estimate(cloud, reference, seed).as_dict(),
            "kernel": asdict(distances.kernel(cloud, reference, seed=seed)),
        }
    return found


def _copying(fakes: Fakes, reals: Reals, see: Callable, on_progress: Progress, seed: int) -> tuple[dict, np.ndarray]:
    n = min(_COPIES_ASKED, len(fakes.pixels), len(reals.held_out))
    rows = np.sort(np.random.default_rng(seed).permutation(len(reals.held_out))[:n])
    asked, honest = fakes.pixels[:n], reals.held_out[rows]
    in_pixels = [copying.nearest_of_both_sides(images, reals.train, on_progress) for images in (asked, honest)]
    training = see(reals.train, on_progress).features
    in_features = [copying.nearest(see(images).features, training, on_progress) for images in (asked, honest)]
    found = {name: asdict(copying.compared(*two)) for name, two in (("pixels", in_pixels), ("features", in_features))}
    order = np.argsort(in_pixels[0].distance, kind="stable")[:PAIRS_SHOWN]
    pairs = np.concatenate(
        [asked[order], reals.train[in_pixels[0].number[order]]], axis=2
    )  # (k, 3, 64, 32): the fake above
    return {"n": n, **found}, pairs.transpose(2, 0, 3, 1).reshape(64, -1, 3)


def _store(folder: Path, record: dict, pairs: np.ndarray, fakes: Fakes) -> None:
    with artifacts.whole_folder(folder) as temporary:
        (temporary / PAIRS).write_bytes(encode_png(pairs))
        (temporary / SAMPLES).write_bytes(encode_png(_samples(fakes)))
        artifacts.write_record(temporary, record, [PAIRS, SAMPLES])


def _samples(fakes: Fakes) -> np.ndarray:
    """The first ten of each class, class by row; grey where there are fewer."""
    sheet = np.full((len(CLASS_NAMES), SAMPLES_A_CLASS, 3, 32, 32), 128, np.uint8)
    for k in range(len(CLASS_NAMES)):
        own = fakes.pixels[fakes.classes == k][:SAMPLES_A_CLASS]
        sheet[k, : len(own)] = own
    return sheet.transpose(0, 3, 1, 4, 2).reshape(32 * len(CLASS_NAMES), 32 * SAMPLES_A_CLASS, 3)


def _made(generator: str, step: MeasureGenerators, context: Context) -> str:
    """The name of the set of fakes this generator makes to be measured by; made once."""
    from cifake_core.generators.generating import Generate

    word = "".join(c if c.isalnum() else "-" for c in Path(generator).name.split("@")[0]).strip("-")[:50] or "generator"
    mark = hashlib.sha256(generator.encode()).hexdigest()[:6]
    fakes = Generate(f"quality-{word}-{mark}-{step.per_class}-{step.seed}", generator, step.per_class, seed=step.seed)
    return fakes.run(context)["dataset"]


def _makers(images: ImageSet) -> set[str]:
    parts = [part for split, part in (("train", "train+validation"), ("test", "test")) if images.has(split)]
    return {str(name) for part in parts for name in images.manifest(part)["generator"].dropna().unique() if name}


def _named(text: str, reals: str) -> tuple[str, str]:
    """ "g7:cifake" → ("g7", "cifake"); without a colon the common reals."""
    name, colon, own = text.rpartition(":")
    return (name, own) if colon else (text, reals)


def _part_of(on_progress: Progress, number: int, shares: int, title: str) -> Progress:
    def report(done: int, total: int, message: str) -> None:
        on_progress(1000 * number + 1000 * min(done, total) // max(total, 1), 1000 * shares, f"{title}: {message}")

    return report


def _span(on_progress: Progress, low: float, high: float) -> Progress:
    def report(done: int, total: int, message: str) -> None:
        on_progress(int(1000 * (low + (high - low) * min(done, total) / max(total, 1))), 1000, message)

    return report
