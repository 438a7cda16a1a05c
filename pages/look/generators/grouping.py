"""Where generators come from, as the launch form asks it: not known, as the dataset records it, or from a file."""

import streamlit as st

from cifake_core.errors import CifakeError
from cifake_core.images.image_set import ImageSet
from cifake_core.studies.unseen.groups import groups_of, read_groups
from pages.shared.guard import literal

UNKNOWN, RECORDED, FILE = "not known", "as the dataset records it", "from a file"


def groups_form(images: ImageSet) -> dict[str, str]:
    """Generator → source; {} where it is not known. What cannot be read is said and stops the form."""
    recorded = _recorded(images.digest, images)
    choices = [UNKNOWN, *([RECORDED] if recorded else []), FILE]
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    chosen = left.segmented_control(
        "Source of each generator", choices, default=choices[1] if recorded else UNKNOWN, required=True, key="unseen_sources",
        help="A source is, for example, the repository a generator comes from. Where it is known, all generators of one source are kept on one side of every split, "
        "and the figure without that is reported beside it.",
    )  # fmt: skip
    if chosen == RECORDED:
        return recorded
    if chosen == UNKNOWN:
        return {}
    file = right.file_uploader("Groups file", type=["csv", "json"], key="unseen_groups_file", help="CSV with the header generator,source, or a JSON object {generator: source}.")
    if file is None:
        st.caption("Upload a CSV with the header `generator,source`, or a JSON object {generator: source}, with every generator of the dataset.")
        return {}
    try:
        return read_groups(file.getvalue(), file.name)
    except CifakeError as error:
        st.error(literal(str(error)))
        return {}


@st.cache_data(max_entries=20, show_spinner=False)
def _recorded(digest: str, _images: ImageSet) -> dict[str, str]:
    try:
        return groups_of(_images)
    except CifakeError:
        return {}  # several sources for one generator: only a file can say
