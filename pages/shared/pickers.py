"""Choosing an image set or a run, the same way on every page, and links that arrive with the choice made.

The URL carries the label a user reads (Streamlit writes labels), so a label names its thing for good and is unique.
It knows what lies in the workspace; it does not know what a page does with the choice.
"""

import streamlit as st

from cifake_core.detectors import runs
from cifake_core.detectors.runs import Run
from cifake_core.images.image_set import MINIMUM_PER_LABEL, ImageSet
from cifake_core.store.workspace import Workspace

PAGES = {
    "home": "pages/start/home.py",
    "data": "pages/build/data.py",
    "generate": "pages/build/generate.py",
    "train": "pages/build/train.py",
    "metrics": "pages/look/metrics.py",
    "gradcam": "pages/look/gradcam.py",
    "inside": "pages/look/inside.py",
    "findings": "pages/look/findings.py",
    "try_image": "pages/look/try_image.py",
}


def image_set_picker(key: str, *, label: str = "Image set", help: str | None = None) -> ImageSet | None:
    """The chosen image set, bound to the URL under `key`. With none in the workspace: says where to get one, gives None."""
    ordered = sorted(ImageSet.list(Workspace.current()), key=lambda image_set: why_not_trainable(image_set) is not None)
    found = {image_set.name: image_set for image_set in ordered}  # those with both labels first
    if not found:
        _nothing_yet("There is no image set yet. Import one, or make one from a generator.", "data", "Import images")
        return None
    name = st.selectbox(label, list(found), key=key, bind="query-params", help=help)
    return found.get(name)


def run_picker(key: str, *, image_set: str | None = None, label: str = "Network", help: str | None = None) -> Run | None:
    """The chosen run, newest first, bound to the URL under `key`; only those trained on `image_set` if that is named.

    With no run to choose from: says where to train one and gives None.
    """
    found = {run_label(run): run for run in runs.runs(Workspace.current()) if image_set in (None, run.dataset)}
    if not found:
        _nothing_yet("No network has been trained yet; a few small ones take a minute.", "train", "Train networks")
        return None
    shown = help or "Topology · seed · share of test images it got right · the image set it learned from · its number."
    return found.get(st.selectbox(label, list(found), key=key, bind="query-params", help=shown))


def run_label(run: Run) -> str:
    """ "32x2-64x1 · seed 0 · 93.48 % · cifake · 3fa81c": what a run is called in pickers, and in links to them."""
    return f"{run.topology} · seed {run.seed} · {accuracy_text(run)} · {run.dataset} · {run.id[-6:]}"


def accuracy_text(run: Run) -> str:
    """Test accuracy of a run, or, for a set without test images, what it reached on validation."""
    test = run.record.get("test")
    return percent(test["accuracy"]) if test else f"{percent(run.record['validation']['accuracy'])} (validation)"


def accuracy_interval(run: Run) -> str:
    """ "93.48 % (93.13 – 93.82)": what `accuracy_text` says, with its 95 % interval."""
    found = run.record.get("test") or run.record["validation"]
    interval = f" ({100 * found['low']:.2f} – {100 * found['high']:.2f})"
    return percent(found["accuracy"]) + interval + ("" if run.record.get("test") else " (validation)")


def percent(share: float | None, digits: int = 2) -> str:
    """0.9348 → "93.48 %"; "–" for an undefined share."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def link_to(page: str, label: str, *, icon: str | None = None, help: str | None = None, **choices: str) -> None:
    """A link to a page of the app, with the values of its bound widgets (key = label) already chosen."""
    st.page_link(PAGES[page], label=label, icon=icon, help=help, query_params=choices or None)


def run_links(run: Run) -> None:
    """Where to look at a run: its numbers and its maps."""
    with st.container(horizontal=True):
        link_to("metrics", "Open in Metrics", icon=":material/analytics:", metrics_run=run_label(run))
        link_to("gradcam", "Open in Grad-CAM", icon=":material/visibility:", gradcam_run=run_label(run))


def why_not_trainable(image_set: ImageSet) -> str | None:
    """One sentence on what a set lacks for training, told from its counts; None if nothing."""
    counts = image_set.record["counts"].get("train")
    if counts is None:
        return "It has test images only, and nothing to train on."
    for word in ("real", "fake"):
        if counts[word] < MINIMUM_PER_LABEL:
            has = f"only {counts[word]}" if counts[word] else "no"
            return f"It has {has} {word} images to train on; training needs at least {MINIMUM_PER_LABEL} of each label."
    return None


def _nothing_yet(sentence: str, page: str, label: str) -> None:
    with st.container(border=True):
        st.markdown(sentence)
        link_to(page, label, icon=":material/arrow_forward:")
        if page != "home":
            link_to("home", "Or begin with the demo on the start page", icon=":material/home:")
