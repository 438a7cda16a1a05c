"""One colour for real and one for fake, everywhere: blue and orange, which colour-blind people tell apart."""

import streamlit as st

_LIGHT = {"real": "#2166ac", "fake": "#d9660a", "muted": "#9aa6b8", "paper": "#7b4fa3", "on_real": "#ffffff"}
_DARK = {"real": "#6cb0f5", "fake": "#ff9d4d", "muted": "#67748a", "paper": "#bd94e0", "on_real": "#11151d"}

REAL_TEXT, FAKE_TEXT = ":blue[real]", ":orange[fake]"


def colours() -> dict[str, str]:
    """Colours by role (real, fake, muted, paper, words on a real bar) for the viewer's theme."""
    return _DARK if st.context.theme.type == "dark" else _LIGHT
