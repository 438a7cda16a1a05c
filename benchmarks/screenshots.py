"""Photographs every page of the running app, light and dark: python benchmarks/screenshots.py --home workspace --out screenshots

It starts the app itself on a free port over the given workspace and stops it afterwards. The pages come from the app's
own navigation, so a new page is photographed without a word here.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
WIDTH, TALLEST = 1400, 6000  # pixels
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def main() -> None:
    given = _arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    with running_app(given.home) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=FLAGS)
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": WIDTH, "height": 900}, color_scheme=scheme)
            for name, address in _addresses(context, url, given.page):
                path = given.out / f"{name}-{scheme}.png"
                photograph(context, address, path)
                print(path)
            context.close()
        browser.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Photographs every page of the app, light and dark.")
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("CIFAKE_HOME", "workspace")), help="workspace to show")
    parser.add_argument("--out", type=Path, default=Path("screenshots"), help="folder for the pictures")
    parser.add_argument("--page", action="append", default=[], help="only this address, such as 'train?train_set=demo'; may be repeated")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"), help="path of the browser")
    return parser.parse_args()


@contextmanager
def running_app(home: Path) -> Iterator[str]:
    """The address of the app over that workspace, while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pages.shared.serving", "run", "app.py", "--server.port", str(port), "--server.headless", "true"]
    environment = {**os.environ, "CIFAKE_HOME": str(home.absolute())}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else every start would compile the app anew
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(address: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit("The app ended before it was up; start it with `make app` to see why.")
        try:
            if urlopen(address, timeout=2).status == 200:
                return
        except (URLError, OSError):
            time.sleep(0.2)
    sys.exit("The app was not up after a minute; try again when the machine is less busy.")


def _addresses(context, url: str, asked: list[str]) -> list[tuple[str, str]]:
    """(name of the picture, address) of each page, read from the navigation unless some are asked for."""
    if asked:
        return [(re.sub(r"[^A-Za-z0-9]+", "-", page).strip("-") or "start", f"{url}/{page}") for page in asked]
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector('[data-testid="stSidebarNavLink"]')
    links = [link.get_attribute("href") for link in page.get_by_test_id("stSidebarNavLink").all()]
    page.close()
    names = [link.rstrip("/").rsplit("/", 1)[-1] for link in links]
    return [(name if name and ":" not in name else "start", link) for name, link in zip(names, links, strict=True)]


def photograph(context, address: str, path: Path) -> None:
    """The whole page, however tall, once it has finished drawing."""
    page = context.new_page()
    page.goto(address)
    _settle(page)
    tall = page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": min(max(int(tall) + 40, 700), TALLEST)})
    _settle(page)
    page.screenshot(path=path)
    page.close()


def _settle(page) -> None:
    for _ in range(2):  # elements of the last run are drawn after it has ended
        page.wait_for_selector(_IDLE, timeout=180_000)
        page.wait_for_timeout(1200)


if __name__ == "__main__":
    main()
