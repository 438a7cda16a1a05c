"""Eleven numbers of how a picture looks, each with a name a user understands. They know no label and no network.

Spectrum and colour planes are those of the audit; here the numbers are few, so that each can be a bar of a chart.
"""

import cv2
import numpy as np

from cifake_core.images.statistics import RINGS, luma_and_chroma, radial_power, saturation
from cifake_core.progress import Progress, silent

CHUNK = 1000
BLOCK = 8  # pixels: the side of JPEG's blocks
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)

MEASURES = {  # name → what it is, one sentence for a page
    "brightness": "Mean luma.",
    "contrast": "Standard deviation of luma.",
    "saturation": "Mean saturation (HSV).",
    "colourfulness": "Hasler and Süsstrunk 2003: spread and strength of the opponent colours.",
    "warmth": "Mean of red less mean of blue.",
    "spectrum slope": "How steeply power falls with frequency: minus the slope of log power over log cycles; more = less fine detail.",
    "fine detail": "Log power of luma at 9 cycles a picture and above.",
    "fine colour": "The same of the two colour differences.",
    "edges": "Mean length of the gradient of luma (Sobel).",
    "noise": "Immerkær 1996: standard deviation of noise from a difference of Laplacians.",
    "blockiness": "Steps of luma at borders of 8 × 8 blocks less steps inside them: JPEG's trace.",
}


def measured(pixels: np.ndarray, on_progress: Progress = silent) -> np.ndarray:
    """float32 (n, 11), columns as in MEASURES, of images uint8 (n, 3, H, W)."""
    found = np.empty((len(pixels), len(MEASURES)), np.float32)
    for start in range(0, len(pixels), CHUNK):
        on_progress(start, len(pixels), "Measuring the images")
        found[start : start + CHUNK] = _chunk(pixels[start : start + CHUNK].astype(np.float32))
    return found


def _chunk(images: np.ndarray) -> np.ndarray:
    luma, *chroma = luma_and_chroma(images)
    flat = images.reshape(len(images), 3, -1)
    power, colour = radial_power(luma), (radial_power(chroma[0]) + radial_power(chroma[1])) / 2
    fine = slice(RINGS // 2, None)
    columns = (
        luma.mean((1, 2)),
        luma.std((1, 2)),
        saturation(flat).mean(1),
        _colourfulness(flat),
        flat[:, 0].mean(1) - flat[:, 2].mean(1),
        _slope(power),
        power[:, fine].mean(1),
        colour[:, fine].mean(1),
        *np.array([_edges_and_noise(plane) for plane in luma]).T,
        _blockiness(luma),
    )
    return np.stack(columns, 1)


def _colourfulness(flat: np.ndarray) -> np.ndarray:
    """(n,): √(σ²_rg + σ²_yb) + 0.3 √(μ²_rg + μ²_yb)."""
    red_green, yellow_blue = flat[:, 0] - flat[:, 1], (flat[:, 0] + flat[:, 1]) / 2 - flat[:, 2]
    spread = np.sqrt(red_green.var(1) + yellow_blue.var(1))
    return spread + 0.3 * np.sqrt(red_green.mean(1) ** 2 + yellow_blue.mean(1) ** 2)


def _slope(power: np.ndarray) -> np.ndarray:
    """Minus the least-squares slope (n,) of log₁₀ power (n, RINGS) over log₁₀ of the frequency."""
    x = np.log10(np.arange(1, power.shape[1] + 1))
    x = x - x.mean()
    return -(power @ x) / (x @ x)


def _edges_and_noise(luma: np.ndarray) -> tuple[float, float]:
    across, down = (cv2.Sobel(luma, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    left = cv2.filter2D(luma, cv2.CV_32F, _LAPLACIAN)[1:-1, 1:-1]
    return float(np.hypot(across, down).mean() / 8), float(np.sqrt(np.pi / 2) / 6 * np.abs(left).mean())


def _blockiness(luma: np.ndarray) -> np.ndarray:
    """(n,): mean step across the borders of blocks less the mean step elsewhere, both ways."""
    found = 0
    for axis in (1, 2):
        steps = np.abs(np.diff(luma, axis=axis)).mean(3 - axis)  # (n, side − 1)
        border = np.arange(1, steps.shape[1] + 1) % BLOCK == 0
        found = found + (steps[:, border].mean(1) - steps[:, ~border].mean(1)) / 2
    return found
