"""Does a map show what the network used? Measures of maps against the network's own answers, one number an image.

It is given a way to score images and knows no files. Deletion, insertion: Petsiuk et al. 2018; ROAD: Rong et al. 2022;
sensitivity-n: Ancona et al. 2018. All of them remove pixels, so what a network makes of holes enters every one; a measure
means something only beside the same measure of a map that knows nothing.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.special import expit
from scipy.stats import rankdata

from cifake_core.explanations.imputation import impute

Score = Callable[[np.ndarray], np.ndarray]  # images float32 (m, 3, H, W) in [0, 1] → logits (m,)

STEPS = 16  # removals between the whole image and none of it
BLUR = 3.0  # pixels: what insertion begins from
SQUARE = 4  # pixels: side of the squares that sensitivity-n removes
SUBSETS, SHARES = 24, (0.125, 0.375)  # random subsets an image and size; their shares of the picture
PERCENTILES = (30, 50, 70, 90)  # of ROAD


def order_of(heat: np.ndarray, seed: int = 0) -> np.ndarray:
    """(n, H·W) place of each pixel, 0 = most relevant; equal pixels in random order, or their place would decide."""
    flat = heat.reshape(len(heat), -1)
    ties = np.random.default_rng(seed).random(flat.shape)
    return np.argsort(np.lexsort((ties, -flat), axis=1), axis=1)


def deletion(score: Score, images: np.ndarray, heat: np.ndarray, explained: np.ndarray, seed: int = 0) -> np.ndarray:
    """Curves (n, STEPS + 1): probability of the explained label as the most relevant pixels become the image's mean colour.

    The area under it, `area`, is low where the map names the pixels that matter.
    """
    empty = np.broadcast_to(images.mean((2, 3), keepdims=True), images.shape)
    return _curves(score, images, empty, heat, explained, seed)


def insertion(score: Score, images: np.ndarray, heat: np.ndarray, explained: np.ndarray, seed: int = 0) -> np.ndarray:
    """Curves (n, STEPS + 1): the same as the most relevant pixels return to a blurred image. High where the map is right."""
    return _curves(score, gaussian_filter(images, (0, 0, BLUR, BLUR)), images, heat, explained, seed)


def area(curves: np.ndarray) -> np.ndarray:
    """Area (n,) under curves (n, k) over [0, 1], by trapezoids."""
    return np.trapezoid(curves, axis=1) / (curves.shape[1] - 1)


def _curves(
    score: Score, before: np.ndarray, after: np.ndarray, heat: np.ndarray, explained: np.ndarray, seed: int
) -> np.ndarray:
    places = order_of(heat, seed).reshape(heat.shape)[:, None]  # (n, 1, H, W)
    pixels, signs = heat[0].size, 2.0 * explained - 1
    columns = []
    for step in range(STEPS + 1):
        changed = places < round(step * pixels / STEPS)
        columns.append(expit(signs * score(np.where(changed, after, before))))
    return np.stack(columns, axis=1)


def road(
    score: Score, images: np.ndarray, heat: np.ndarray, explained: np.ndarray, seed: int = 0, percentiles=PERCENTILES
) -> np.ndarray:
    """ROAD combined (n,): mean fall of the explained logit without the most relevant pixels less that without the least,
    halved; the holes are filled from their surroundings, so that their shape tells nothing. High where the map is right.

    We differ: ties are broken at random. Of a map that is mostly nought the `grad-cam` package would remove all.
    """
    places = order_of(heat, seed).reshape(heat.shape)
    random, signs, differences = np.random.default_rng(seed), 2.0 * explained - 1, []
    for percentile in percentiles:
        left = int(np.ceil((heat[0].size - 1) * percentile / 100))  # pixels below that percentile
        without_most = score(impute(images, places < heat[0].size - left, random))
        without_least = score(impute(images, places >= left, random))
        differences.append(signs * (without_least - without_most))
    return np.mean(differences, axis=0) / 2


def falls(score: Score, images: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What sensitivity-n asks of the network, once for all maps: subsets bool (k, H, W) and the fall of the logit (n, k)
    when each becomes the image's mean colour.
    """
    height, width = images.shape[2:]
    lines, columns = -(-height // SQUARE), -(-width // SQUARE)
    random, squares = np.random.default_rng(seed), lines * columns
    subsets = np.zeros((SUBSETS * len(SHARES), squares), bool)
    for row in range(len(subsets)):
        subsets[row, random.choice(squares, round(SHARES[row // SUBSETS] * squares), replace=False)] = True
    grown = subsets.reshape(-1, lines, columns).repeat(SQUARE, 1).repeat(SQUARE, 2)[:, :height, :width]
    filled, whole = images.mean((2, 3), keepdims=True), score(images)
    return grown, np.stack([whole - score(np.where(subset, filled, images)) for subset in grown], axis=1)


def sensitivity_n(heat: np.ndarray, explained: np.ndarray, asked: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Correlation (n,) between the relevance of a subset of the image and the fall of the explained logit without it,
    averaged over the sizes of subset; not a number where the map is flat.

    Sensitivity-n, Ancona et al. 2018, eq. 5. We differ: subsets are of 4 × 4 squares; scattered single pixels would be a
    texture of their own.
    """
    subsets, fell = asked
    relevance = np.einsum("nhw,khw->nk", heat, subsets.astype(heat.dtype))
    towards = fell * (2.0 * explained - 1)[:, None]
    sizes = [slice(i * SUBSETS, (i + 1) * SUBSETS) for i in range(len(SHARES))]
    return np.mean([correlation(relevance[:, size], towards[:, size]) for size in sizes], axis=0)


def gini(heat: np.ndarray) -> np.ndarray:
    """Sparsity (n,) of maps: 0 = spread evenly, towards 1 = all in one pixel. Hurley and Rickard 2009, eq. for the Gini index."""
    flat = np.sort(heat.reshape(len(heat), -1).astype(np.float64), axis=1)
    n, total = flat.shape[1], flat.sum(1)
    weights = (n - np.arange(1, n + 1) + 0.5) / n
    shares = flat / np.where(total > 0, total, 1)[:, None]
    return np.where(total > 0, 1 - 2 * shares @ weights, np.nan)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's ρ (n,) of the pixels of two maps each; not a number where either is flat."""
    first, second = (rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (one, other))
    return correlation(first, second)


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's r (n,) of the rows of two arrays (n, k); not a number where either row is constant."""
    a, b = (values - values.mean(1, keepdims=True) for values in (np.asarray(one, float), np.asarray(other, float)))
    spread = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    scale = np.sqrt((np.asarray(one, float) ** 2).sum(1) * (np.asarray(other, float) ** 2).sum(1))
    usable = spread > 1e-12 * np.maximum(scale, 1e-300)
    return np.where(usable, (a * b).sum(1) / np.where(usable, spread, 1), np.nan)


def ssim(one: np.ndarray, other: np.ndarray, window: int = 7) -> np.ndarray:
    """Structural similarity (n,) of two maps (n, H, W) in [0, 1]: Wang et al. 2004, eq. 13, over square windows."""
    size = (0, window, window)
    a, b = one.astype(np.float64), other.astype(np.float64)
    mean_a, mean_b = uniform_filter(a, size), uniform_filter(b, size)
    variance_a, variance_b = uniform_filter(a * a, size) - mean_a**2, uniform_filter(b * b, size) - mean_b**2
    covariance = uniform_filter(a * b, size) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))).mean((1, 2))
