"""The leaderboard: every run of an image set, filtered and sorted by widgets a refresh leaves alone; two runs compared."""

import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.store.workspace import Workspace
from pages.build.training.tables import ORDERS, compared, filtered, leaderboard, networks
from pages.shared.guard import literal, shown_errors
from pages.shared.pickers import percent, run_label

_COLUMNS = ["topology", "seed", "test", "interval", "validation", "parameters", "epochs", "seconds", "metrics", "gradcam"]

_NETWORK_COLUMNS = ["topology", "seeds", "test", "sd", "validation", "parameters", "epochs", "rate", "batch", "seconds"]


def ranking(finished: list[Run], dataset: str, paper: float | None) -> None:
    """The table, then the comparison. Filters and order live in the URL."""
    if not finished:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Leaderboard", width="stretch")
        words = st.text_input(
            "Filter", key="train_filter", bind="query-params", width=200, placeholder="32x, 64x1, seed 2 …",
            help="Runs whose topology or seed has every word of it.",
        )  # fmt: skip
        least = st.number_input("At least, %", 0.0, 100.0, 0.0, 0.5, key="train_least", bind="query-params", width=130, help="Of test accuracy.")
        order = st.selectbox("Sort by", ORDERS, key="train_order", bind="query-params", width=220)
        together = st.toggle(
            "Seeds together", key="train_together", bind="query-params",
            help="One row a network: mean and spread over the seeds it was trained with.",
        )  # fmt: skip
    kept = filtered(finished, words, 0.0 if together else least / 100)
    if not kept:
        st.caption(f"None of the {len(finished)} runs fits the filter.")
        return
    if together:
        _networks(kept, order, least / 100, dataset)
    else:
        _runs(kept, order)
    which = f"{len(finished)} runs" if len(kept) == len(finished) else f"{len(kept)} of {len(finished)} runs"
    mark = f" The paper reports {percent(paper)} for its best network on these images." if paper else ""
    st.caption(f"{which}. Intervals are for the choice of images; another seed adds to them.{mark}")
    if len(finished) > 1:
        _compare(finished)


def _runs(kept: list[Run], order: str) -> None:
    column = st.column_config
    st.dataframe(
        leaderboard(kept, order), hide_index=True, key="train_board", column_order=_COLUMNS,
        alt="Every run on this image set with its accuracy, interval, size and time",
        column_config={
            "topology": column.TextColumn("Topology", pinned=True),
            "seed": column.NumberColumn("Seed", width="small"),
            "test": column.NumberColumn("Test accuracy", format="%.2f %%"),
            "interval": column.TextColumn("95 % interval", help="Where the accuracy on endlessly many such images would lie."),
            "validation": column.NumberColumn("Validation", format="%.2f %%"),
            "parameters": column.NumberColumn("Parameters", format="localized"),
            "epochs": column.TextColumn("Best epoch"),
            "seconds": column.NumberColumn("Time, s", format="%.0f"),
            "metrics": column.LinkColumn("Metrics", display_text="open"),
            "gradcam": column.LinkColumn("Grad-CAM", display_text="open"),
        },
    )  # fmt: skip


def _networks(kept: list[Run], order: str, least: float, dataset: str) -> None:
    """A row a network, and the whole table to take away: as it stands in a paper, and with duplicates left out."""
    column, table = st.column_config, networks(kept, order, least)
    if table.empty:
        st.caption("No network reaches that on the mean of its seeds.")
        return
    st.dataframe(
        table, hide_index=True, key="train_networks", column_order=_NETWORK_COLUMNS,
        alt="Every network on this image set with mean and spread of its accuracy over seeds, size and time",
        column_config={
            "topology": column.TextColumn("Network", pinned=True),
            "seeds": column.TextColumn("Seeds"),
            "test": column.NumberColumn("Test accuracy, mean", format="%.2f %%"),
            "sd": column.TextColumn("± sd, points", help="Sample standard deviation over the seeds; – for one seed."),
            "validation": column.NumberColumn("Validation", format="%.2f %%"),
            "parameters": column.NumberColumn("Parameters", format="localized"),
            "epochs": column.NumberColumn("Epochs, at most"),
            "rate": column.NumberColumn("Learning rate", format="%g"),
            "batch": column.NumberColumn("Batch"),
            "seconds": column.NumberColumn("Time a run, s", format="%.0f"),
        },
    )  # fmt: skip
    with st.container(horizontal=True), shown_errors():
        for label, ending, mime in (("Table (CSV)", "csv", "text/csv"), ("Table (Markdown)", "md", "text/markdown")):
            st.download_button(
                label, lambda ending=ending: _file(dataset, ending), f"networks-{dataset}.{ending}", mime,
                icon=":material/table:", on_click="ignore", key=f"train_table_{ending}",
                help="Every network on this image set, also judged without the test images that lie in train. Made when you click.",
            )  # fmt: skip


def _file(dataset: str, ending: str) -> bytes | str:
    from cifake_core.evaluation.over_seeds import network_table
    from cifake_core.evaluation.reporting import network_tables

    table = network_table(Workspace.current(), dataset)
    return network_tables.as_csv(table) if ending == "csv" else network_tables.as_markdown(table)


def _compare(finished: list[Run]) -> None:
    with st.expander("Compare the settings of two runs", icon=":material/compare_arrows:", key="train_compare", on_change="rerun") as box:
        if not box.open:
            return
        labels = {run_label(run): run for run in finished}
        left, right = st.columns(2)
        first = left.selectbox("This run", list(labels), key="train_first", bind="query-params")
        second = right.selectbox("With this one", list(labels), index=1, key="train_second", bind="query-params")
        only = st.toggle("Only what differs", True, key="train_differs", bind="query-params")
        table = compared(labels[first], labels[second])
        shown = table[table["differs"]] if only else table
        if shown.empty:
            st.caption("They were made with the same settings, on the same images, and gave the same figures.")
        else:
            st.dataframe(
                shown.drop(columns="differs"), hide_index=True, alt="Settings and figures of the two runs, a row each",
                column_config={"what": "What", "first": literal(first), "second": literal(second)},
            )  # fmt: skip
