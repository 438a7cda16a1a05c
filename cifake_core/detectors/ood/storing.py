"""Where out-of-distribution checks lie: with the run since training ends; computed once for runs of earlier versions.

What depends on the dataset alone is fitted once a dataset and kept in `CIFAKE_HOME/domains/`, then copied into each run's
`ood-<version>.safetensors`. A run that lacks the file gets it in `CIFAKE_HOME/ood/`, whole or not at all.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock
from torch import nn

from cifake_core.detectors.community_forensics.models import is_forensic
from cifake_core.detectors.ood import check as checks
from cifake_core.detectors.ood import domain_network
from cifake_core.detectors.ood.appearance import Appearance
from cifake_core.detectors.ood.check import Check, DatasetPart
from cifake_core.detectors.ood.features import FeatureSpace, penultimate
from cifake_core.detectors.ood.outliers import through_jpeg
from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.errors import BadInput, Conflict, Damaged, NotFound
from cifake_core.generators.demo_world import render_frames
from cifake_core.images.domain import Domain
from cifake_core.images.image_set import ImageSet, Part, TrainingData
from cifake_core.progress import Progress, silent
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

VERSION = 2  # raise it whenever a check would come out differently
FILE = f"ood-{VERSION}.safetensors"
HELD_OUT = 2000  # validation images on which bounds are chosen
LEARNED_FROM = 50_000  # training images the small network sees
MEASURED = 4000  # training images whose statistics are the measure
SEEN = 1000  # training images whose features are the measure
_SCENES = 1500  # at most; no more than there are training images
_FIRST_SCENE = 5_000_000  # seeds no dataset of rendered scenes has
_PART = "domain.safetensors"


def fitted(workspace: Workspace, image_set: ImageSet, data: TrainingData, network: nn.Module, on_progress: Progress = silent) -> Check:
    """The check of a network trained on those images. Test images are not touched."""
    device = next(network.parameters()).device
    part = dataset_part(workspace, image_set, data, on_progress)
    space = FeatureSpace.fitted(penultimate(network, _sample(data.train, SEEN), device))
    return Check.fitted(part, space, penultimate(network, _sample(data.validation, HELD_OUT), device))


def dataset_part(workspace: Workspace, image_set: ImageSet, data: TrainingData, on_progress: Progress = silent) -> DatasetPart:
    """Fitted once a dataset; whoever asks meanwhile waits. A damaged one is fitted again."""
    folder = workspace.home / "domains" / f"{image_set.digest[:16]}-{VERSION}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if (folder / artifacts.RECORD).exists():
            try:
                return _kept_part(folder, (folder / artifacts.RECORD).stat().st_mtime_ns)
            except (Damaged, NotFound):
                return _fitted_part(image_set, data, on_progress)
        part = _fitted_part(image_set, data, on_progress)
        with artifacts.whole_folder(folder) as temporary:
            checks.write(temporary / _PART, checks.tensors_of(part), part.domain)
            artifacts.write_record(temporary, {"dataset": image_set.name, "digest": image_set.digest}, [_PART])
        return _kept_part(folder, (folder / artifacts.RECORD).stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _kept_part(folder: Path, _modified_ns: int) -> DatasetPart:
    return checks.dataset_part(*checks.read(artifacts.verify(folder, _PART)))


def _fitted_part(image_set: ImageSet, data: TrainingData, on_progress: Progress) -> DatasetPart:
    formats = image_set.record.get("formats", {})
    jpeg = bool(formats) and max(formats, key=formats.get) == "JPEG"
    learned = domain_network.fit(_sample(data.train, LEARNED_FROM), jpeg=jpeg, scenes=_scenes(image_set, min(_SCENES, len(data.train)), jpeg), seed=0, on_progress=on_progress)
    appearance = Appearance.fitted(_sample(data.train, MEASURED))
    part = DatasetPart(appearance, learned, np.zeros((0, 3), np.float32), Domain.of(image_set))
    held_out = part.scores(_sample(data.validation, HELD_OUT)).astype(np.float32)
    return DatasetPart(appearance, learned, held_out, part.domain)


def _scenes(image_set: ImageSet, count: int, jpeg: bool) -> np.ndarray | None:
    """Rendered scenes uint8 (n, 3, 32, 32) as outliers; None for a dataset that holds such scenes itself."""
    makers = image_set.record.get("generators", {})
    if image_set.record.get("kind") == "rendered" or any("demo" in name for name in makers):
        return None
    frames = render_frames([(number % 10, _FIRST_SCENE + number) for number in range(count)])
    pixels = np.ascontiguousarray(np.stack([frame.pixels for frame in frames]).transpose(0, 3, 1, 2))
    return through_jpeg(pixels) if jpeg else pixels


def _sample(part: Part, most: int) -> np.ndarray:
    """uint8 (≤ most, 3, H, W) drawn without replacement by a fixed seed, in the order of the part."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(part))[:most])
    return np.ascontiguousarray(part.split_pixels[part.rows[chosen]])


def has_domain(run: Run) -> bool:
    """Whether this project trained the run's network: of a ready-made detector's training images nothing is known here."""
    return not is_forensic(run.topology)


def opened(workspace: Workspace, run: Run) -> Check | None:
    """The run's stored check; None where there is none yet. Raises Damaged or NotFound for one that is not whole."""
    if FILE in run.record["sha256"]:
        folder = run.folder
    else:
        folder = _folder(workspace, run)
        if not (folder / artifacts.RECORD).exists():
            return None
    return _opened(folder, (folder / artifacts.RECORD).stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _opened(folder: Path, _modified_ns: int) -> Check:
    return Check.load(artifacts.verify(folder, FILE))


def needs_fitting(workspace: Workspace, run: Run) -> bool:
    """Whether `computed` would have to work: for seconds, once."""
    return has_domain(run) and FILE not in run.record["sha256"] and not (_folder(workspace, run) / artifacts.RECORD).exists()


def computed(workspace: Workspace, run: Run, network: nn.Module, on_progress: Progress = silent) -> Check:
    """The stored check, or one fitted now and stored: for runs that earlier versions trained.

    Raises NotFound where the dataset is gone, BadInput where it is another one by now or the network is ready-made.
    """
    found = opened(workspace, run)
    if found is not None:
        return found
    if not has_domain(run):
        raise BadInput(f"{run.topology} was trained elsewhere, so nothing here says what lies outside its training images.")
    image_set = ImageSet.open(workspace, run.dataset)
    if image_set.digest != run.record["dataset_digest"]:
        raise BadInput(f"The dataset {run.dataset!r} holds other images than {run.id} was trained on; train the run again.")
    check = fitted(workspace, image_set, image_set.training_data(), network, on_progress)
    folder = _folder(workspace, run)
    try:
        with artifacts.whole_folder(folder) as temporary:
            check.save(temporary / FILE)
            artifacts.write_record(temporary, {"run": run.id, "held_out": len(check.held_out)}, [FILE])
    except Conflict:  # another process made the same meanwhile
        pass
    return _opened(folder, (folder / artifacts.RECORD).stat().st_mtime_ns)


def _folder(workspace: Workspace, run: Run) -> Path:
    """`ood/<run>-<weights>-<version>`: other weights have another check."""
    return workspace.home / "ood" / f"{run.id}-{run.record['sha256'][WEIGHTS][:10]}-{VERSION}"
