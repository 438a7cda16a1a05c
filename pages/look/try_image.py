"""Try an image: upload some, or take one from a set, and see verdict, map and how firm the verdict is."""

import streamlit as st

from pages.look.trial import trial
from pages.shared.guard import shown_errors
from pages.shared.pickers import run_picker


def main() -> None:
    """The page."""
    title, picker = st.columns([3, 4], vertical_alignment="bottom")
    title.title("Try an image")
    title.caption("Give any picture; see what the network is shown of it, what it says, and how firm that is.")
    with picker:
        run = run_picker("try_run", help="The network that judges. A larger one, trained longer, is usually right more often.")
    if run is None:
        return
    with shown_errors():
        files = trial.chosen_files(run)
        jpeg = trial.codec_choice(run)
        if not files:
            trial.nothing_yet()
        for number, (name, data) in enumerate(files):
            with shown_errors():
                trial.show(trial.tried(run, name, data, jpeg), number)


main()
