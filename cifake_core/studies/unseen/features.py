"""Numbers of a picture that tell how it was made rather than what it shows: residuals, their neighbours, grids, values.

High-pass residuals and co-occurrences come from steganalysis (Fridrich and Kodovsky 2012, "rich models"), first used on
generated images by Cozzolino et al. 2017. We differ: pictures of 32 × 32 have too few pixels for fourth-order
co-occurrences, so pairs are counted, beside moments and autocovariances. They do not know labels.
"""

from collections.abc import Callable

import numpy as np

from cifake_core.images.statistics import statistics
from cifake_core.progress import Progress, silent

_CHUNK = 1000  # images at once: a float32 plane of them is 4 MB

_SQUARE_5 = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
KERNELS: dict[str, np.ndarray] = {
    "first, across": np.array([[-1.0, 1]]),
    "first, down": np.array([[-1.0], [1]]),
    "second, across": np.array([[1, -2, 1]]) / 2,
    "second, down": np.array([[1], [-2], [1]]) / 2,
    "third, across": np.array([[1, -3, 3, -1]]) / 3,
    "third, down": np.array([[1], [-3], [3], [-1]]) / 3,
    "square 3": np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4,
    "edge 3": np.array([[-1, 2, -1], [2, -4, 2]]) / 4,
    "square 5": np.array(_SQUARE_5) / 12,
    "diagonal": np.array([[1.0, -1], [-1, 1]]),
}
_PAIRED = (
    ("first, across", 3), ("first, down", 2), ("second, across", 3), ("second, down", 2), ("square 3", 3), ("square 3", 2), ("diagonal", 3),
)  # fmt: skip
_LEVELS = 2  # a residual is rounded to −2 … 2 steps before its pairs are counted
_STEPS = (1.0, 4.0)  # grey levels a step: for what compression leaves, and for what it takes


def filtered(planes: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """float32 (n, c, H, W) correlated with a kernel (h, w), only where it fits: (n, c, H − h + 1, W − w + 1)."""
    height, width = planes.shape[-2] - kernel.shape[0] + 1, planes.shape[-1] - kernel.shape[1] + 1
    out = np.zeros((*planes.shape[:2], height, width), np.float32)
    for (i, j), weight in np.ndenumerate(kernel):
        if weight:
            out += np.float32(weight) * planes[..., i : i + height, j : j + width]
    return out


def luma_chroma(images: np.ndarray) -> np.ndarray:
    """float32 (n, 3, H, W) RGB → Y, Cb, Cr as JPEG divides a picture (ITU-R BT.601)."""
    red, green, blue = images[:, 0], images[:, 1], images[:, 2]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, 0.564 * (blue - luma), 0.713 * (red - luma)], axis=1)


def residuals(images: np.ndarray) -> np.ndarray:
    """(n, 840): size and shape of each kernel's residual in R, G, B, Y, Cb, Cr: moments, and shares below levels."""
    planes = np.concatenate([images, luma_chroma(images)], axis=1)
    return np.concatenate([_shape_of(filtered(planes, kernel).reshape(len(images), 6, -1)) for kernel in KERNELS.values()], axis=1)


def _shape_of(residual: np.ndarray) -> np.ndarray:
    size = np.abs(residual)
    mean = size.mean(axis=2) + 0.1
    relative = size / mean[..., None]
    found = [
        np.log(mean),
        np.log(np.sqrt((residual**2).mean(axis=2)) + 0.1) - np.log(mean),
        (residual * residual * residual).mean(axis=2) / mean**3,
        *((relative < level).mean(axis=2) for level in (0.25, 0.5, 1, 2, 3, 4)),
        *((size < level).mean(axis=2) for level in (0.5, 1.5, 3, 6, 12)),
    ]
    return np.concatenate(found, axis=1)


def pairs(images: np.ndarray) -> np.ndarray:
    """(n, 504): how often neighbouring residuals take each pair of rounded values, in R, G, B and Y; square roots.

    A pair counts with its mirror images and its negative, which a natural picture does not tell apart.
    """
    planes = np.concatenate([images, luma_chroma(images)[:, :1]], axis=1)
    found = []
    for name, axis in _PAIRED:
        residual = filtered(planes, KERNELS[name])
        found += [_pair_shares(residual / step, axis) for step in _STEPS]
    return np.sqrt(np.concatenate(found, axis=1))


def _pair_shares(residual: np.ndarray, axis: int) -> np.ndarray:
    side = 2 * _LEVELS + 1
    level = np.clip(np.rint(residual), -_LEVELS, _LEVELS).astype(np.int64) + _LEVELS
    one, other = (level[..., 1:], level[..., :-1]) if axis == 3 else (level[..., 1:, :], level[..., :-1, :])
    code = (one * side + other).reshape(len(level) * level.shape[1], -1)
    offset = np.arange(len(code))[:, None] * side**2
    counts = np.bincount((code + offset).ravel(), minlength=len(code) * side**2)
    shares = counts.reshape(len(code), side, side) / code.shape[1]
    shares = shares + shares.transpose(0, 2, 1)
    shares = (shares + shares[:, ::-1, ::-1]).reshape(len(code), -1)
    index = np.arange(side**2).reshape(side, side)
    alike = np.minimum(np.minimum(index, index.T), np.minimum(index[::-1, ::-1], index.T[::-1, ::-1]))
    return shares[:, np.unique(alike)].reshape(len(level), -1)


