"""What the tests of the galleries share: which images are shown, which should be, and a choice in a select box."""

import re
import time
from collections.abc import Callable

from cifake_core.evaluation import selecting
from cifake_core.evaluation.selecting import Selection


def shown_ids(page) -> list[str]:
    return page.locator("button.tile").evaluate_all("tiles => tiles.map(tile => tile.dataset.id)")


def wait_for_ids(page, expected: list[str]) -> None:
    """Waits until the tiles are exactly these, in this order; the last state is in the failure."""
    for _ in range(100):
        if shown_ids(page) == expected:
            return
        page.wait_for_timeout(150)
    assert shown_ids(page) == expected


def until(true: Callable[[], object], seconds: float) -> None:
    """Waits for something outside of the page. In vain, it is a TimeoutError, as every wait of these tests: a click can be lost."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not happen in {seconds:g} seconds")
        time.sleep(0.3)


def ids(scores, selection: Selection, threshold: float = 0.5, most: int = 48) -> list[str]:
    return scores.image_ids[selecting.rows(scores, selection, threshold)][:most].tolist()


def pick_option(page, label: str, option: str) -> None:
    page.get_by_test_id("stSelectbox").filter(has_text=re.compile(rf"^{label}")).locator("input").click()
    page.get_by_role("option", name=option, exact=True).click()
