"""Where the entity is: masks from the demo world's truth, from segmentation without any download, from a prior, or given.

A mask is bool (H, W), true on the entity. Segmentations are guesses, and `measured_quality` says how good: they are held
against the demo world, where the truth is known. It does not know networks or maps.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from cifake_core.errors import BadInput, NotFound
from cifake_core.explanations import given_masks
from cifake_core.explanations.resampling import Mean, Resampled
from cifake_core.explanations.segmenting import GUESSES, segmented
from cifake_core.generators.demo_set import RENDERER
from cifake_core.generators.demo_world import Artefact, plant, render, render_frame
from cifake_core.images.image_set import Part
from cifake_core.progress import Progress, silent
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

USER = "user"  # masks drawn on the pages; see drawn_masks.py
SOURCES = ("auto", "truth", *GUESSES, USER)  # besides given masks: a folder, a file, or "imported:<name>"
_TEST_SEED = 900_000  # first seed of the pictures that segmentations are measured on


@dataclass(frozen=True)
class Masks:
    """Masks of n images."""

    entity: np.ndarray  # bool (n, H, W)
    known: np.ndarray  # bool (n,): false where this source says nothing of an image
    source: str  # truth, grabcut, saliency, centre, user, imported or imported:<name>


def entity_masks(part: Part, rows: np.ndarray, source: str = "auto", on_progress: Progress = silent) -> Masks:
    """Masks of the images at those rows of a part. `source`: one of SOURCES, or a folder, .zip or .npz of masks.

    "auto" takes the truth where all images are rendered, else GrabCut. Raises BadInput or NotFound.
    """
    manifest = part.manifest.iloc[rows]
    chosen = checked_source(source)
    if chosen == "auto":
        chosen = "truth" if rendered(manifest).all() and len(rows) else "grabcut"
    if chosen == "truth":
        return true_masks(manifest, on_progress)
    if chosen == USER or chosen.startswith(given_masks.PREFIX):
        raise BadInput("Painted and kept masks lie in a workspace; read them by kept_masks.")
    if chosen not in SOURCES:
        return imported(Path(chosen), manifest["image_id"].to_numpy(), on_progress)
    found = segmented(part.pixels[rows], chosen, on_progress)
    return Masks(found, np.ones(len(found), bool), chosen)


def checked_source(source: str) -> str:
    """The source itself; raises BadInput for one that is neither known nor a file or folder that is there."""
    if source.startswith(given_masks.PREFIX):
        checked_name(source.removeprefix(given_masks.PREFIX))
    elif source not in SOURCES and not Path(source).exists():
        raise BadInput(
            f"{source[:80]!r} is no source of masks; take {', '.join(SOURCES)}, a folder, .zip or .npz of masks, or "
            f"{given_masks.PREFIX}<name> for those imported on the pages."
        )
    return source


# --- truth ------------------------------------------------------------------------------------------------------------


def rendered(manifest: pd.DataFrame) -> np.ndarray:
    """(n,) true for images of the demo world, whose masks can be rendered again."""
    return np.array([_provenance(text).get("renderer") == RENDERER for text in manifest["provenance"]], bool)


def true_masks(manifest: pd.DataFrame, on_progress: Progress = silent) -> Masks:
    """The demo world's own masks, rendered again from class and seed; images of other makers are not known."""
    masks, known = np.zeros((len(manifest), 32, 32), bool), rendered(manifest)
    for row in np.flatnonzero(known):
        on_progress(int(row), len(manifest), "Rendering the true masks")
        made = _provenance(manifest["provenance"].iloc[row])
        masks[row] = render_frame(made["class"], made["seed"]).mask
    return Masks(masks, known, "truth")


def artefact_masks(manifest: pd.DataFrame, on_progress: Progress = silent) -> Masks:
    """Where an artefact was planted (see `planting.py`), planted again from the seeds; not known for images without."""
    masks, known = np.zeros((len(manifest), 32, 32), bool), np.zeros(len(manifest), bool)
    for row, text in enumerate(manifest["provenance"]):
        made = _provenance(text)
        if made.get("renderer") != RENDERER or "planted" not in made:
            continue
        on_progress(row, len(manifest), "Planting again")
        frame, asked = render_frame(made["class"], made["seed"]), made["planted"]
        artefact = Artefact(asked["kind"], asked["strength"], asked["area"])
        masks[row] = plant(frame.pixels, frame.mask, artefact, asked["where"], asked["seed"]).artefact_mask
        known[row] = True
    return Masks(masks, known, "truth")


def _provenance(text: str) -> dict:
    try:
        found = json.loads(text or "{}")
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


# --- given by people or better models ---------------------------------------------------------------------------------


