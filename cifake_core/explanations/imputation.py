"""Fill holes of images from their surroundings: ROAD's noisy linear imputation, solved as banded equations.

Rong et al. 2022, section 4.2: each missing pixel is the weighted mean of its eight neighbours, all missing ones at once.
We differ from the `grad-cam` package in speed alone (a test compares the two): pixels numbered line by line couple only
within W + 1 places, so a banded Cholesky factorisation takes half a millisecond an image where its sparse one takes six.
"""

from functools import lru_cache

import numpy as np
from scipy.linalg import solveh_banded
from scipy.sparse import csr_array

NOISE = 0.01  # standard deviation added to what was filled in, as in the package
_FORWARD = (((0, 1), 1 / 6), ((1, -1), 1 / 12), ((1, 0), 1 / 6), ((1, 1), 1 / 12))  # the other four by symmetry


def impute(images: np.ndarray, missing: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
    """Images float32 (n, 3, H, W) with the pixels `missing` (n, H, W) filled in, noisily if `random` is given.

    Each image needs at least one pixel that is there.
    """
    filled = np.array(images, np.float32)
    flat = filled.reshape(*images.shape[:2], -1)
    for image, holes in zip(flat, missing.reshape(len(missing), -1), strict=True):
        if holes.any():
            image[:, holes] = _solved(image, holes, images.shape[2:]).T
    if random is not None:
        filled += np.where(missing[:, None], random.normal(0, NOISE, images.shape), 0).astype(np.float32)
    return filled


def _solved(image: np.ndarray, holes: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(missing pixels, 3) of an image (3, H·W): D x − W x = W (what is there), D the sums of each pixel's weights."""
    earlier, later, weights, neighbours, sums = _grid(*size)
    place = np.cumsum(holes) - 1  # of each missing pixel among the equations
    both = holes[earlier] & holes[later]
    rows, columns = place[later[both]], place[earlier[both]]
    band = np.zeros((size[1] + 2, int(holes.sum())))
    band[0] = sums[holes]
    band[rows - columns, columns] = -weights[both]
    known = np.where(holes, 0, image).astype(np.float64)
    return solveh_banded(band, (neighbours @ known.T)[holes], lower=True, check_finite=False)


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, csr_array, np.ndarray]:
    """Neighbouring pixels of a picture: the earlier and the later one of each pair, weights, all of it as a matrix, its sums."""
    y, x = np.divmod(np.arange(height * width), width)
    pairs = []
    for (down, right), weight in _FORWARD:
        inside = (y + down < height) & (x + right >= 0) & (x + right < width)
        first = np.flatnonzero(inside)
        pairs.append((first, first + down * width + right, np.full(len(first), weight)))
    earlier, later, weights = (np.concatenate(column) for column in zip(*pairs, strict=True))
    one_way = csr_array((weights, (earlier, later)), shape=(height * width,) * 2)
    neighbours = (one_way + one_way.T).tocsr()
    return earlier, later, weights, neighbours, neighbours.sum(axis=1)
