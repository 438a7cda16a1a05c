"""Training images like the tried one in feature space, and how far it is from all of them."""

import numpy as np
import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.evaluation.evaluating import class_name
from cifake_core.images.image_set import ImageSet
from cifake_core.images.sprite import png
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from pages.shared.guard import shown_errors
from pages.shared.jobs_panel import jobs_panel

KIND = "index-features"


def similar(run: Run, nearest) -> None:
    """The nearest training images in a row, each with its truth; without an index, the job that makes one."""
    st.subheader("Similar training images", anchor="similar")
    if nearest is None:
        _no_index(run)
        return
    part = ImageSet.open(Workspace.current(), run.dataset).part("train")
    for column, row, distance in zip(st.columns(8, gap="small"), nearest.rows, nearest.distances, strict=False):
        picture = np.ascontiguousarray(part.split_pixels[part.rows[row]].transpose(1, 2, 0))
        word, truth = class_name(int(part.class_labels[row])), int(part.labels[row])
        column.image(
            png(picture.repeat(6, 0).repeat(6, 1)), output_format="PNG", width="stretch", alt=f"{('real', 'fake')[truth]} {word}, distance {distance:.2f}",
        )  # fmt: skip
        column.caption(f"{(':blue[real]', ':orange[fake]')[truth]} {word} · {distance:.2f}")
    fakes = int(part.labels[nearest.rows].sum())
    st.caption(
        f"Nearest by what the network's last convolution sees (1 = as far as a held-out image usually is): {fakes} of {len(nearest.rows)} are fakes. The image is "
        f"farther from the training images than **{nearest.percentile:.0%}** of {nearest.n:,} held-out images "
        f"({nearest.by_label[0]:.0%} of the reals, {nearest.by_label[1]:.0%} of the fakes), by the distance to the tenth nearest."
    )


def _no_index(run: Run) -> None:
    with st.container(border=True):
        st.markdown(
            "The network's features of its training images are not kept yet; reading them takes seconds for a small set, half a minute for CIFAKE."
        )
        with shown_errors():
            if st.button("Index the training images", icon=":material/manage_search:", key="try_index"):
                queue.submit(
                    Workspace.current(), KIND, {"run_id": run.id}, title=f"Index the training images of {run.id}"
                )
    jobs_panel("try_index_jobs", kinds=frozenset({KIND}), finished=1)
