"""How long a click on the Grad-CAM page takes, in a real browser over maps of a whole test set that are kept.

    python benchmarks/gradcam_page_speed.py --home workspace [--rounds 10]

The workspace must hold a run with kept maps (`explain --run RUN`). Each interaction is timed from the click to the moment
the browser shows what was asked for and rests. Prints one JSON object: milliseconds (median, p95, worst) by interaction and of all.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.clicking import REST, timed
from benchmarks.screenshots import FLAGS, running_app
from cifake_core.detectors import runs
from cifake_core.store.workspace import Workspace
from pages.shared.pickers import run_label

TILES = "[...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')].flatMap(e => [...(e.shadowRoot?.querySelectorAll('button.tile') ?? [])])"
IDS = f"{TILES}.map(t => t.dataset.id).join()"
HEAT = f"[...({TILES}[0]?.querySelectorAll('i.heat') ?? [])].at(-1)"  # of the overlay: a map alone is always opaque


def main() -> None:
    given = _arguments()
    from playwright.sync_api import sync_playwright

    with running_app(given.home) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(url)
        page.wait_for_selector('[data-testid="stSidebarNavLink"]')
        began = time.perf_counter()
        shown = {"gradcam_run": run_label(runs.open_run(Workspace(given.home.absolute()), given.run))} if given.run else {}
        page.goto(f"{url}/gradcam?{urlencode(shown | {'gradcam_show': 'image | overlay', 'gradcam_cell': 'all fakes'})}")
        page.wait_for_function(f"{TILES}.length > 0")
        opened = round(1000 * (time.perf_counter() - began))
        found = {name: [] for name in INTERACTIONS}
        for number in range(given.rounds + 1):  # the first round warms the caches and is not counted
            for name, interact in INTERACTIONS.items():
                page.wait_for_function(REST)
                took = interact(page, number)
                if number:
                    found[name].append(took)
        browser.close()
    every = [took for each in found.values() for took in each]
    shown = {name: _summary(each) for name, each in found.items()}
    print(json.dumps({"opened_ms": opened, "all": _summary(every), **shown, "load": os.getloadavg()[0]}, indent=1))


def turned(page, _number: int) -> float:
    """The next page of images."""
    before = page.evaluate(IDS)
    return timed(page, page.get_by_role("button", name="Next").first.click, f"{IDS} !== {json.dumps(before)}")


def opacity(page, number: int) -> float:
    before = page.evaluate(f"{HEAT}.style.opacity")
    slider = page.get_by_role("slider", name="Opacity")
    slider.focus()
    key = "ArrowRight" if number % 2 else "ArrowLeft"
    return timed(page, lambda: page.keyboard.press(key), f"{HEAT}?.style.opacity !== {json.dumps(before)}")


def opened(page, number: int) -> float:
    """An image large, with its map and what is known of it."""
    place = 1 + number % 15
    name = page.evaluate(f"{TILES}[{place}].dataset.id")
    return timed(page, page.locator("button.tile").nth(place).click, f"{TILES}[{place}]?.getAttribute('aria-current') === 'true' && document.querySelector('[data-testid=stMain]').textContent.includes({json.dumps(name[:16])})")


def filtered(page, number: int) -> float:
    """Another cell of the confusion matrix."""
    before = page.evaluate(IDS)
    option = _unfolded(page, "Images", "all fakes" if number % 2 else "all images")
    return timed(page, option.click, f"{IDS} !== {json.dumps(before)}")


def recoloured(page, number: int) -> float:
    """Another selection of panes: every tile is drawn anew."""
    before = page.evaluate(f"{TILES}[0].querySelectorAll('.pane').length")
    option = _unfolded(page, "Show", "image | map | overlay" if number % 2 == 0 else "image | overlay")
    return timed(page, option.click, f"{TILES}[0]?.querySelectorAll('.pane').length !== {before}")


INTERACTIONS = {"turn the page": turned, "opacity": opacity, "open an image": opened, "filter": filtered, "panes": recoloured}


def _unfolded(page, label: str, option: str):
    """An option of a select box, on the screen: a rerun on its way shuts the list again, so it may have to be opened twice."""
    wanted = page.get_by_role("option", name=option, exact=True)
    for _ in range(5):
        page.get_by_test_id("stSelectbox").filter(has_text=label).first.locator("input").click()
        page.wait_for_timeout(500)
        if wanted.is_visible():
            return wanted
        page.keyboard.press("Escape")
    raise SystemExit(f"The list of {label!r} does not offer {option!r}; has the page changed?")


def _summary(milliseconds: list[float]) -> dict:
    return {
        "n": len(milliseconds),
        "median_ms": round(statistics.median(milliseconds)),
        "p95_ms": round(float(np.quantile(milliseconds, 0.95))),
        "worst_ms": round(max(milliseconds)),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times clicks on the Grad-CAM page in a browser.")
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("CIFAKE_HOME", "workspace")), help="workspace with kept maps")
    parser.add_argument("--run", default="", help="id of a run with kept maps; the newest run if left out")
    parser.add_argument("--rounds", type=int, default=10, help="of every interaction")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"), help="path of the browser")
    return parser.parse_args()


if __name__ == "__main__":
    main()
