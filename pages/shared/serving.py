"""Starts Streamlit with the frame's own navigation from the first request on: `python -m pages.shared.serving run app.py`.

Streamlit takes a folder named pages for its older kind of app until `app.py` has run once: the first deep link of a fresh
server would say "page not found" over the right page. The command line's `serve` starts the app through here.
"""

import sys

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main

if __name__ == "__main__":
    PagesManager.uses_pages_directory = False
    sys.exit(main(prog_name="streamlit"))
