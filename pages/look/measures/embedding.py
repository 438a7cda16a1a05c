"""The map of images: coloured by outcome, a lasso or a cluster of mistakes leads to the gallery."""

import numpy as np
import pandas as pd
import streamlit as st

from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from pages.look.measures import browsing
from pages.shared.gallery import View
from pages.shared.guard import shown_errors
from pages.shared.jobs_panel import jobs_panel, known_jobs, moving
from pages.shared.palette import colours

_OUTCOMES = {"TN": "real called real", "TP": "fake called fake", "FP": "real called fake", "FN": "fake called real"}
_LASSO = "the lasso"
_SHEET = 10  # images of a cluster's example sheet


def show(view: View, paper: float | None) -> None:
    from cifake_core.explanations import embedding  # it loads torch

    workspace, run = Workspace.current(), view.scores.run
    found = embedding.embeddings(workspace, run)
    with st.expander("Lay out a map", icon=":material/scatter_plot:", expanded=not found, key="metrics_map_make"):
        _launch(view, embedding)
    kinds = frozenset({"embed"})
    if moving(known_jobs(kinds)) or any(job.error for job in known_jobs(kinds)[:1]):
        jobs_panel("metrics-embed", kinds=kinds, finished=1)
    if not found:
        st.info("No map of this network's images has been laid out yet.", icon=":material/scatter_plot:")
        return
    named = {_named(one, embedding.SOURCES): one for one in reversed(found)}
    chosen = named[st.selectbox("Map", list(reversed(named)), key="metrics_map", bind="query-params")]
    table = _points(str(workspace.home), chosen["folder"], chosen["created_at"])
    outcomes = view.scores.outcomes(view.threshold)[table["row"].to_numpy()]
    groups = _groups(chosen["folder"], view.threshold, table, outcomes)
    plane = View("metrics_plane", view.scores, view.threshold)
    left, right = st.columns([3, 2], gap="large")
    with left:
        picked = _plane(view, table, outcomes)
    with right:
        options = [_LASSO, *(_group_name(view, number, rows) for number, rows in groups.items())]
        wanted = st.selectbox("Images of", options, key="metrics_map_group", bind="query-params", help="The lasso, or a cluster of mistakes.", on_change=plane.rewind)
        _clusters(plane, groups)
    rows = picked if wanted == _LASSO else groups[options.index(wanted) - 1]
    if len(rows):
        browsing.browse(plane, rows)
    else:
        st.caption("Draw a lasso around points, or choose a cluster, to see the images.")


def _launch(view: View, embedding) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        of = st.selectbox("Of", list(embedding.SOURCES), format_func=embedding.SOURCES.get, key="metrics_map_of", width=240)
        layout = st.selectbox("Layout", embedding.LAYOUTS, key="metrics_map_layout", width=140, help="t-SNE keeps neighbours together; PCA is exact, but flatter.")
        limit = st.selectbox("Images", (5000, 2000, 0), format_func=lambda n: f"{n:,}, half of each label" if n else "all", key="metrics_map_limit", width=240)
        if st.button("Lay out", type="primary", icon=":material/play_arrow:", key="metrics_map_launch"):
            with shown_errors():
                arguments = {"run_id": view.scores.run.id, "of": of, "layout": layout, "limit": limit}
                queue.submit(Workspace.current(), "embed", arguments, title=f"Map of the images of {view.scores.run.id}")
                st.rerun()
    st.code(f"python -m cifake_core embed --run {view.scores.run.id} --of {of} --layout {layout} --limit {limit}", language="bash", wrap_lines=True)


def _named(one: dict, sources: dict[str, str]) -> str:
    return f"{one['layout']} of {sources[one['of']]} · {one['n']:,} images · {one['created_at'][:16].replace('T', ' ')}"


@st.cache_resource(max_entries=8, show_spinner="Reading the map …")
def _points(home: str, folder: str, created_at: str) -> pd.DataFrame:
    from cifake_core.explanations import embedding

    return embedding.points(Workspace.current(), folder)


@st.cache_resource(max_entries=50, show_spinner="Looking for clusters of mistakes …")
def _groups(folder: str, threshold: float, _table: pd.DataFrame, _outcomes: np.ndarray) -> dict[int, np.ndarray]:
    """Cluster number → rows of the part, the largest cluster first."""
    from cifake_core.explanations import embedding

    wrong = np.flatnonzero(np.isin(_outcomes, ("FP", "FN")))
    found = embedding.clusters(_table["x"].to_numpy()[wrong], _table["y"].to_numpy()[wrong])
    rows = _table["row"].to_numpy()[wrong]
    return {number: rows[found == number] for number in range(found.max() + 1 if len(found) else 0)}


def _plane(view: View, table: pd.DataFrame, outcomes: np.ndarray) -> np.ndarray:
    """The scatter; gives the rows inside the lasso."""
    import plotly.graph_objects as go

    paint = colours()
    looks = {"TN": (paint["real"], 4, 0.35, "circle"), "TP": (paint["fake"], 4, 0.35, "circle"), "FP": (paint["real"], 8, 1, "x"), "FN": (paint["fake"], 8, 1, "x")}
    figure = go.Figure()
    for name, (colour, size, opacity, symbol) in looks.items():
        inside = outcomes == name
        figure.add_trace(
            go.Scattergl(
                x=table["x"].to_numpy()[inside], y=table["y"].to_numpy()[inside], customdata=table["row"].to_numpy()[inside], mode="markers",
                name=_OUTCOMES[name], hoverinfo="name", marker={"color": colour, "size": size, "opacity": opacity, "symbol": symbol},
            )
        )  # fmt: skip
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    figure.update_layout(
        height=560, margin={"l": 0, "r": 0, "t": 10, "b": 0}, dragmode="lasso",
        legend={"orientation": "h", "y": -0.02, "itemsizing": "constant"},
    )  # fmt: skip
    event = st.plotly_chart(
        figure, key="metrics_plane_chart", on_select="rerun", selection_mode=("lasso", "box"),
        config={"displaylogo": False, "scrollZoom": True}, alt=f"Map of {len(table):,} images coloured by outcome; crosses are mistakes.",
    )  # fmt: skip
    st.caption("Each point is an image, near others that look alike to the network; colour is the truth, a cross is a mistake. Draw a lasso: its images appear below.")
    rows = [point["customdata"] for point in event.selection.points] if event else []
    flat = [row[0] if isinstance(row, (list, tuple)) else row for row in rows]
    return np.array(flat, dtype=int)


def _group_name(view: View, number: int, rows: np.ndarray) -> str:
    fakes = int(view.scores.labels[rows].sum())
    return f"cluster {number + 1}: {len(rows)} mistakes ({fakes} fake, {len(rows) - fakes} real)"


def _clusters(view: View, groups: dict[int, np.ndarray]) -> None:
    from cifake_core.images.sprite import sprite

    if not groups:
        st.caption("The mistakes form no clusters here: they lie scattered.")
    for number, rows in list(groups.items())[:6]:
        some = rows[:_SHEET]
        name = _group_name(view, number, rows)
        st.button(name.capitalize(), key=f"metrics_map_cluster_{number}", type="tertiary", on_click=_show_group, args=(view, name), help="Shows all of them below.")
        strip = sprite(np.asarray(view.scores.pixels[some]).repeat(2, 2).repeat(2, 3), _SHEET)
        st.image(strip, width="stretch", output_format="PNG", alt=f"The first {len(some)} mistakes of cluster {number + 1}")


def _show_group(view: View, name: str) -> None:
    st.session_state["metrics_map_group"] = name
    view.rewind()
