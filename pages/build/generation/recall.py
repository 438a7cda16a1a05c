"""Recall settings: the form filled from a request, from an image's record, or from a PNG that was exported.

Records may come from strangers, so only values the form could hold are taken from them.
"""

import streamlit as st

from cifake_core import CLASS_NAMES
from cifake_core.images.exporting import provenance_in
from pages.build.generation.plan import SCHEDULERS
from pages.build.generation.source import recalled_choice
from pages.shared.guard import shown_errors


def recall_from_file() -> None:
    """The settings that made an exported PNG, read from its text fields."""
    with st.popover("Recall the settings of a PNG", icon=":material/settings_backup_restore:", type="tertiary"):
        file = st.file_uploader(
            "A PNG out of an export", type=["png"], key="generate_png", max_upload_size=25,
            help="Exported PNGs carry how they were made. Only that is read; the picture is not kept.",
        )  # fmt: skip
        st.button("Fill the form", key="generate_png_recall", disabled=file is None, on_click=_recall_png)


def _recall_png() -> None:
    with shown_errors():
        recall(request_of(provenance_in(st.session_state.generate_png.getvalue())))


def request_of(made: dict) -> dict:
    """The fields of a request that one image's record tells; of any shape, for the record may be a stranger's."""
    texts = {name: str(made[name]) for name in ("generator", "negative_prompt") if isinstance(made.get(name), str)}
    numbers = {name: made[name] for name, most in (("steps", 1000), ("size", 2048)) if _whole(made.get(name), most)}
    guidance = made.get("guidance")
    if isinstance(guidance, int | float) and 0 <= guidance <= 50:
        numbers["guidance"] = float(guidance)
    if made.get("generator_kind") == "folder":  # a record tells a folder's name, not its place: the form's generator stays
        texts.pop("generator", None)
    scheduler = made.get("scheduler_asked")
    return texts | numbers | ({"scheduler": scheduler} if scheduler in SCHEDULERS else {})


def _whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most and (most < 2048 or value % 8 == 0)


def recall(step: dict) -> None:
    """Fills the form with the settings of a request (fields of `generating.Generate`; those that lack keep their place). For callbacks."""
    state = st.session_state
    own = {"steps": "generate_steps", "size": "generate_size", "batch": "generate_batch"}  # 0 = empty
    plain = {"seed": "generate_seed", "split": "generate_split", "keep_originals": "generate_originals",
             "negative_prompt": "generate_negative", "scheduler": "generate_scheduler"}  # fmt: skip
    state.update(recalled_choice(step["generator"]) if step.get("generator") else {})
    state.update({key: step[name] or None for name, key in own.items() if name in step})
    state.update({key: step[name] for name, key in plain.items() if name in step})
    if "guidance" in step:
        state.generate_guidance = None if step["guidance"] < 0 else float(step["guidance"])
    if step.get("template"):
        state.generate_template = step["template"]
    if "classes" in step:
        numbers = {name: step.get("counts", {}).get(name, step["per_class"]) for name in step["classes"]}
        state.generate_own = bool(step.get("counts"))
        state.generate_per_class, state.generate_classes = max(1, step["per_class"]), list(step["classes"])
        state.generate_numbers_base = {name: numbers.get(name, 0) for name in CLASS_NAMES}
    state.generate_words_base = dict(step.get("modifiers") or {})
    state.generate_recalls = state.get("generate_recalls", 0) + 1  # the editors begin anew from these
    state.generate_open = True


def whole_page_next() -> None:
    """For callbacks inside the gallery's fragment: what they changed shows elsewhere on the page. See `whole_page_if_asked`."""
    st.session_state.generate_whole_page = True


def whole_page_if_asked() -> None:
    """Lets the whole page run once if a callback of this fragment asked for it."""
    if st.session_state.pop("generate_whole_page", False):
        st.rerun()
