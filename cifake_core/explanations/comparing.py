"""Many comparisons with a baseline at once: a p value each, and Holm's correction over all of them.

A table of twenty maps and several measures holds a hundred intervals, of which five lie beside nought by chance alone.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import ttest_1samp

LEVEL = 0.05  # chance that any of a table's comparisons is called a difference where there is none


def paired_p(differences: np.ndarray) -> float:
    """Two-sided p value of the paired t-test that the mean of differences (n,) is nought; what is not a number is left out.

    The bootstrap of 1,000 resamples knows no p value below .001, too coarse for Holm's correction over a hundred of them.
    """
    usable = differences[np.isfinite(differences)]
    if len(usable) < 2 or not np.ptp(usable):
        return 0.0 if len(usable) > 1 and usable[0] else 1.0
    return float(ttest_1samp(usable, 0).pvalue)


def corrected(p_values: Sequence[float]) -> np.ndarray:
    """Holm 1979: the p values as they stand after all comparisons of the table are counted, in the order given."""
    if not len(p_values):
        return np.zeros(0)
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, LEVEL, method="holm")[1]
