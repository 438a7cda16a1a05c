"""Where an image to try comes from: files of one's own, the camera, or a test image whose truth is known."""

from collections import Counter

import numpy as np
import streamlit as st

from cifake_core.detectors.community_forensics.models import is_forensic
from cifake_core.detectors.runs import Run
from cifake_core.errors import NotFound
from cifake_core.evaluation.evaluating import class_name
from cifake_core.images import codec
from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace

MOST = 60  # files tried at a time
SOURCES = ("my files", "the camera", "the test images")


def chosen_files(run: Run) -> list[tuple[str, bytes]]:
    """(name, bytes) of the uploads, of a photograph, or of a test image of the run's set."""
    _follow_link(run)
    source = st.segmented_control(
        "From", SOURCES, default=SOURCES[0], required=True, key="try_from", bind="query-params", on_change=_leave_link,
        help="Test images were not used in training; for these the truth is known.",
    )  # fmt: skip
    return {SOURCES[0]: _uploads, SOURCES[1]: _camera}.get(source, lambda: _sample(run))()


def _follow_link(run: Run) -> None:
    """A link with `image_id` opens that test image, and rules until another is chosen."""
    asked = st.query_params.get("image_id")
    if not asked:
        return
    image_set = ImageSet.open(Workspace.current(), run.dataset)
    ids = image_set.manifest("test")["image_id"].to_numpy() if image_set.has("test") else np.empty(0, str)
    places = np.flatnonzero(ids == asked)
    if not len(places):
        _leave_link()
        raise NotFound(
            f"The linked image {asked[:16]!r} is not among the test images of {run.dataset!r}; choose another network."
        )
    st.session_state["try_from"], st.session_state["try_number"] = SOURCES[2], int(places[0]) + 1


def _leave_link() -> None:
    """Another image or source is chosen: the address names it by its place from now on."""
    st.query_params.pop("image_id", None)


def _uploads() -> list[tuple[str, bytes]]:
    folder = st.toggle("A whole folder", key="try_folder", bind="query-params", help="Every picture in a folder of yours, and in those inside it.")
    given = st.file_uploader(
        "Folder" if folder else "Images", [suffix.removeprefix(".") for suffix in codec.SUFFIXES],
        accept_multiple_files="directory" if folder else True, key="try_folder_files" if folder else "try_files", max_upload_size=25,
        help="Drag and drop: JPEG, PNG, WEBP, BMP, TIFF, GIF, AVIF or HEIC. They are not stored.",
    )  # fmt: skip
    if len(given) > MOST:
        st.warning(f"{len(given)} files were given; the first {MOST} are tried.")
    names = told_apart([file.name for file in given[:MOST]])
    return [(name, file.getvalue()) for name, file in zip(names, given, strict=False)]


def told_apart(names: list[str]) -> list[str]:
    """The names, the second and later of one name numbered: a browser says nothing of the folders of single files."""
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    return told


def _camera() -> list[tuple[str, bytes]]:
    """The browser asks for permission only now that the camera was chosen."""
    photo = st.camera_input("Photograph", key="try_camera", help="The photograph is not stored.", width=420)
    return [("The photograph", photo.getvalue())] if photo else []


def _sample(run: Run) -> list[tuple[str, bytes]]:
    image_set = ImageSet.open(Workspace.current(), run.dataset)
    if not image_set.has("test"):
        raise NotFound(f"{run.dataset!r} has no test images; upload a file instead.")
    total = image_set.record["rows"]["test"]
    left, middle, right = st.columns([2, 2, 4], vertical_alignment="bottom")
    number = left.number_input(
        "Test image no.", 1, total, 1, key="try_number", bind="query-params", on_change=_leave_link,
        help=f"1 to {total:,}",
    )  # fmt: skip
    middle.button("Draw one at random", icon=":material/casino:", on_click=_draw, args=(total,), width="stretch")
    known = image_set.manifest("test").iloc[number - 1]
    truth = (":blue[real]", ":orange[fake]")[int(known["label"])]
    right.markdown(f"The truth: a **{truth}** {class_name(int(known['class_label']))}.")
    return [(f"Test image {number}", image_set.encoded("test", number - 1))]


def _draw(total: int) -> None:
    _leave_link()
    st.session_state["try_number"] = int(np.random.default_rng().integers(1, total + 1))


def codec_choice(run: Run) -> bool:
    """Whether images go through CIFAKE's JPEG path first; on where the network learned from JPEGs."""
    if is_forensic(run.topology):
        return False  # it learned from files of every codec, and is shown the picture as it came
    formats = ImageSet.open(Workspace.current(), run.dataset).record.get("formats", {})
    learned = bool(formats) and max(formats, key=formats.get) == "JPEG"
    known = f"This network learned from {' and '.join(sorted(formats))} files. " if formats else ""
    return st.toggle(
        "Encode as CIFAKE's files are (JPEG 75)", learned, key=f"try_jpeg_{'on' if learned else 'off'}", bind="query-params",
        help=f"{known}An image that came by another codec may be told by the codec, not by what it shows.",
    )  # fmt: skip
