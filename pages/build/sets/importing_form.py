"""The form that starts an import: where from, what was understood of it, and the button below that. It submits a job.

The source and every answer are widgets bound to the address, so a link shows the same preview; uploads belong to the tab.
"""

import re
from dataclasses import asdict, replace
from pathlib import Path

import streamlit as st

from cifake_core.images.importing import ImportImages
from cifake_core.images.preview import Preview, preview
from cifake_core.jobs import queue
from cifake_core.progress import Progress
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace, checked_name
from pages.build.sets import import_preview
from pages.build.sets.import_sources import (
    CIFAKE_FACTS,
    DOWNLOAD,
    allowed_path,
    import_roots,
    keep_upload,
    submit_import,
)
from pages.shared.guard import literal, shown_errors
from pages.shared.uploads import release

WAYS = {"download": "Download CIFAKE", "path": "From this server", "upload": "Upload"}
LABELS = {"": "as the source says", "real": "all are real", "fake": "all are fake"}
_KEPT = "data_uploads"  # in the session: [{"name", "path", "bytes"}]
_STARTED = "data_import_job"  # in the session: the job of the last import of this tab, until its set has been opened
_SEEN = "data_import_seen"  # in the session: what was asked → its preview
_MOST_SEEN = 4
UPLOAD_TYPES = ["zip", "tar", "gz", "tgz", "parquet", "arrow"]


