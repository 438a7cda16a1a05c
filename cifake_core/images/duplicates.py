"""Pixel-identical images within and across the official splits, by image id. It does not know pixels.

CIFAKE has 920 train-train, 378 train-test and 38 test-test pairs, all among its fakes: 378 test images have been seen in
training by everybody who used the official split.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PAIRS = ("train-train", "train-test", "test-test")


def pairs_within(ids: Sequence[str | bytes]) -> int:
    """Number of unordered pairs with equal ids: n·(n-1)/2 for each group of n identical images."""
    return sum(n * (n - 1) // 2 for n in Counter(ids).values())


def pairs_across(ids: Sequence[str | bytes], others: Sequence[str | bytes]) -> int:
    """Number of pairs (one of `ids`, one of `others`) that are equal: n·m for a picture found n times here, m times there."""
    here, there = Counter(ids), Counter(others)
    return sum(n * there[key] for key, n in here.items() if key in there)


def duplicates(ids: Mapping[str, Sequence[str | bytes]]) -> dict[str, int]:
    """{"train-train", "train-test", "test-test"} → pairs, from {"train": ids, "test": ids}; a missing split counts 0."""
    train, test = ids.get("train", ()), ids.get("test", ())
    return dict(
        zip(PAIRS, (pairs_within(train), pairs_across(train, test), pairs_within(test)), strict=True)
    )


def seen_in(ids: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Boolean (n,): which of `ids` also occur in `others`, such as the test rows that are in the training split."""
    here, there = pa.array(ids, pa.large_string()), pa.array(others, pa.large_string())
    return pc.is_in(here, value_set=there).to_numpy(zero_copy_only=False)
