"""Seventy-four numbers of a picture that know nothing of what it shows: its spectrum and its colours.

If a straight line through these separates real from fake, a network may do the same. They do not know labels or files.
"""

import numpy as np
from scipy.fft import rfft2  # keeps single precision, and is seven times as fast as numpy's here

from cifake_core.images.blocks import over_blocks
from cifake_core.progress import Progress, silent

RINGS = 16  # frequencies of 1 … 16 cycles a picture: at a side of 32, up to the finest that pixels can hold
ROUNDING = 1 / 12  # variance of rounding to whole levels
_CHANNELS = ("red", "green", "blue")
_PLANES = ("luma", "blue difference", "red difference")  # Y, Cb, Cr, as JPEG divides a picture
_PERCENTILES = (5, 25, 50, 75, 95)

SPECTRUM_NAMES = tuple(f"{plane} power at {ring} cycles" for plane in _PLANES for ring in range(1, RINGS + 1))
COLOUR_NAMES = (
    *(f"{channel} {moment}" for channel in _CHANNELS for moment in ("mean", "spread", "skewness", "kurtosis")),
    *("red–green correlation", "red–blue correlation", "green–blue correlation"),
    *("saturation mean", "saturation spread", "red–green colourfulness", "yellow–blue colourfulness"),
    *(f"luma percentile {percentile}" for percentile in _PERCENTILES),
    *("share of black values", "share of white values"),
)


def statistics(pixels: list[np.ndarray], on_progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
    """Spectrum (n, 48) and colour (n, 26) of all images of arrays uint8 (n_i, 3, H, W), float32; columns as in
    SPECTRUM_NAMES, COLOUR_NAMES.
    """
    total = sum(map(len, pixels))
    spectrum = np.empty((total, len(SPECTRUM_NAMES)), np.float32)
    colour = np.empty((total, len(COLOUR_NAMES)), np.float32)
    for done, (power, colours) in over_blocks(_of_block, pixels):
        spectrum[done - len(power) : done], colour[done - len(power) : done] = power, colours
        on_progress(done, total, "Measuring spectrum and colour")
    return spectrum, colour


def _of_block(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    images = pixels.astype(np.float32)
    planes = luma_and_chroma(images)
    return np.concatenate([radial_power(plane) for plane in planes], axis=1), _colour(images, planes[0])


def luma_and_chroma(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, Cb and Cr of float (n, 3, H, W) in 0 … 255, each (n, H, W) (ITU-R BT.601, as in JFIF; chroma without its offset)."""
    red, green, blue = images[:, 0], images[:, 1], images[:, 2]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma, 0.564 * (blue - luma), 0.713 * (red - luma)


def radial_power(plane: np.ndarray, rings: int = RINGS) -> np.ndarray:
    """log₁₀ of the mean power at 1 … `rings` cycles a picture, of float (n, H, W): (n, rings).

    Power is |DFT|² / Σw² of the plane less its mean, under a Hann window w: without it the jump from one edge to the other
    drowns the fine frequencies (on CIFAKE it costs seven points of accuracy). A frequency belongs to the ring its radius
    rounds to; the last ring also holds the corners beyond it, where a checkerboard lies, the mark of careless upsampling.
    1/12, the power of rounding to whole levels, is added under the logarithm, so that a flat picture stays finite.
    """
    height, width = plane.shape[-2:]
    window = np.outer(np.hanning(height), np.hanning(width)).astype(plane.dtype)
    transform = rfft2((plane - plane.mean(axis=(1, 2), keepdims=True)) * window)
    power = (transform.real**2 + transform.imag**2) / (window**2).sum()
    vertical = np.fft.fftfreq(height)[:, None] * height
    horizontal = np.fft.rfftfreq(width)[None, :] * width
    ring = np.minimum(np.rint(np.hypot(vertical, horizontal)).astype(int), rings)
    # half of the spectrum is not stored: its mirror counts, too, except in the two columns that have none
    twice = np.broadcast_to(np.where((horizontal == 0) | (horizontal == width / 2), 1.0, 2.0), ring.shape)
    member = ((ring.ravel()[:, None] == np.arange(1, rings + 1)) * twice.ravel()[:, None]).astype(np.float32)
    means = power.reshape(len(plane), -1).astype(np.float32, copy=False) @ (member / member.sum(axis=0))
    return np.log10(ROUNDING + means)


def _colour(images: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """(n, 26), columns as in COLOUR_NAMES; float (n, 3, H, W) in 0 … 255 and its luma (n, H, W)."""
    flat = images.reshape(len(images), 3, -1)  # (n, 3, H·W)
    luma = luma.reshape(len(images), -1)
    ends = np.stack([(flat <= 0).mean(axis=(1, 2)), (flat >= 255).mean(axis=(1, 2))], axis=1)
    percentiles = np.percentile(luma, _PERCENTILES, axis=1).T
    return np.concatenate([_moments(flat), _correlations(flat), _vividness(flat), percentiles, ends], axis=1)


def _moments(flat: np.ndarray) -> np.ndarray:
    """(n, 12): mean, standard deviation, skewness and excess kurtosis of each channel; a flat channel has 0, 0."""
    mean = flat.mean(axis=2)
    centred = flat - mean[..., None]
    spread = np.sqrt(np.einsum("ncp,ncp->nc", centred, centred) / flat.shape[2])
    normed = centred / np.maximum(spread, 1e-3)[..., None]
    square = normed * normed
    flatness = np.where(spread > 1e-3, np.einsum("ncp,ncp->nc", square, square) / flat.shape[2] - 3, 0)
    return np.stack([mean, spread, np.einsum("ncp,ncp->nc", square, normed) / flat.shape[2], flatness], axis=2).reshape(len(flat), 12)


def _correlations(flat: np.ndarray) -> np.ndarray:
    """(n, 3): Pearson's correlation of red–green, red–blue and green–blue; 1 where a channel is flat, as in a gray picture."""
    centred = flat - flat.mean(axis=2, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=2))
    found = []
    for one, other in ((0, 1), (0, 2), (1, 2)):
        norm = length[:, one] * length[:, other]
        product = (centred[:, one] * centred[:, other]).sum(axis=1)
        found.append(np.where(norm > 1e-3, product / np.maximum(norm, 1e-3), 1))
    return np.stack(found, axis=1)


def saturation(flat: np.ndarray) -> np.ndarray:
    """HSV saturation 0 … 1 of each pixel, (n, P), of float (n, 3, P): (max − min) / max, 0 for black."""
    high = flat.max(axis=1)
    return (high - flat.min(axis=1)) / np.maximum(high, 1)


def _vividness(flat: np.ndarray) -> np.ndarray:
    """(n, 4): mean and spread of saturation; √(mean² + variance) of red − green and of yellow − blue (Hasler and
    Süsstrunk 2003, the two halves of their colourfulness).
    """
    vivid = saturation(flat)
    opponents = flat[:, 0] - flat[:, 1], (flat[:, 0] + flat[:, 1]) / 2 - flat[:, 2]
    strengths = [np.sqrt((opponent**2).mean(axis=1)) for opponent in opponents]
    return np.stack([vivid.mean(axis=1), vivid.std(axis=1), *strengths], axis=1)
