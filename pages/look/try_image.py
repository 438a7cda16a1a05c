"""Try an image: upload some, photograph one, or take one from a set, and see verdict, map and how firm the verdict is."""

import streamlit as st

from pages.look.trial import answer, asking, bench, several, similar, source
from pages.shared.guard import shown_errors
from pages.shared.pickers import run_picker


def main() -> None:
    """The page."""
    title, picker = st.columns([3, 4], vertical_alignment="bottom")
    title.title("Try an image")
    title.caption("Give any picture; see what the network is shown of it, what it says, and how firm that is.")
    with picker:
        run = run_picker(
            "try_run", help="The run that judges, with its accuracy on its own test images."
        )
    if run is None:
        return
    with shown_errors():
        files = source.chosen_files(run)
        asked = asking.question(run, source.codec_choice(run))
        if not files:
            nothing_yet()
            return
        answers = several.answered(asked, files)
        if answers:
            opened = several.overview(asked, answers) if len(answers) > 1 else 0
            result = answers[opened]
            answer.show(asked, result)
            bench.workbench(asked, result)
            similar.similar(run, asking.nearest_of(run, result.seen))


def nothing_yet() -> None:
    """What the page says before a file is given."""
    with st.container(border=True):
        st.markdown(
            "**What will happen.** The picture is cut to a square, shrunk to the 32 × 32 pixels the network looks at and encoded like its "
            "training images; every stage is shown. You then see the verdict, the place it came from, and whether it survives a little "
            "compression or resizing. If it does not, the honest answer is *unsure*; and a picture unlike all the network was trained on is "
            "*outside the training domain*, whatever the network says of it."
        )


main()
