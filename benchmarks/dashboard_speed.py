"""How fast Metrics answers in a real browser with 36 runs in the store: python benchmarks/dashboard_speed.py --home workspace

It takes one run of the given workspace, and in a scratch workspace of its own makes 36 of it whose logits are jittered
(36 seeds of one network, all with its weights; the number of predictions is what counts). Then it starts the app, opens Metrics in chromium and times
each interaction from the key or click until the page shows the answer and has come to rest. Nothing is written to the given workspace.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.clicking import REST, timed
from benchmarks.screenshots import FLAGS, running_app
from cifake_core.detectors import runs
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

JITTER = 0.5  # standard deviation of the noise on the logits
REPEATS = 12
PATIENCE_MS = 60_000
PANELS = (("By class", "Right verdicts by class"), ("Unsure", "gets no verdict"), ("Curves", "ROC: fakes found"))  # and a word of each
# looked at while the page works: text without layout, and only the hosts of our components
_HOSTS = "[...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')].map(e => e.shadowRoot).filter(Boolean)"
_TILES = f"{_HOSTS}.flatMap(e => [...e.querySelectorAll('button.tile')])"


def main() -> None:
    given = _arguments()
    source = _source(Workspace(given.home.absolute()), given.run)
    with tempfile.TemporaryDirectory(prefix="dashboard-speed-", dir=given.scratch) as folder:
        home = Path(folder)
        images = _many_runs(source, Workspace(home), given.runs)
        os.sync()  # what was written would else go to the disk meanwhile
        with running_app(home) as url:
            found = _measured(url, given.chromium)
    print(f"{given.runs} runs × {images:,} predictions; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {REPEATS} repeats")
    print(f"{'interaction':<34} {'p50 ms':>8} {'p95 ms':>8} {'most ms':>8}")
    for name, times in found.items():
        ordered = sorted(times)
        p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        print(f"{name:<34} {statistics.median(ordered):>8.0f} {p95:>8.0f} {ordered[-1]:>8.0f}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times the Metrics page in a real browser.")
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("CIFAKE_HOME", "workspace")), help="workspace with an image set and a run")
    parser.add_argument("--run", default="", help="which run to take; the newest if left out")
    parser.add_argument("--runs", type=int, default=36, help="how many to make of it")
    parser.add_argument("--scratch", type=Path, default=None, help="where the scratch workspace goes; on the same disk its images are links")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"), help="path of the browser")
    parser.add_argument("--json", type=Path, default=None, help="also write every time here")
    return parser.parse_args()


def _source(workspace: Workspace, name: str) -> runs.Run:
    found = [runs.open_run(workspace, name)] if name else runs.runs(workspace)
    if not found:
        sys.exit(f"There is no run in {workspace.home}; train one first: python -m cifake_core train --help")
    return found[0]


def _many_runs(source: runs.Run, scratch: Workspace, count: int) -> int:
    """`count` runs over the same image set; how many test images each has predictions of."""
    original = source.folder.parents[1] / "images" / source.dataset
    shutil.copytree(original, scratch.image_sets / source.dataset, copy_function=_link_or_copy)
    tables = {split: source.predictions(split) for split in ("validation", "test")}
    for number in range(count):
        random = np.random.default_rng(number)
        folder = scratch.runs / f"{source.topology}-s{number}-{number:010x}"
        shutil.copytree(source.folder, folder)
        for split, table in tables.items():
            noisy = table["logit"].to_numpy() + random.normal(0, JITTER, len(table)).astype(np.float32)
            runs.write_predictions(folder, split, pd.Series(table["image_id"]), noisy)
        settings = {**source.record["settings"], "seed": number}
        record = {**source.record, "settings": settings, "created_at": f"2026-01-01T00:{number:02d}:00+00:00"}
        names = list(record.pop("sha256"))
        artifacts.write_record(folder, record, names)
    return len(tables["test"])


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _measured(url: str, chromium: str) -> dict[str, list[float]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        start = page.context.new_page()
        start.goto(url)  # the browser's own files are then in its cache, the page Metrics has never run
        start.wait_for_selector('[data-testid="stSidebarNavLink"]')
        start.close()
        found = {"Metrics opened, cold server": [_opened(page, f"{url}/metrics")]}
        found["Metrics opened, warm server"] = [_opened(page, f"{url}/metrics") for _ in range(5)]
        found |= _interactions(page)
        browser.close()
    return found


def _interactions(page) -> dict[str, list[float]]:
    names = ("threshold step", "threshold step, image open", "matrix cell", "next page", "image opened", "charts switched")
    found: dict[str, list[float]] = {name: [] for name in names}
    slider = page.get_by_role("slider", name="Threshold: called fake")

    def step(name: str, value: float) -> None:
        slider.focus()
        done = f"document.querySelector('[data-testid=stMain]').textContent.includes('At {value:.3f},')"
        found[name].append(timed(page, lambda: page.keyboard.press("ArrowRight"), done))

    for number in range(REPEATS):
        step("threshold step", 0.501 + 0.001 * number)
    for number in range(REPEATS):
        cell = ("TP", "FN", "FP", "TN")[number % 4]
        pressed = f"""{_HOSTS}.some(e => e.querySelector('button[data-pick="{cell}"][aria-pressed=true]'))"""
        button = page.locator(f'button[data-pick="{cell}"]').first
        found["matrix cell"].append(timed(page, button.click, pressed))
        first = page.evaluate(f"{_TILES}[0].dataset.id")
        following = page.get_by_test_id("stPaginationNext")
        if following.is_enabled():
            found["next page"].append(timed(page, following.click, f"{_TILES}[0]?.dataset.id !== '{first}'"))
        tile = page.locator("button.tile").nth(3)
        identity = tile.get_attribute("data-id")
        chosen = f"{_TILES}.some(t => t.dataset.id === '{identity}' && t.getAttribute('aria-current') === 'true')"
        found["image opened"].append(timed(page, tile.click, chosen))
        step("threshold step, image open", 0.501 + 0.001 * (REPEATS + number))
        panel, says = PANELS[number % 3]
        tab = page.get_by_test_id("stButtonGroup").get_by_text(panel, exact=True)
        done = f"document.querySelector('[data-testid=stMain]').textContent.includes('{says}')"
        found["charts switched"].append(timed(page, tab.click, done))
    return {name: times for name, times in found.items() if times}


def _opened(page, url: str) -> float:
    """Milliseconds from asking for the page until its tiles are there and the app rests."""
    begun = time.perf_counter()
    page.goto(url)
    page.wait_for_function(f"() => {_TILES}.length > 0 && ({REST})", polling=50)
    return 1000 * (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