def import_form() -> None:
    """Source, preview, import: each step appears when the one before is done."""
    way = st.segmented_control(
        "Where the images come from", list(WAYS), default="download", required=True, format_func=WAYS.get,
        key="data_from", bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    with shown_errors():
        if way == "download":
            st.caption(CIFAKE_FACTS + " A broken download goes on where it stopped; a checksum guards it.")
            _launch(ImportImages((DOWNLOAD,), "cifake"), "cifake", "download", ready=True)
            return
        sources = _typed() if way == "path" else _uploaded()
        if sources:
            _look_and_import(sources, way)


def open_imported() -> None:
    """Chooses the set of this tab's import when it is there. Call it before the picker of sets is drawn."""
    started = st.session_state.get(_STARTED)
    if started is None:
        return
    job = next((job for job in queue.jobs(Workspace.current()) if job.id == started), None)
    if job is None or job.is_final:
        del st.session_state[_STARTED]
    if job is not None and job.is_final and job.result:
        st.session_state["data_set"] = job.result["dataset"]
        st.session_state.pop(_SEEN, None)
        st.session_state.pop(_KEPT, None)


# ---- step 1: the source


def _typed() -> tuple[str, ...]:
    roots = ", ".join(literal(str(root)) for root in import_roots())
    typed = st.text_input(
        "Files or folders, separated by commas", key="data_path", bind="query-params", placeholder="cifake-train.parquet, cifake-test.parquet",
        help="Parquet, zip, tar, a CSV or JSONL list, or a folder of pictures.",
    )  # fmt: skip
    st.caption(f"From here only {roots} may be read; the command line reads anything you can.")
    return tuple(str(allowed_path(part)) for part in typed.split(",") if part.strip())


def _uploaded() -> tuple[str, ...]:
    kept: list[dict] = st.session_state.setdefault(_KEPT, [])
    given = st.file_uploader(
        "Archives or Parquet files", UPLOAD_TYPES, accept_multiple_files=True, key=f"data_upload_{len(kept)}",
        help="Up to a gigabyte each, as many as belong together. A zip or tar holds folders of reals and fakes.",
    )  # fmt: skip
    if given:
        for file in given:
            path = str(keep_upload(file.name, file))
            if path not in {one["path"] for one in kept}:
                kept.append({"name": file.name, "path": path, "bytes": file.size})
            release(file)
        st.rerun()  # the uploader begins anew, empty: what it held lies on the disk now
    for number, one in enumerate(kept):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/draft: {literal(one['name'])} · {_size(one['bytes'])}", width="content")
            st.button("Remove", key=f"data_upload_remove_{number}", type="tertiary", icon=":material/close:", on_click=kept.remove, args=(one,), help=f"Leave {one['name']} out")
    return tuple(one["path"] for one in kept)


def _size(number: int) -> str:
    return f"{number / 1e6:,.1f} MB" if number >= 1e5 else f"{number / 1e3:,.1f} kB"


# ---- step 2: what was understood; step 3: the import


def _look_and_import(sources: tuple[str, ...], way: str) -> None:
    step = replace(_asked(sources), **_further())
    seen = _seen(step)
    if answers := import_preview.label_answers(seen):
        step = replace(step, **answers)
        seen = _seen(step)
    open_names = {name: n for question in seen.questions if question.topic == "labels" for name, n in question.names.items()}
    open_names |= {name: seen.names[name]["images"] for name in (*step.real, *step.fake) if name in seen.names}  # sorted ones can be changed
    if open_names:
        import_preview.sort_names(seen, open_names)
    import_preview.summary(seen, open_names)
    import_preview.open_questions(seen.questions)
    _launch(step, _suggested(sources), way, ready=not seen.questions)


def _asked(sources: tuple[str, ...]) -> ImportImages:
    """The step with what the lists of names say now: they are drawn below the preview that they change."""
    named = {word: tuple(st.session_state.get(f"data_names_{word}", ())) for word in ("real", "fake")}
    return ImportImages(sources, "preview", **named, link_roots=tuple(map(str, import_roots())))


def _further() -> dict:
    """What can be said of any source."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.segmented_control(
            "Labels", list(LABELS), default="", required=True, format_func=LABELS.get, key="data_label", bind="query-params",
            help="For a source of one kind, such as photographs only.",
        )  # fmt: skip
        resize = st.checkbox(
            "Shrink images that are not 32 × 32", key="data_resize", bind="query-params",
            help="Antialiased, to the middle square. Their original sizes are recorded, and the audit compares them.",
        )  # fmt: skip
        jpeg = st.checkbox(
            "Re-encode all as CIFAKE's files are (JPEG 75, 4:2:0)", key="data_jpeg", bind="query-params",
            help="If reals and fakes come in different file formats, a network can tell them by the format instead of the image.",
        )  # fmt: skip
    with st.expander("Columns, names of files, validation images", key="data_more", icon=":material/tune:", type="compact"):
        columns = st.text_input(
            "Columns of a table or list", key="data_columns", bind="query-params", placeholder="image=path, label=target",
            help="Which column is what: image, label, split, class, generator, prompt, seed.",
        )  # fmt: skip
        pattern = st.text_input(
            "Pattern of file names", key="data_pattern", bind="query-params", placeholder="(?P<label>real|fake)_",
            help="A regular expression with a group named label, for labels that stand in the names of files.",
        )  # fmt: skip
        validation = st.segmented_control(
            "Validation images of the source", ["train", "keep", "test"], default="train", required=True, key="data_validation", bind="query-params",
            help="train: they join the training images, and validation is cut anew. keep: they stay the validation images.",
        )  # fmt: skip
        strict = st.checkbox("Refuse broken files instead of leaving them out", key="data_strict", bind="query-params")
    given = tuple(part.strip() for part in columns.split(",") if part.strip())
    return {"label": label, "resize": resize, "jpeg": jpeg, "columns": given, "label_pattern": pattern.strip(), "validation": validation, "strict": strict}


def _seen(step: ImportImages) -> Preview:
    """The preview of the step; kept until the sources or an answer change."""
    asked = repr((step, [_state(Path(source)) for source in step.sources]))
    kept: dict[str, Preview] = st.session_state.setdefault(_SEEN, {})
    if asked not in kept:
        bar = st.progress(0.0, text="Looking at the source")
        try:
            found = preview(step, Context(Workspace.current(), _shown_in(bar)))
        finally:
            bar.empty()
        for old in list(kept)[: max(0, len(kept) - _MOST_SEEN + 1)]:
            del kept[old]
        kept[asked] = found
    return kept[asked]


def _shown_in(bar) -> Progress:
    return lambda done, total, message: bar.progress(min(1.0, done / max(total, 1)), text=message)


def _state(path: Path) -> tuple:
    try:
        known = path.stat()
    except OSError:
        return ()
    return known.st_mtime_ns, known.st_size


def _suggested(sources: tuple[str, ...]) -> str:
    """A name for the set out of the first source's: "CIFAKE train.parquet" → "cifake-train"."""
    stem = Path(sources[0]).name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:60].lower() or "my-images"


def _launch(step: ImportImages, suggested: str, way: str, *, ready: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input(
            "Name of the image set", placeholder=suggested, max_chars=80, key=f"data_name_{way}", width=320,
            help="Letters, digits, dots, dashes. It is what you choose on the other pages.",
        )  # fmt: skip
        pressed = st.button("Import", type="primary", icon=":material/download:", key="data_import_now", disabled=not ready)
    if pressed:
        name = checked_name(typed.strip() or suggested)
        st.session_state[_STARTED] = _submit(replace(step, name=name))
        st.rerun()


def _submit(step: ImportImages) -> str:
    own = ImportImages(("x",), "x")
    given = {name: value for name, value in asdict(step).items() if value != getattr(own, name) or name in ("sources", "name", "resize", "jpeg")}
    return submit_import({name: list(value) if isinstance(value, tuple) else value for name, value in given.items()})
