"""Starts Streamlit with the frame's own navigation from the first request on: `python -m pages.shared.serving run app.py`.

Streamlit takes a folder named pages for its older kind of app until `app.py` has run once: the first deep link of a fresh
server would say "page not found" over the right page. The command line's `serve` starts the app through here.

Before the server answers, the libraries that nearly every page needs are loaded, and what is known of the newest run's images
is read: beside the first page the same work would take longer, because Python does one thing at a time. The largest library
is loaded once the first page can be on the screen.

And libraries, once loaded, are left out of Python's search for garbage. Streamlit searches everything after every script
run, while no other thread can run: with torch loaded that is a pause of 0.2 s in each step of a slider.
"""

import gc
import importlib
import logging
import sys
import threading
import time

from streamlit import delta_generator
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main

log = logging.getLogger(__name__)

LARGE = ("pandas", "sklearn.metrics", "scipy.stats", "pyarrow.parquet")  # every page with numbers needs them
PARTS = ("pages.look.measures.images", "pages.look.measures.numbers", "pages.look.measures.versus")  # and what those pages are made of
LARGEST = ("torch",)  # a map needs it
AFTER_S = 8.0  # seconds from then on: the first page is on the screen by then, and loading two things at once slows both

MOST_ROWS = 500_000  # of a set that is read before anybody asked for it
MANY = 40  # modules loaded since the last time are worth leaving out


class Libraries:
    """A callback of the garbage collector: what is alive after a whole search that follows the loading of modules is searched no more.

    Only then, because whatever else was alive at that moment is never freed if it becomes a ring of garbage later.
    """

    def __init__(self) -> None:
        self._modules = 0

    def __call__(self, phase: str, info: dict) -> None:
        if phase == "stop" and info["generation"] == 2 and len(sys.modules) >= self._modules + MANY:
            self._modules = len(sys.modules)
            gc.freeze()


def prepare() -> None:
    """What is done before the server answers. What cannot be loaded is left to the page that needs it, which says so."""
    logging.disable(logging.WARNING)  # Streamlit warns of every cache that is filled while no page asks for it
    try:
        _load(LARGE + PARTS)
        read_ahead()
    finally:
        logging.disable(logging.NOTSET)


def load_later(after_s: float = AFTER_S) -> None:
    """Loads LARGEST when that many seconds have gone by."""
    time.sleep(after_s)
    _load(LARGEST)


def _load(names: tuple[str, ...]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # also a library that is there and broken: the server starts all the same
            log.debug("%s was not loaded ahead: %s", name, error)


def read_ahead() -> None:
    """Reads what the pages show first, the newest run's scores with their images, thresholds and curves, into the pages' own cache."""
    try:
        from cifake_core.detectors import runs
        from cifake_core.images.image_set import ImageSet
        from cifake_core.store.workspace import Workspace
        from pages.shared import cached

        workspace = Workspace.current()
        for run in runs.runs(workspace)[:1]:
            if sum(ImageSet.open(workspace, run.dataset).record["rows"].values()) <= MOST_ROWS:
                cached.thresholds_of(run)
                scores = cached.scores_of(run)
                cached.curves_of(scores)
                # what it finds of itself when it is first asked, and then keeps
                scores.confusion(0.5), scores.classes, scores.generator_names, scores.group_columns
    except Exception as error:  # whatever is wrong with the run, the page that needs it says it
        log.debug("nothing was read ahead: %s", error)


if __name__ == "__main__":
    gc.callbacks.append(Libraries())
    prepare()
    threading.Thread(target=load_later, daemon=True).start()
    PagesManager.uses_pages_directory = False
    # to warn who runs a page as a script, the first page would look up every loaded module on the disk: a quarter of a second
    delta_generator._use_warning_has_been_displayed = True
    sys.exit(main(prog_name="streamlit"))
