"""All numbers of a run: each with its interval and meaning, by group, over seeds, calibrated, and without doubles."""

import streamlit as st

from cifake_core.evaluation import calibrating, evaluating
from cifake_core.evaluation.deduplicated import Deduplicated
from cifake_core.evaluation.over_seeds import other_seeds
from cifake_core.metrics.at_threshold import at_threshold
from cifake_core.metrics.intervals import Estimate
from cifake_core.metrics.scores import DEFINITIONS
from cifake_core.store.workspace import Workspace
from pages.look.measures import figures, kept
from pages.look.measures.estimates import WORDS, interval, shown
from pages.shared import cached, charts
from pages.shared.gallery import ANY, CELLS, View
from pages.shared.pickers import percent

_PLAIN = ("loss", "brier", "ece")  # not shares of images


def show(view: View, paper: float | None) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        _all(view, paper)
        _seeds(view)
        _without_duplicates(view)
    with right:
        _by_group(view)
        _calibration(view)


def _all(view: View, paper: float | None) -> None:
    st.subheader("All numbers", anchor="all-numbers")
    found = at_threshold(view.scores.confusion(view.threshold)) | cached.ranking_of(view.scores)
    shares = [n for n in found if n not in _PLAIN and found[n].value is not None]
    figures.estimates([{"name": WORDS[n], **found[n].as_dict()} for n in shares], paper)
    mark = f" The mark is the paper's accuracy, {percent(paper)}." if paper else ""
    st.caption(f"At {view.threshold:.3f}. Dots are our figures, lines their 95 % intervals: exact for shares, bootstrap for the rest.{mark}")
    st.dataframe(_table({WORDS[name]: (found[name], name not in _PLAIN) for name in found}), hide_index=True, width="stretch", height="content")
    with st.popover("What the numbers mean", icon=":material/menu_book:"):
        for name, meaning in DEFINITIONS.items():
            st.markdown(f"**{WORDS[name]}**: {meaning}")


def _table(rows: dict[str, tuple[Estimate, bool]]) -> dict[str, list[str]]:
    return {
        "Number": list(rows),
        "Value": [shown(estimate, as_share) for estimate, as_share in rows.values()],
        "95 % interval": [interval(estimate, as_share) for estimate, as_share in rows.values()],
    }


def _seeds(view: View) -> None:
    st.subheader("Over seeds", anchor="seeds")
    found = other_seeds(Workspace.current(), view.scores.run, view.scores.split)
    if found is None:
        st.caption("One seed only: train the same topology with others, because two seeds may differ by more than the interval says.")
        return
    st.markdown(f"**{100 * found['mean']:.2f} ± {100 * found['sd']:.2f} %** accuracy at 0.5, mean ± sd of {found['n']} seeds of this topology.")
    charts.strip([{"name": f"seed {run['seed']}", "value": run["accuracy"]} for run in found["runs"]], found["mean"])


def _without_duplicates(view: View) -> None:
    st.subheader("Without doubles", anchor="doubles")
    key = "metrics_unseen"
    if not st.toggle("Re-evaluate without duplicates", key=key, bind="query-params", help="Leaves out the test images that lie pixel by pixel in train."):
        st.caption("Test images that also lie in train can flatter a network; one click shows by how much, if at all.")
        return
    found: Deduplicated = kept.without_duplicates_of(view.scores, view.threshold)
    st.markdown(found.meaning.replace("$", "\\$"))
    names = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "auc")
    st.dataframe(
        {
            "Number": [WORDS[n] for n in names],
            f"All {found.n:,}": [f"{shown(found.everything[n])}  ({interval(found.everything[n])})" for n in names],
            f"Without {found.n_seen:,}": [f"{shown(found.unseen[n])}  ({interval(found.unseen[n])})" for n in names],
        },
        hide_index=True,
        width="stretch",
    )


def _by_group(view: View) -> None:
    st.subheader("By group", anchor="groups")
    columns = view.scores.group_columns
    chosen = st.selectbox("Grouped by", columns, key="metrics_group", bind="query-params", help="Any column of the image set's manifest with at most 50 values.")
    rows = evaluating.by_group(view.scores, chosen, view.threshold)
    charts.groups([row for row in rows if row["value"] is not None])
    st.caption("Right verdicts of reals and of fakes in each group, with exact 95 % intervals and the number of images.")
    with st.expander("The same as a table", expanded=True):
        st.dataframe(
            rows, hide_index=True, width="stretch", height=min(38 + 35 * len(rows), 300), key="metrics_group_rows", selection_mode="single-row",
            on_select=lambda: _to_gallery(view, chosen, rows),
            column_config={name: st.column_config.NumberColumn(format="percent") for name in ("value", "low", "high")},
        )  # fmt: skip
        st.caption("Choose a row at its left edge to see its images.")


def _to_gallery(view: View, column: str, rows: list[dict]) -> None:
    """Turns to the images of the chosen row: the widgets of the first view are set, and that view is opened."""
    picked = st.session_state["metrics_group_rows"].selection.rows
    if not picked:
        return
    row = rows[picked[0]]
    wanted = {"cell": CELLS[row["truth"]], "class": ANY, "generator": ANY, "column": ANY}
    if column == "class":
        wanted["class"] = row["group"]
    else:
        wanted |= {"column": column, "value": row["group"]}
    for name, value in wanted.items():
        st.session_state[view.key(name)] = value
    view.rewind()
    st.session_state["metrics_view"] = "Images"


def _calibration(view: View) -> None:
    st.subheader("Calibration", anchor="calibration")
    found = kept.calibration_of(view.scores.run)
    titles = {name: way.title for name, way in found.ways.items()}
    shown_way = st.segmented_control(
        "Probabilities", list(titles), default=found.chosen, required=True, format_func=titles.get, key="metrics_calibrator",
        help="Fitted on the validation images, shown on the test images: a temperature divides the logit (Guo et al. 2017), a scale and a bias "
        "also move it (Platt 1999). No ranking changes; a bias moves the threshold.",
    )  # fmt: skip
    figures.reliability(kept.reliability_of(view.scores, found.ways[shown_way].calibrator))
    st.caption("On the dashed line, a stated probability is what happens; below it, there are fewer fakes than stated; above it, more.")
    st.markdown(found.meaning)
    beside = [found.ways[name] for name in dict.fromkeys(("none", shown_way))]
    columns = {way.title: [*(f"{shown(way.test[n], False)}  ({interval(way.test[n], False)})" for n in calibrating.SHOWN), calibrating.points(way.excess, signed=True)] for way in beside}
    st.dataframe({"Number": [*(WORDS[n] for n in calibrating.SHOWN), "Predicted minus observed"]} | columns, hide_index=True, width="stretch")
