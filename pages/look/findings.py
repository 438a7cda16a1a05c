"""What does it find? Maps grouped by place and by what lies under the hot spot, and what the logit goes with."""

import streamlit as st

from cifake_core.errors import CifakeError
from pages.look.found import launching, sheets, statistics
from pages.look.maps.studying import taken_before
from pages.shared.guard import literal, shown_errors
from pages.shared.pickers import run_picker

VIEWS = ("under the hot spot", "by place", "image statistics")


def main() -> None:
    """The page."""
    title, picker = st.columns([3, 4], vertical_alignment="bottom")
    title.title("What does it find?")
    title.caption(
        "The places a network's maps gather at, the picture parts under them, and the image properties its verdict goes with."
    )
    with picker:
        run = run_picker("findings_run")
    if run is None:
        return
    with shown_errors():
        result = launching.study(run)
        if result is None:
            return
        taken_before(result, run)
        part = launching.part_of(run, result)
        from cifake_core.explanations import findings, methods

        st.markdown(f"#### {literal(findings.in_words(result['correlations']))}")  # not the stored sentence: an earlier version said more than it knew
        st.caption(
            f"{result['n']:,} {result['split']} images, {literal(methods.title(result['method']))} at {literal(result['layer'])}; {result['empty']:,} maps "
            "are zero everywhere and belong to no group. Groups and correlations are hints, not causes."
        )
        view = st.segmented_control(
            "View",
            VIEWS,
            default=VIEWS[0],
            required=True,
            key="findings_view",
            bind="query-params",
            label_visibility="collapsed",
        )
        try:
            {VIEWS[0]: sheets.contents, VIEWS[1]: sheets.places}.get(view, statistics.bars)(result, part)
        except (IndexError, KeyError) as error:
            raise CifakeError(
                "The study does not fit the image set any more; delete the study and make it again."
            ) from error


main()
