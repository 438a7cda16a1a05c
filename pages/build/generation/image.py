"""One generated image in detail: large, with how it was made, its full-size original, and the check that it can be made again."""

import json

import numpy as np
import streamlit as st

from cifake_core.evaluation.evaluating import class_name
from cifake_core.generators.catalogue import provenance_of
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.images.sprite import png
from cifake_core.jobs import places, queue
from cifake_core.jobs.states import Job, State
from cifake_core.store.workspace import Workspace
from pages.build.generation.recall import recall, request_of, whole_page_next
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import known_jobs, moving

_FACTS = {
    "generator": "Generator", "revision": "Its files", "prompt": "Prompt", "negative_prompt": "Negative prompt", "seed": "Seed",
    "steps": "Steps", "guidance": "Guidance", "scheduler": "Scheduler", "resize": "Shrunk", "codec": "Stored as", "device": "Made on",
}  # fmt: skip


def image_detail(image_set: ImageSet, part: Part, split: str) -> None:
    """The image opened by a click or by its number."""
    number = st.number_input(
        "Image no.", 1, len(part), None, key="generate_image", bind="query-params", width=320,
        placeholder="click an image, or type its number", help="Its place in the set, from 1.",
    )  # fmt: skip
    if not number:
        return
    row = int(number) - 1
    made = provenance_of(part.manifest["provenance"].iloc[row])
    word = class_name(int(part.class_labels[row]))
    with st.container(border=True):
        pictures, facts = st.columns([2, 3], gap="large")
        with pictures:
            _pictures(part.pixels[row], word, made)
        with facts:
            st.table(_known(made) or {"Class": word}, border="horizontal")
            if made:
                with st.container(horizontal=True):
                    st.button(
                        "Recall settings", key="generate_recall", icon=":material/settings_backup_restore:", on_click=_recall,
                        args=(image_set, made), help="Fills the form above with the settings that made this image.",
                    )  # fmt: skip
                    st.button(
                        "Make it again", key="generate_again", icon=":material/replay:", on_click=_again, args=(image_set, split, row),
                        help="Makes the image anew from its record alone and compares every pixel.",
                    )  # fmt: skip
                _remade(image_set, split, row)
                with st.expander("The whole record", key="generate_record", type="compact", icon=":material/data_object:"):
                    st.code(json.dumps(made, indent=2, ensure_ascii=False), language="json", height=260)


def _pictures(pixels: np.ndarray, word: str, made: dict) -> None:
    large = png(np.ascontiguousarray(pixels.transpose(1, 2, 0)).repeat(8, 0).repeat(8, 1))
    original = _original(made)
    if original is None:
        st.image(large, width=320, output_format="PNG", alt=f"A generated {word}, enlarged eight times")
        return
    left, right = st.columns(2)
    left.image(large, width="stretch", output_format="PNG", alt=f"A generated {word}, 32 × 32, enlarged eight times", caption="As it is in the set")
    size = " × ".join(map(str, made.get("original_size", ())))
    right.image(original, width="stretch", output_format="PNG", alt=f"The {word} before it was shrunk", caption=f"As the model painted it, {size}")


def _original(made: dict) -> bytes | None:
    """The kept full-size PNG; None where none was kept. The record names a place inside the workspace, and only that is read."""
    named = made.get("original")
    if not isinstance(named, str):
        return None
    root = Workspace.current().originals.resolve()
    path = (Workspace.current().home / named).resolve()
    return path.read_bytes() if path.is_relative_to(root) and path.suffix == ".png" and path.is_file() else None


def _known(made: dict) -> dict[str, str]:
    found = {title: literal(_short(made[name])) for name, title in _FACTS.items() if made.get(name) not in (None, "")}
    if rejected := made.get("rejected"):
        reasons = ", ".join(sorted({str(one.get("reason")) for one in rejected}))
        found["Drawn again"] = literal(f"{len(rejected)} × with another seed, because of: {reasons}")
    versions = made.get("versions")
    if isinstance(versions, dict):
        found["Versions"] = literal(", ".join(f"{name} {number}" for name, number in versions.items()))
    return found


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:24]}…" if text.startswith("sha256:") else text


def _recall(image_set: ImageSet, made: dict) -> None:
    """The request that made the set, with what this very image's record says."""
    with shown_errors():
        recall(dict(image_set.record["source"].get("step") or {}) | request_of(made))
    whole_page_next()


def _arguments(image_set: ImageSet, split: str, row: int) -> dict:
    return {"dataset": image_set.name, "split": split, "row": row}


def _again(image_set: ImageSet, split: str, row: int) -> None:
    with shown_errors():
        queue.submit(Workspace.current(), "regenerate", _arguments(image_set, split, row), title=f"Make image {row + 1} of {image_set.name} again")
    whole_page_next()


def _remade(image_set: ImageSet, split: str, row: int) -> None:
    """What came of making it again; the jobs panel lets the page run anew when the job is over."""
    wanted = _arguments(image_set, split, row)
    job = next((job for job in known_jobs(frozenset({"regenerate"})) if job.arguments == wanted), None)
    if job is None:
        return
    if moving([job]):
        st.caption(":material/hourglass_top: It is being made again, from its record alone.")
    elif job.state == State.FAILED:
        st.error(literal(job.error or "It could not be made again."))
    elif job.state == State.DONE and job.result:
        _verdict(job)


def _verdict(job: Job) -> None:
    try:
        again = (places.scratch(Workspace.current(), job.id) / "remade.png").read_bytes()
    except OSError:
        again = None
    with st.container(horizontal=True, vertical_alignment="center"):
        if again:
            st.image(again, width=96, output_format="PNG", alt="The image made again")
        if job.result["same"]:
            st.success("Made again: every pixel is the same.", icon=":material/check:")
        else:
            st.warning(f"Made again: pixels differ by up to {job.result['largest_difference']} of 255. Another kind of device or other versions do that.")
