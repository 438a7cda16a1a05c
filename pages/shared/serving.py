"""Starts Streamlit with the frame's own navigation from the first request on: `python -m pages.shared.serving run app.py`.

Streamlit takes a folder named pages for its older kind of app until `app.py` has run once: the first deep link of a fresh
server would say "page not found" over the right page. The command line's `serve` starts the app through here.

Meanwhile the large libraries that nearly every page needs are loaded beside it, so that the first page need not wait.
"""

import importlib
import sys
import threading

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main

LARGE = ("pandas", "sklearn.metrics", "scipy.stats", "pyarrow.parquet", "torch")


def load_ahead() -> None:
    """Loads LARGE. What cannot be loaded is left to the page that needs it, which says so."""
    for name in LARGE:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


if __name__ == "__main__":
    threading.Thread(target=load_ahead, daemon=True).start()
    PagesManager.uses_pages_directory = False
    sys.exit(main(prog_name="streamlit"))
