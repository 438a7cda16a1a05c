"""The hottest place of each map: where it is, what the picture shows there, and which of these places are alike.

Pixels and maps in, positions and groups out; it knows no network. Grouping is k-means (Lloyd 1982, scikit-learn's,
started by k-means++), so groups are a reader's aid and not kinds of nature.
"""

import cv2
import numpy as np

PATCH = 10  # pixels: the side of what is cut out around the hottest pixel
_CELLS = 3  # the patch is described on 3 × 3 cells
_DIRECTIONS = 6  # of edges, over half a turn


def hottest(heat: np.ndarray) -> np.ndarray:
    """Top left corner (n, 2) as (y, x) of the PATCH around the hottest place of maps (n, H, W), inside the picture.

    The place is the middle of all pixels that share the maximum, so that a flat map points to the middle.
    """
    height, width = heat.shape[1:]
    top = heat >= heat.max(axis=(1, 2), keepdims=True)
    rows, columns = np.mgrid[:height, :width]
    count = top.sum((1, 2))
    centre = np.stack([(top * axis).sum((1, 2)) / count for axis in (rows, columns)], 1)
    corner = np.rint(centre - (PATCH - 1) / 2).astype(int)
    return np.clip(corner, 0, [height - PATCH, width - PATCH])


def patches(pixels: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """uint8 (n, 3, PATCH, PATCH) of images uint8 (n, 3, H, W) at those corners (n, 2)."""
    y = corners[:, 0, None, None] + np.arange(PATCH)[:, None]
    x = corners[:, 1, None, None] + np.arange(PATCH)[None, :]
    images = np.arange(len(pixels))[:, None, None]
    return pixels[images, :, y, x].transpose(0, 3, 1, 2)


def described(cut: np.ndarray) -> np.ndarray:
    """What patches uint8 (n, 3, P, P) look like, float32 (n, 35): Lab of 9 cells, spread, edges by direction, fine detail."""
    return np.stack([_one(patch) for patch in cut.transpose(0, 2, 3, 1)]) if len(cut) else np.zeros((0, 35), np.float32)


def _one(patch: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(np.ascontiguousarray(patch), cv2.COLOR_RGB2LAB).astype(np.float32)
    cells = cv2.resize(lab, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).ravel()  # 27
    luma = lab[..., 0]
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    length, angle = np.hypot(across, down), np.arctan2(down, across) % np.pi
    turn = np.minimum((angle / np.pi * _DIRECTIONS).astype(int), _DIRECTIONS - 1)
    edges = np.bincount(turn.ravel(), length.ravel(), _DIRECTIONS) / length.size  # 6
    fine = np.abs(luma - cv2.GaussianBlur(luma, (3, 3), 0)).mean()
    return np.concatenate([cells, np.sqrt(edges), [luma.std(), fine]]).astype(np.float32)


def grouped(numbers: np.ndarray, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Group (n,) and distance to its centre (n,) of each row of numbers (n, d), the largest group first; k ≤ n groups."""
    from sklearn.cluster import KMeans

    k = min(k, len(np.unique(numbers, axis=0)))
    if not k:
        return np.zeros(0, int), np.zeros(0, np.float32)
    found = KMeans(k, n_init=4, random_state=seed).fit(numbers)
    away = np.linalg.norm(numbers - found.cluster_centers_[found.labels_], axis=1)
    order = np.argsort(-np.bincount(found.labels_, minlength=k), kind="stable")
    return np.argsort(order)[found.labels_], away


def standardised(numbers: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and spread 1; a constant one becomes 0."""
    spread = numbers.std(0)
    return (numbers - numbers.mean(0)) / np.where(spread > 0, spread, 1)
