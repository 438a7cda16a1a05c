"""What is done to images to learn what a verdict needs: a region blurred, flattened, filtered or swapped.

Images are float32 (n, 3, H, W) in [0, 1], masks bool (n, H, W), true where something is to be done. It knows no networks.
"""

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

BLUR = 2.0  # pixels, of a Gaussian: shapes go, colours stay
CUT = 1.0  # pixels, of the Gaussian that parts fine detail from coarse

TREATMENTS = {
    "blur": "blurred",
    "mean": "replaced by its mean colour",
    "low": "without its fine detail (low-pass)",
    "high": "without its coarse shading (high-pass)",
}

FLOORS = {
    "flat": "both regions replaced by their mean colours",
    "outline": "two colours, the same in every image: the outline alone",
}


def treated(images: np.ndarray, masks: np.ndarray, treatment: str) -> np.ndarray:
    """The images with the masked pixels treated; a region that is empty changes nothing."""
    region = masks[:, None]
    if treatment == "blur":
        new = _blurred(images, BLUR)
    elif treatment == "low":
        new = _blurred(images, CUT)
    elif treatment == "high":
        new = np.clip(images - _blurred(images, CUT) + mean_colour(images, masks), 0, 1)
    elif treatment == "mean":
        new = np.broadcast_to(mean_colour(images, masks), images.shape)
    else:
        raise ValueError(treatment)
    return np.where(region, new, images).astype(np.float32)


def mean_colour(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Mean colour (n, 3, 1, 1) of the masked pixels; of the whole image where none is."""
    weights = np.where(masks.any((1, 2), keepdims=True), masks, True)[:, None].astype(np.float32)
    return (images * weights).sum((2, 3), keepdims=True) / weights.sum((2, 3), keepdims=True)


def _blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter(images, (0, 0, sigma, sigma), mode="nearest", truncate=3)


def halves(entity: np.ndarray) -> np.ndarray:
    """Half the pixels (n,) of the smaller of entity and background, so that place and shape of a piece are free in both."""
    inside = entity.sum((1, 2))
    return np.minimum(inside, entity[0].size - inside) // 2


def equal_parts(entity: np.ndarray, seed: int = 0, sizes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """One part of each entity and one of each background, of `sizes` (n,) pixels each (None: `halves`).

    A background is often twice as large as its entity, and losing more costs more. Each part is compact: the pixels of
    the region nearest to a random one well inside it.
    """
    parts = np.zeros((2, *entity.shape), bool)
    random = np.random.default_rng(seed)
    for row, (mask, wanted) in enumerate(zip(entity, halves(entity) if sizes is None else sizes, strict=True)):
        if wanted:
            parts[0, row], parts[1, row] = (_compact(region, wanted, random) for region in (mask, ~mask))
    return parts[0], parts[1]


def flat_colours(images: np.ndarray, entity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean colours (n, 3, 1, 1) of each entity and of each background."""
    return mean_colour(images, entity), mean_colour(images, ~entity)


def outlines(entity: np.ndarray, of_entity: np.ndarray, of_background: np.ndarray) -> np.ndarray:
    """Images (n, 3, H, W) of two flat colours, each (n or 1, 3, 1, 1): nothing is left but the outline and the colours."""
    return np.where(entity[:, None], of_entity, of_background).astype(np.float32)


def _compact(region: np.ndarray, wanted: int, random: np.random.Generator) -> np.ndarray:
    depth = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.nonzero(region)
    deep = np.flatnonzero(depth[y, x] >= np.quantile(depth[y, x], 0.5))
    pick = random.choice(deep)
    nearest = np.argsort((y - y[pick]) ** 2 + (x - x[pick]) ** 2, kind="stable")[:wanted]
    chosen = np.zeros_like(region)
    chosen[y[nearest], x[nearest]] = True
    return chosen


def partners(labels: np.ndarray, class_labels: np.ndarray, other: bool, seed: int = 0) -> np.ndarray:
    """For each image the row (n,) of a partner of the same class and of the other label (or the same one, never itself);
    −1 where there is none.
    """
    random, found = np.random.default_rng(seed), np.full(len(labels), -1)
    for class_label in np.unique(class_labels):
        rows = {label: np.flatnonzero((class_labels == class_label) & (labels == label)) for label in (0, 1)}
        for label in (0, 1):
            own, wanted = rows[label], rows[1 - label] if other else rows[label]
            if len(wanted) <= (0 if other else 1):
                continue
            if other:
                found[own] = random.permutation(np.resize(random.permutation(wanted), len(own)))
            else:
                turned = random.permutation(own)
                found[turned] = np.roll(turned, 1)
    return found


def swapped(images: np.ndarray, entity: np.ndarray, backgrounds: np.ndarray) -> np.ndarray:
    """The entities of the images before the backgrounds of others (n, 3, H, W), cut at the mask."""
    return np.where(entity[:, None], images, backgrounds)
