"""Sheets of picture parts: the hottest patches, patches that look alike, and maps that lie alike."""

import numpy as np
import streamlit as st

from cifake_core.images.image_set import Part
from cifake_core.images.sprite import png, sprite

_ENLARGED = 5  # patches are shown larger, pixel by pixel


def contents(result: dict, part: Part) -> None:
    """The hottest patches of fakes and of reals, then groups of patches that look alike."""
    left, right = st.columns(2, gap="large")
    for column, word, colour in ((left, "fake", "orange"), (right, "real", "blue")):
        places = result["hottest"][word]
        column.markdown(f"**What spoke loudest for :{colour}[{word}]**, among images rightly called so")
        if places:
            column.image(
                _sheet(part, result, places, 9),
                output_format="PNG",
                width="stretch",
                alt=f"the {len(places)} hottest patches of {word}s",
            )
        else:
            column.caption(f"No {word} was rightly called so with a map that shows evidence.")
    size = result["patch"]
    st.caption(
        f"Each patch is the {size} × {size} pixels around the hottest place of one map, the strongest maps first."
    )
    st.subheader("Hot spots that look alike", anchor="alike")
    _groups(result["contents"], lambda group: _sheet(part, result, group["examples"], 9), "patches")
    st.caption(
        "k-means over colour, shading and edges of the patches; the examples are those nearest to the middle of their group."
    )


def places(result: dict, part: Part) -> None:
    """Groups of maps that lie alike: the mean map, and images whose maps are nearest to it."""
    from cifake_core.explanations.overlay import heat_picture

    def picture(group: dict) -> bytes:
        return _whole(part, group["examples"], 9)

    for start in range(0, len(result["places"]), 6):
        for column, group in zip(st.columns(6), result["places"][start : start + 6], strict=False):
            heat = heat_picture(np.array(group["map"], np.float32), 24)
            column.image(
                png(heat), output_format="PNG", width="stretch", alt=f"mean map of a group of {group['n']} images"
            )
            column.caption(_words(group))
    st.caption(
        "Mean maps of groups whose heat lies alike (k-means, 8 × 8 cells). Bright: where the maps of the group gather."
    )
    st.subheader("Their images", anchor="images")
    _groups(result["places"], picture, "images")


def _groups(groups: list[dict], picture, what: str) -> None:
    for start in range(0, len(groups), 2):
        for column, (number, group) in zip(
            st.columns(2, gap="large"), enumerate(groups[start : start + 2], start + 1), strict=False
        ):
            column.markdown(f"**Group {number}** · {_words(group)}")
            column.image(
                picture(group),
                output_format="PNG",
                width="stretch",
                alt=f"{len(group['examples'])} {what} of group {number}",
            )


def _words(group: dict) -> str:
    called, right = group["called_fake"], group["right"]
    return (
        f"{group['n']:,} images, **{called['value']:.0%}** called :orange[fake] ({called['low']:.0%} – {called['high']:.0%}), "
        f"{group['fake']['value']:.0%} are; {right['value']:.0%} right"
    )


def _sheet(part: Part, result: dict, places: list[list[int]], columns: int) -> bytes:
    """A sprite of patches [row, y, x]."""
    size = result["patch"]
    rows = np.array([place[0] for place in places])
    cut = np.stack(
        [image[:, y : y + size, x : x + size] for image, (_, y, x) in zip(_pixels(part, rows), places, strict=True)]
    )
    return sprite(_framed(cut.repeat(_ENLARGED, 2).repeat(_ENLARGED, 3)), columns)


def _whole(part: Part, rows: list[int], columns: int) -> bytes:
    return sprite(_framed(_pixels(part, np.array(rows)).repeat(2, 2).repeat(2, 3)), columns)


def _framed(pictures: np.ndarray) -> np.ndarray:
    """A gap between pictures, the gray that is neither light's nor dark's."""
    return np.pad(pictures, ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=128)


def _pixels(part: Part, rows: np.ndarray) -> np.ndarray:
    return np.asarray(part.split_pixels[part.rows[rows]])
