"""Words on coloured ground can be read, in both themes: WCAG's contrast, computed here from its definition."""

import tomllib
from pathlib import Path

import pytest

from pages.shared import palette

THEME = tomllib.loads((Path(__file__).parents[1] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_white_words_on_the_primary_colour_and_the_primary_colour_on_the_page_can_be_read(theme):
    primary = THEME[theme]["primaryColor"]
    assert contrast("#ffffff", primary) > 4  # no colour has 4.5 both ways in the dark
    assert contrast(primary, THEME[theme]["backgroundColor"]) > 4


@pytest.mark.parametrize("paint", [palette._LIGHT, palette._DARK], ids=["light", "dark"])
def test_counts_on_the_bars_of_reals_can_be_read(paint):
    assert contrast(paint["on_real"], paint["real"]) > 4.5
