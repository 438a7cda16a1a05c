"""For tests that click: the app as its own server process over a workspace of its own, and a chromium page on it.

Every test in this folder carries the mark `browser`. When one fails, its report holds the server's log and the place
of a screenshot.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from cifake_core.detectors import runs
from cifake_core.evaluation import scored
from cifake_core.store.workspace import Workspace

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 120_000  # a busy machine of two cores; a healthy click answers within a second


@dataclass(frozen=True)
class Server:
    """The running app. Its workspace began as a copy of the lab: the set "tiny" and two runs."""

    url: str
    workspace: Workspace
    import_folder: Path  # the page may import from here
    log: Path


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)
            # A page redraws when it pleases: a click that waited in vain is tried once more, a wrong page is not.
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]))


@pytest.fixture(scope="session")
def server(_lab, tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    workspace = Workspace(folder / "home")
    shutil.copytree(_lab.home, workspace.home)
    (folder / "import").mkdir()
    port = _free_port()
    running = Server(f"http://127.0.0.1:{port}", workspace, folder / "import", folder / "server.log")
    process = _started(running, port)
    try:
        _wait_until_healthy(running, process)
        yield running
    finally:
        _stop_jobs(workspace)
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests; skipped where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}; install chromium or set CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visited(chromium, server) -> None:
    """The start page has been opened once: on a fresh server the very first address is taken for an old-style page."""
    first = chromium.new_page()
    first.goto(server.url)
    first.wait_for_selector('[data-testid="stSidebarNavLink"]', timeout=PATIENCE_MS)
    first.close()


@pytest.fixture
def page(chromium, server, visited, request, tmp_path):
    """A fresh chromium page, 1400 px wide, whose `goto("/train")` opens that page of the app.

    A test whose page asked anybody but the app for anything has failed: the lab works without a network.
    """
    context = chromium.new_context(base_url=server.url, viewport={"width": 1400, "height": 1000})
    elsewhere: list[str] = []
    context.on("request", lambda asked: asked.url.startswith("http") and not asked.url.startswith(server.url) and elsewhere.append(asked.url))
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    if getattr(request.node, "failed", False):
        opened.screenshot(path=tmp_path / "failed.png", full_page=True)
        print(f"screenshot of the failure: {tmp_path / 'failed.png'}")  # noqa: T201
    context.close()
    assert not elsewhere


@pytest.fixture
def settled():
    """settled(page): waits until the app has run to its end and shows no error of its own."""

    def wait(page) -> None:
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=PATIENCE_MS)
        page.wait_for_timeout(300)  # elements of the last run are still being drawn
        page.evaluate("() => new Promise(done => requestIdleCallback(() => done(), { timeout: 10_000 }))")
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=PATIENCE_MS)
        assert page.get_by_test_id("stException").count() == 0, page.get_by_test_id("stException").first.inner_text()

    return wait


@pytest.fixture
def scores(server):
    """The scores of the run the pages show first: the newest."""
    return scored.scored(server.workspace, runs.runs(server.workspace)[0])


@pytest.fixture
def choose(settled):
    """choose(page, label, number): picks an option of a select box; opens its list again if a rerun of the page shut it."""

    from playwright.sync_api import TimeoutError as PlaywrightTimeout

    def pick(page, label: str, number: int) -> None:
        for attempt in range(10):
            page.get_by_test_id("stSelectbox").filter(has_text=label).locator("input").click()
            option = page.get_by_role("option").nth(number)
            try:
                option.click(timeout=5_000)
                break
            except PlaywrightTimeout:
                if attempt == 9:
                    raise
                page.keyboard.press("Escape")
                settled(page)
        settled(page)

    return pick


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True
        server = item.funcargs.get("server")
        if server is not None and server.log.exists():
            report.sections.append(("log of the server", server.log.read_text(errors="replace")[-6000:]))
    return report


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _started(server: Server, port: int) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CIFAKE_")} | {
        "CIFAKE_HOME": str(server.workspace.home),
        "CIFAKE_IMPORT_ROOTS": str(server.import_folder),
        "CIFAKE_THREADS": "1",
    }
    arguments = ["-m", "pages.shared.serving", "run", "app.py", "--server.port", str(port), "--server.headless", "true"]
    with server.log.open("wb") as log:
        return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log)


def _wait_until_healthy(server: Server, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{server.url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.1)
    process.kill()
    pytest.fail(f"the app did not start:\n{server.log.read_text(errors='replace')[-3000:]}")


def _stop_jobs(workspace: Workspace) -> None:
    """No job outlives the tests."""
    from cifake_core.jobs import queue
    from cifake_core.jobs.states import ACTIVE

    for job in queue.jobs(workspace, states=ACTIVE):
        queue.cancel(workspace, job.id)
    deadline = time.monotonic() + 30
    while queue.jobs(workspace, states=ACTIVE) and time.monotonic() < deadline:
        time.sleep(0.5)
