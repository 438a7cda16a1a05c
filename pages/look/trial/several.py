"""Several images at once: a table with a picture, a verdict and an interval each, a CSV, and the choice of the one opened."""

import base64

import pandas as pd
import streamlit as st

from cifake_core.errors import CifakeError
from cifake_core.evaluation import calibrating
from cifake_core.explanations.verdict import WORDS
from cifake_core.images.sprite import png
from pages.look.trial import saying
from pages.look.trial.asking import Question, tried
from pages.shared.guard import literal


def answered(asked: Question, files: list[tuple[str, bytes]]) -> list:
    """The answer (`trying.Tried`) to each file that can be read; a bad one gets its sentence on the page."""
    found = []
    for name, data in files:
        try:
            found.append(tried(asked, name, data))
        except CifakeError as error:
            st.error(literal(str(error)), icon=":material/error:")
    return found


def overview(asked: Question, answers: list) -> int:
    """The table and its CSV; gives the place of the image to open."""
    table = as_table(asked, answers)
    counts = table["verdict"].value_counts()
    st.markdown(
        " · ".join(f"**{counts.get(word, 0)}** {word}" for word in WORDS)
        + f" of {len(table)} images"
    )
    pictures = ["data:image/png;base64," + base64.b64encode(png(result.seen)).decode() for result in answers]
    shown = table[["name", "verdict", "fake_probability", "reasons"]].assign(
        interval=[saying.interval(result.verdict.evidence.spread) for result in answers]
    )
    shown.insert(0, "image", pictures)
    event = st.dataframe(
        shown, hide_index=True, width="stretch", on_select="rerun", selection_mode="single-row-required",
        key="try_table", row_height=44, height=min(44 * len(shown) + 42, 420),
        column_config={
            "image": st.column_config.ImageColumn("", width="small"),
            "fake_probability": st.column_config.ProgressColumn("Probability of fake", min_value=0, max_value=1, format="percent"),
            "name": "File", "verdict": "Verdict", "reasons": "Why not firm", "interval": "Interval over seeds",
        },
    )  # fmt: skip
    st.download_button(
        "Table (CSV)", lambda: table.to_csv(index=False).encode(), f"{asked.run.id}-{len(table)}-tried.csv", "text/csv",
        icon=":material/table:", on_click="ignore", key="try_csv",
        help="One line an image: verdict, calibrated probability, interval over seeds, reasons and warnings.",
    )  # fmt: skip
    picked = event.selection.rows
    return min(picked[0], len(answers) - 1) if picked else 0


def as_table(asked: Question, answers: list) -> pd.DataFrame:
    """One row an image, for people and for files."""
    return pd.DataFrame(
        [
            {
                "name": result.name,
                **_verdict_columns(result.verdict),
                "warnings": " ".join(result.warnings),
                "format": result.format,
                "width": result.size[0],
                "height": result.size[1],
                "encoded_as_jpeg": asked.jpeg,
                "calibration": calibrating.titled(asked.calibrator),
                "run": asked.run.id,
            }
            for result in answers
        ]
    )


def _verdict_columns(verdict) -> dict:
    """`Verdict.as_dict` as cells: rounded, reasons as one text."""
    rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in verdict.as_dict().items()}
    return {**rounded, "reasons": "; ".join(verdict.reasons)}
