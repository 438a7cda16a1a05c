"""What reals and fakes look like on average: their spectrum and their colours as curves, with the spread of the images."""

import numpy as np

from cifake_core.images.blocks import over_blocks
from cifake_core.images.schema import LABELS
from cifake_core.images.statistics import RINGS, saturation
from cifake_core.progress import Progress, silent

BINS = 32  # of a colour curve
QUANTITIES = ("red", "green", "blue", "saturation")
NEAR_GRAY = 0.05  # mean saturation below which a picture is called nearly gray


def spectrum_curves(spectrum: np.ndarray, labels: np.ndarray) -> dict:
    """{"cycles": 1 … 16, "side": …, "real": {"mean", "sd"}, "fake": …}: log₁₀ power of luma; sd is over images, not of the mean.

    `spectrum` (n, 48) as `statistics` gives it. A label without images is left out.
    """
    curves = {word: _mean_and_sd(spectrum[labels == label, :RINGS]) for label, word in enumerate(LABELS) if (labels == label).any()}
    return {"cycles": list(range(1, RINGS + 1)), "unit": "log10 of mean power", **curves}


def colour_curves(pixels: list[np.ndarray], labels: np.ndarray, on_progress: Progress = silent) -> dict:
    """{"red": {"low": bin edges, "real": {"mean", "sd"}, "fake": …}, "green", "blue", "saturation"}, and "near_gray".

    mean is the share of an image's pixels in each of 32 bins, averaged over images; sd is over images. "near_gray" is
    the number of images of each label whose mean saturation is below NEAR_GRAY.
    """
    sums = {label: np.zeros((2, len(QUANTITIES), BINS)) for label in range(len(LABELS))}
    gray = dict.fromkeys(range(len(LABELS)), 0)
    for done, (shares, vivid) in over_blocks(_histograms, pixels):
        of = labels[done - len(vivid) : done]
        for label in sums:
            chosen = shares[of == label].astype(np.float64)
            sums[label] += np.stack([chosen.sum(axis=0), (chosen**2).sum(axis=0)])
            gray[label] += int((vivid[of == label] < NEAR_GRAY).sum())
        on_progress(done, len(labels), "Measuring colours")
    counts = {label: int((labels == label).sum()) for label in sums}
    return {
        **{name: _curve(i, sums, counts) for i, name in enumerate(QUANTITIES)},
        "near_gray": {LABELS[label]: gray[label] for label in sums if counts[label]},
    }


def _histograms(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of pixels in each bin, float32 (n, 4, 32), and mean saturation (n,)."""
    flat = images.reshape(len(images), 3, -1)
    vivid = saturation(flat.astype(np.float32))
    member = np.concatenate([flat // (256 // BINS), np.minimum(vivid * BINS, BINS - 1)[:, None].astype(np.uint8)], axis=1)
    places = np.arange(member.shape[0] * member.shape[1]).reshape((*member.shape[:2], 1)) * BINS
    counts = np.bincount((member + places).ravel(), minlength=places.size * BINS)
    return counts.reshape(len(images), len(QUANTITIES), BINS).astype(np.float32) / flat.shape[2], vivid.mean(axis=1)


def _curve(number: int, sums: dict[int, np.ndarray], counts: dict[int, int]) -> dict:
    top = 1.0 if QUANTITIES[number] == "saturation" else 256.0
    curve: dict = {"low": (np.arange(BINS) * top / BINS).tolist()}
    for label, (total, squares) in sums.items():
        if counts[label]:
            mean = total[number] / counts[label]
            spread = np.sqrt(np.maximum(squares[number] / counts[label] - mean**2, 0))
            curve[LABELS[label]] = {"mean": mean.tolist(), "sd": spread.tolist()}
    return curve


def _mean_and_sd(values: np.ndarray) -> dict:
    return {"mean": values.mean(axis=0, dtype=np.float64).tolist(), "sd": values.std(axis=0, dtype=np.float64).tolist()}
