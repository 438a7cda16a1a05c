"""How a page meets an error: one sentence for the user, the traceback for the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from cifake_core.errors import CifakeError

log = logging.getLogger("cifake_lab.pages")


@contextmanager
def shown_errors() -> Iterator[None]:
    """Shows a CifakeError of the block as its sentence, literally; the rest of the page goes on."""
    try:
        yield
    except CifakeError as error:
        log.warning("shown to the user", exc_info=True)
        st.error(literal(str(error)), icon=":material/error:")


def literal(text: str) -> str:
    """The text so that Markdown shows it as it is: names of files and prompts belong to strangers."""
    for mark in "\\`*_{}[]<>()#+-.!|~$:":
        text = text.replace(mark, "\\" + mark)
    return text
