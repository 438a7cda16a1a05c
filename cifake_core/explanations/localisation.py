"""How well maps hit a known place: a planted artefact, or the entity. Pure arrays.

A map without evidence has no place; its measures are not numbers (NaN), and means leave it out and count it.
"""

import numpy as np


def mass_share(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share (n,) of the relevance of maps (n, H, W) ≥ 0 that lies in the masks (n, H, W).

    Relevance mass accuracy, Arras et al. 2022, eq. 6. A map that knows nothing scores the mask's area.
    """
    total = heat.sum((1, 2), dtype=np.float64)
    inside = (heat * mask).sum((1, 2), dtype=np.float64)
    return np.where(total > 0, inside / np.where(total > 0, total, 1), np.nan)


def rank_share(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share (n,) of the K most relevant pixels that lie in the mask of K pixels.

    Relevance rank accuracy, Arras et al. 2022, eq. 7. We differ: pixels that tie at the K-th place share it.
    """
    found = np.full(len(heat), np.nan)
    for row, (values, inside) in enumerate(zip(heat.reshape(len(heat), -1), mask.reshape(len(mask), -1), strict=True)):
        k = int(inside.sum())
        if not k or values.max() <= 0:
            continue
        edge = np.partition(values, -k)[-k]
        above, tied = values > edge, values == edge
        found[row] = (inside[above].sum() + inside[tied].mean() * (k - above.sum())) / k
    return found


def pointing(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """1 where the map's hottest pixel lies in the mask, else 0 (n,): the pointing game, Zhang et al. 2018, without its
    15 pixels of tolerance. Several equally hot pixels give the share of them that hit.
    """
    found = np.full(len(heat), np.nan)
    for row, (values, inside) in enumerate(zip(heat, mask, strict=True)):
        if values.max() > 0:
            found[row] = inside[values == values.max()].mean()
    return found
