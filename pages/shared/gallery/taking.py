"""The way out of a gallery: a selection as a table and as an archive of lossless images."""

import numpy as np
import streamlit as st

from cifake_core.evaluation import exporting
from pages.shared.gallery.view import View
from pages.shared.guard import shown_errors


def exports(view: View, rows: np.ndarray, which: str = "selection") -> None:
    """Two buttons: those images as a table and as an archive, made when asked for. `which` keeps keys apart."""
    name = f"{view.scores.run.id}-{len(rows)}-images"

    def table() -> bytes:
        return exporting.csv(exporting.table(view.scores, rows, view.threshold))

    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.download_button(
            "Table (CSV)", table, f"{name}.csv", "text/csv", icon=":material/table:", on_click="ignore",
            disabled=not len(rows), key=view.key(f"csv_{which}"), help="One line an image: identity, truth, verdict, probability, class, provenance.",
        )  # fmt: skip
        too_many = len(rows) > exporting.MAX_IMAGES
        with shown_errors():
            st.download_button(
                "Images (zip)",
                lambda: exporting.archive(view.scores, rows, view.threshold),
                f"{name}.zip",
                "application/zip",
                icon=":material/folder_zip:",
                on_click="ignore",
                disabled=too_many or not len(rows),
                key=view.key(f"zip_{which}"),
                help=f"Lossless PNGs and a table, for up to {exporting.MAX_IMAGES:,} images at a time.",
            )