def drawn(mask: np.ndarray, size: tuple[int, int] = (32, 32)) -> np.ndarray:
    """A user's own mask of any size, (H, W) or (H, W, 4) as a canvas gives it, at the size of the image. Raises BadInput."""
    mask = np.asarray(mask)
    if mask.ndim == 3:
        mask = mask[..., -1] if mask.shape[2] in (2, 4) else mask.max(axis=2)
    if mask.ndim != 2 or not mask.size:
        raise BadInput(f"A mask of shape {mask.shape} was given; give one number a pixel.")
    share = cv2.resize((mask > 0).astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    if not (share >= 0.5).any():
        raise BadInput("The mask is empty; draw over the entity first.")
    return share >= 0.5


def imported(folder: Path, image_ids: np.ndarray, on_progress: Progress = silent) -> Masks:
    """Masks made elsewhere (see given_masks.py); images without one are marked as not known. Raises NotFound or BadInput."""
    return Masks(*given_masks.matched(given_masks.opened(folder), image_ids, on_progress), "imported")


# --- how good a guess is ----------------------------------------------------------------------------------------------


def overlap(guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union (n,) of masks (n, H, W); 1 where both are empty."""
    both, either = (guess & truth).sum((1, 2)), (guess | truth).sum((1, 2))
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


@dataclass(frozen=True)
class Examples:
    """Rendered pictures with the truth and a guess: what a page shows beside the figures of `measured_quality`."""

    pixels: np.ndarray  # uint8 (n, H, W, 3)
    truth: np.ndarray  # bool (n, H, W)
    guess: np.ndarray  # bool (n, H, W)


def examples(source: str, n: int, on_progress: Progress = silent) -> Examples:
    """n pictures of the demo world, classes in turn, as stored after JPEG, and what a segmentation makes of them."""
    pictures = [render(i % 10, _TEST_SEED + i // 10) for i in range(n)]
    pixels = np.stack([picture.pixels for picture in pictures])
    guess = segmented(pixels.transpose(0, 3, 1, 2), source, on_progress)
    return Examples(pixels, np.stack([picture.mask for picture in pictures]), guess)


def measured_quality(source: str, n: int = 300, on_progress: Progress = silent) -> dict[str, Mean]:
    """{"iou", "entity_found", "entity_pure"}: intersection over union, share of the entity found, and share of the guess
    that is entity, of "grabcut", "saliency" or "centre" over n pictures of the demo world.
    """
    shown = examples(source, n, on_progress)
    both = (shown.guess & shown.truth).sum((1, 2))
    measured = {
        "iou": overlap(shown.guess, shown.truth),
        "entity_found": both / np.maximum(shown.truth.sum((1, 2)), 1),
        "entity_pure": both / np.maximum(shown.guess.sum((1, 2)), 1),
    }
    resampled = Resampled(np.zeros(n, np.int8))
    return {name: resampled.mean(values) for name, values in measured.items()}


def user_folder(workspace: Workspace) -> Path:
    """Where masks drawn by the user lie."""
    return workspace.home / "masks" / USER


def fingerprint(workspace: Workspace, source: str) -> str:
    """"" for masks made here; for given ones a digest of what lies there, so that changed masks are new ones."""
    if source in SOURCES and source != USER:
        return ""
    place = _place(workspace, source)
    there = place.iterdir() if place.is_dir() else (place,)
    files = sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in there if f.is_file())
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def _place(workspace: Workspace, source: str) -> Path:
    """The folder or file of given masks."""
    if source == USER:
        return user_folder(workspace)
    return given_masks.of_source(workspace, source) if source.startswith(given_masks.PREFIX) else Path(source)


def kept_masks(
    workspace: Workspace, part: Part, dataset_digest: str, source: str, on_progress: Progress = silent
) -> Masks:
    """Masks of every image of a part, computed once a workspace and then read: they cost minutes for a whole test set.

    Besides `entity_masks`' sources: "user", the masks drawn on the pages, and "imported:<name>", those imported there.
    Given masks are read anew each time: they may have changed. Raises NotFound where there are none.
    """
    if source == USER:
        return _drawn_by_user(workspace, part)
    if source not in SOURCES:
        return replace(imported(_place(workspace, source), part.image_ids, on_progress), source=_named(source))
    if source == "centre":
        return entity_masks(part, np.arange(len(part)), source, on_progress)
    asked = f"1/{dataset_digest}/{part.name}/{source}/{RENDERER}/{cv2.__version__}"
    path = workspace.home / "masks" / f"{hashlib.sha256(asked.encode()).hexdigest()[:16]}.npz"
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as file:
                entity = np.unpackbits(file["packed"], axis=1).astype(bool).reshape(-1, 32, 32)
                return Masks(entity, file["known"], str(file["source"]))
        except (ValueError, KeyError, OSError, EOFError):
            path.unlink(missing_ok=True)
    made = entity_masks(part, np.arange(len(part)), source, on_progress)
    packed = np.packbits(made.entity.reshape(len(made.entity), -1), axis=1)
    with artifacts.whole_file(path) as temporary:
        np.savez_compressed(temporary, packed=packed, known=made.known, source=made.source)
    return made


def _named(source: str) -> str:
    """How a result calls given masks: by the name they are kept under, never by a path of this machine."""
    return source if source.startswith(given_masks.PREFIX) else "imported"


def _drawn_by_user(workspace: Workspace, part: Part) -> Masks:
    none = "No mask has been drawn on these images yet; draw some on the page Try an image."
    if not user_folder(workspace).is_dir():
        raise NotFound(none)
    try:
        return replace(imported(user_folder(workspace), part.image_ids), source=USER)
    except NotFound as error:
        raise NotFound(none) from error
