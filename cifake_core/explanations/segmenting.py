"""Guesses where the entity is, from the pixels of one picture and with no download: GrabCut, saliency, the centre.

How good they are is measured in masks.py, against pictures whose truth is known.
"""

import cv2
import numpy as np

from cifake_core.progress import Progress, silent

GUESSES = ("grabcut", "saliency", "centre")
CENTRE_AREA = 0.24  # share of the picture; measured: the demo world's entities cover 0.237 on average
PROBABLE = 0.45  # share of the picture that GrabCut begins with as probably the entity
SMALLEST, LARGEST = 0.04, 0.9  # shares of the picture a segmentation may take for the entity; beyond, the prior stands in


def segmented(pixels: np.ndarray, source: str, on_progress: Progress = silent) -> np.ndarray:
    """Guessed masks bool (n, H, W) of pixels uint8 (n, 3, H, W) by "grabcut", "saliency" or "centre"."""
    if source == "centre":
        return np.broadcast_to(centre(pixels.shape[2:]), (len(pixels), *pixels.shape[2:])).copy()
    how = {"grabcut": grabcut, "saliency": saliency}[source]
    found = np.zeros((len(pixels), *pixels.shape[2:]), bool)
    for row in range(len(pixels)):
        if row % 100 == 0:
            on_progress(row, len(pixels), "Finding the entities")
        found[row] = how(np.ascontiguousarray(pixels[row].transpose(1, 2, 0)))
    return found


def grabcut(picture: np.ndarray, rounds: int = 3) -> np.ndarray:
    """Rother et al. 2004, OpenCV's, on uint8 (H, W, 3), begun from saliency and the prior of the centre.

    The outermost ring of pixels begins as background, the salient part of the middle as entity. A result that takes
    nearly nothing or nearly everything is replaced by the salient part.
    """
    height, width = picture.shape[:2]
    strength = contrast(picture) * _bell(height, width)
    threshold = np.quantile(strength, 1 - PROBABLE)
    labels = np.where(strength > threshold, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[strength > np.quantile(strength, 0.9)] = cv2.GC_FGD
    labels[0], labels[-1], labels[:, 0], labels[:, -1] = (cv2.GC_BGD,) * 4
    cv2.setRNGSeed(0)  # its mixtures of colours begin from random centres
    try:
        cv2.grabCut(picture, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # a picture of too few colours for its mixtures
        return saliency(picture)
    found = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return found if SMALLEST <= found.mean() <= LARGEST else saliency(picture)


def saliency(picture: np.ndarray) -> np.ndarray:
    """The part of uint8 (H, W, 3) whose colours differ most from the border's, weighted to the middle, split by Otsu 1979."""
    strength = contrast(picture) * _bell(*picture.shape[:2])
    scaled = (255 * strength / max(float(strength.max()), 1e-9)).astype(np.uint8)
    _, mask = cv2.threshold(scaled, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    found = mask.astype(bool)
    return found if SMALLEST <= found.mean() <= LARGEST else centre(picture.shape[:2])


def contrast(picture: np.ndarray) -> np.ndarray:
    """(H, W) ≥ 0: each colour's Mahalanobis distance, in CIE Lab, from the colours along the border of the picture.

    The boundary prior of Wei et al. 2012, with one Gaussian for the border.
    """
    lab = cv2.cvtColor(cv2.GaussianBlur(picture, (3, 3), 0), cv2.COLOR_RGB2LAB).astype(np.float64)
    border = np.concatenate([lab[:2].reshape(-1, 3), lab[-2:].reshape(-1, 3), lab[:, :2].reshape(-1, 3), lab[:, -2:].reshape(-1, 3)])
    off = lab - border.mean(0)
    inverse = np.linalg.inv(np.cov(border.T) + 4 * np.eye(3))  # 2 levels of noise keep a flat border invertible
    return np.sqrt(np.einsum("hwi,ij,hwj->hw", off, inverse, off))


def centre(size: tuple[int, ...], area: float = CENTRE_AREA) -> np.ndarray:
    """A disc in the middle, (H, W), of that share of the picture: what a mask is worth that looked at no pixel."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    distance = ((rows - (height - 1) / 2) / height) ** 2 + ((columns - (width - 1) / 2) / width) ** 2
    found = np.zeros(height * width, bool)
    found[np.argsort(distance, axis=None, kind="stable")[: round(area * height * width)]] = True
    return found.reshape(height, width)


def _bell(height: int, width: int) -> np.ndarray:
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    return np.exp(-(rows**2 + columns**2) / 0.9)