def neighbours(images: np.ndarray, reach: int = 4) -> np.ndarray:
    """Autocovariances of residuals up to `reach` pixels away, and between colours, each over the variance: an up-sampling
    layer leaves its period here, a colour camera its own correlation (n, 516).
    """
    planes, found = np.concatenate([images, luma_chroma(images)[:, :1]], axis=1), []
    for name in ("square 3", "first, across", "first, down"):
        residual = filtered(planes, KERNELS[name])
        residual -= residual.mean(axis=(2, 3), keepdims=True)
        variance = (residual**2).mean(axis=(2, 3)) + 0.5
        height, width = residual.shape[2:]
        for down in range(reach + 1):
            for right in range(-reach, reach + 1):
                if down == 0 and right <= 0:
                    continue
                here = residual[:, :, down:, max(0, right) : width + min(0, right)]
                there = residual[:, :, : height - down, max(0, -right) : width - max(0, right)]
                found.append((here * there).mean(axis=(2, 3)) / variance)
        found += _between_colours(residual, variance)
    return np.concatenate(found, axis=1)


def _between_colours(residual: np.ndarray, variance: np.ndarray) -> list[np.ndarray]:
    height, width = residual.shape[2:]
    return [
        ((residual[:, one, down:, right:] * residual[:, other, : height - down, : width - right]).mean(axis=(1, 2))
         / np.sqrt(variance[:, one] * variance[:, other]))[:, None]
        for one, other in ((0, 1), (0, 2), (1, 2))
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]  # fmt: skip


def values_and_grids(images: np.ndarray) -> np.ndarray:
    """(n, 64): shares of the darkest and brightest values, range, different values; the border against the inside (how
    layers pad); and how differences depend on their place modulo 2, 4 and 8 (up-sampling, JPEG's blocks).
    """
    flat = images.reshape(len(images), 3, -1)
    found = [np.sqrt((flat == value).mean(axis=2)) for value in (0, 1, 2, 3, 252, 253, 254, 255)]
    ordered = np.sort(flat, axis=2)
    different = (np.diff(ordered, axis=2) != 0).sum(axis=2) / 256
    found += [ordered[..., 0] / 255, ordered[..., -1] / 255, different, _step_at(images, 0) - _step_at(images, 1)]
    gray = images.mean(axis=1)
    for axis in (1, 2):
        profile = np.abs(np.diff(gray, axis=axis)).mean(axis=3 - axis)
        for period in (2, 4, 8):
            phase = np.log(np.stack([profile[:, start::period].mean(axis=1) for start in range(period)], axis=1) + 0.5)
            found.append(phase - phase.mean(axis=1, keepdims=True))
    return np.concatenate(found, axis=1)


def _step_at(images: np.ndarray, depth: int) -> np.ndarray:
    """(n, 3): log of the mean step between the ring of pixels `depth` from the border and the next one inwards."""

    def ring(at: int) -> np.ndarray:
        return np.concatenate([images[:, :, at], images[:, :, -1 - at], images[:, :, :, at], images[:, :, :, -1 - at]], axis=2)

    return np.log(np.abs(ring(depth) - ring(depth + 1)).mean(axis=2) + 0.5)


def spectrum(images: np.ndarray) -> np.ndarray:
    """(n, 192): log power of Y, Cb and Cr on an 8 × 8 grid of frequencies, directions mirrored; Hann window."""
    planes = luma_chroma(images)
    window = np.hanning(images.shape[-1] + 2)[1:-1]
    planes = (planes - planes.mean(axis=(2, 3), keepdims=True)) * np.outer(window, window)
    power = np.log(np.abs(np.fft.rfft2(planes)) ** 2 / window.size**2 + 0.1)  # (n, 3, 32, 17)
    folded = (power[:, :, 1:17] + power[:, :, :15:-1]) / 2  # 1 … 16 and −1 … −16 cycles down
    blocks = folded[..., 1:].reshape(len(images), 3, 8, 2, 8, 2).mean(axis=(3, 5))
    return blocks.reshape(len(images), -1).astype(np.float32)


def _global(images: np.ndarray) -> np.ndarray:
    """The 74 numbers of the audit's baseline."""
    return np.concatenate(statistics([images]), axis=1)


GROUPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "global": _global,
    "residuals": residuals,
    "pairs": pairs,
    "neighbours": neighbours,
    "values": values_and_grids,
    "spectrum": spectrum,
}


def measured(pixels: np.ndarray, group: str, on_progress: Progress = silent) -> np.ndarray:
    """float32 (n, k): that group of numbers for images uint8 (n, 3, 32, 32)."""
    parts = []
    for start in range(0, len(pixels), _CHUNK):
        on_progress(start, len(pixels), f"Measuring {group}")
        chunk = pixels[start : start + _CHUNK]
        parts.append(GROUPS[group](chunk if group == "global" else chunk.astype(np.float32)).astype(np.float32))
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
