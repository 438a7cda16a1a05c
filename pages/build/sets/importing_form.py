"""The form that starts an import: download, a path on the server, or an upload. It submits a job and reads no image."""

import streamlit as st

from cifake_core.errors import BadInput
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace, checked_name
from pages.build.sets.import_sources import DOWNLOAD, allowed_path, import_roots, keep_upload
from pages.shared.guard import literal, shown_errors

CIFAKE_FACTS = (
    "120,000 images from the authors' repository (about 105 MB, MIT licence): 60,000 photographs of CIFAR-10, "
    "60,000 images made by Stable Diffusion 1.4."
)
_WAYS = {"download": "Download CIFAKE", "path": "From this server", "upload": "Upload"}


def import_form() -> None:
    """Read the widgets, check them, submit one job of kind `import`."""
    way = st.segmented_control(
        "Where the images come from", list(_WAYS), default="download", required=True, format_func=_WAYS.get,
        key="data_from", bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    with st.form("import", border=False):
        {"download": _about_download, "path": _path_field, "upload": _upload_field}[way]()
        name = st.text_input(
            "Name of the image set", value="cifake" if way == "download" else "", placeholder="my-images", max_chars=80,
            key=f"data_name_{way}", help="Letters, digits, dots, dashes. It is what you choose on the other pages.",
        )  # fmt: skip
        resize = jpeg = False
        if way != "download":
            resize = st.checkbox(
                "Shrink images that are not 32 × 32", key="data_resize",
                help="Antialiased, to the middle square. Without it such an image stops the import with its name.",
            )  # fmt: skip
            jpeg = st.checkbox(
                "Re-encode all as CIFAKE's files are (JPEG 75, 4:2:0)", key="data_jpeg",
                help="If reals and fakes come in different file formats, a network learns the format instead of the image.",
            )  # fmt: skip
        if st.form_submit_button("Import", type="primary", icon=":material/download:"):
            with shown_errors():
                _submit(way, name, resize, jpeg)


def start_download() -> None:
    """Fetches the real CIFAKE, as the form would; for buttons elsewhere."""
    _queue([DOWNLOAD], "cifake", False, False)


def _about_download() -> None:
    st.caption(CIFAKE_FACTS + " A broken download goes on where it stopped; a checksum guards it.")


def _path_field() -> None:
    roots = ", ".join(literal(str(root)) for root in import_roots())
    st.text_input("Parquet files, a zip archive or a folder", key="data_path", placeholder="cifake-train.parquet, cifake-test.parquet")
    st.caption(
        f"Several files are separated by commas. A folder needs REAL and FAKE inside. From here only {roots} may be read; "
        "the command line reads anything you can."
    )


def _upload_field() -> None:
    st.file_uploader(
        "Zip archive or Parquet files", type=["zip", "parquet"], accept_multiple_files=True, key="data_upload",
        help="Up to 25 MB each. A zip holds folders REAL and FAKE; larger sets come from the server's own disk.",
    )  # fmt: skip


def _submit(way: str, name: str, resize: bool, jpeg: bool) -> None:
    checked_name(name.strip())
    if way == "download":
        sources = [DOWNLOAD]
    elif way == "path":
        typed = st.session_state["data_path"]
        sources = [str(allowed_path(part)) for part in typed.split(",") if part.strip()] or [str(allowed_path(typed))]
    else:
        sources = [str(keep_upload(file.name, file)) for file in st.session_state["data_upload"] or []]
        if not sources:
            raise BadInput("No file is chosen; choose a zip archive or Parquet files first.")
    _queue(sources, name.strip(), resize, jpeg)


def _queue(sources: list[str], name: str, resize: bool, jpeg: bool) -> None:
    arguments = {"sources": sources, "name": name, "resize": resize, "jpeg": jpeg}
    queue.submit(Workspace.current(), "import", arguments, title=f"Import {name}")
    st.toast(f"Importing {literal(name)}.", icon=":material/download:")
