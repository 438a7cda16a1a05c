"""The launch form of the Train page: which cells, seeds and settings; the picture of it, its command line."""

import streamlit as st

from cifake_core.detectors.presets import PRESETS, Preset
from cifake_core.detectors.runs import Run
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from pages.build.training.cost import cost
from pages.build.training.figures import CONFIG, clicked_cell, in_picture, plan_figure
from pages.build.training.plan import GRIDS, Plan, parsed_seeds, settings_of
from pages.shared.guard import literal, shown_errors


def launch_form(image_set: ImageSet, runs: list[Run]) -> None:
    """Reads the widgets into a Plan, shows it, and submits it as one job."""
    grid, cells = _which_cells()
    with shown_errors():
        plan = _settings(image_set, grid, cells)
        if grid in PRESETS:
            _described(PRESETS[grid])
        else:
            _picture(plan, image_set, runs)
        if not plan.names():
            st.caption("Click cells in the picture, or type them, to choose what is trained.")
            return
        cost(plan, image_set, runs)
        st.code(plan.command(), language="bash", wrap_lines=True)
        if st.button("Train these networks", type="primary", icon=":material/play_arrow:", key="train_launch"):
            with st.spinner("Starting …"):
                queue.submit(Workspace.current(), "train", plan.arguments(), title=plan.title())
            st.toast(f"{literal(plan.title())}: it runs on, also when this tab is closed.", icon=":material/play_arrow:")


def _which_cells() -> tuple[str, tuple[str, ...]]:
    grid = st.segmented_control(
        "Cells of the grid", list(GRIDS), default="quick", required=True, format_func=GRIDS.get, key="train_grid", bind="query-params",
        on_change=_take_settings,
        help="The paper trains 12 feature extractors (filters × convolution layers), then 24 dense heads on the best of them. "
        "The presets are residual networks beyond the grid, with settings of their own.",
    )  # fmt: skip
    # Rendered for every grid: a widget that appears only after a click on the picture would not reach the URL.
    with st.expander("My own cells", key="train_own", type="compact", expanded=grid == "custom"):
        cells = st.multiselect(
            "Cells", sorted(in_picture()), default=["32x2-64x1"], accept_new_options=True, key="train_cells", bind="query-params",
            disabled=grid != "custom",
            help="filters x convolution layers - dense units x dense layers. Cells outside the paper's grid may be typed, for example 48x2-64x1.",
        )  # fmt: skip
    return grid, tuple(cells)


def _take_settings() -> None:
    """A preset brings its settings; they go with it unless they were changed."""
    keys = {"epochs": "train_epochs", "batch_size": "train_batch", "learning_rate": "train_rate", "patience": "train_patience"}
    state, grid = st.session_state, st.session_state.train_grid
    now = {name: state.get(key) for name, key in keys.items()}
    if grid in PRESETS or now in [preset.settings() for preset in PRESETS.values()]:
        state.update({keys[name]: value for name, value in settings_of(grid).items()})


def _settings(image_set: ImageSet, grid: str, cells: tuple[str, ...]) -> Plan:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seeds = st.text_input(
            "Seeds", "0", key="train_seeds", bind="query-params", width=160,
            help="A seed decides the initial weights and the order of images. With three or more you see how much is luck.",
        )  # fmt: skip
        epochs = st.number_input("Epochs, at most", 1, 1000, 10, key="train_epochs", bind="query-params", width=160)
    with st.expander("Advanced settings", key="train_advanced", type="compact"), st.container(horizontal=True):
        batch = st.number_input("Images a batch", 1, 4096, 64, key="train_batch", bind="query-params", width=160)
        rate = st.number_input(
            "Learning rate of Adam", 1e-6, 1.0, 1e-3, format="%.4g", step=1e-4, key="train_rate", bind="query-params", width=180
        )
        patience = st.number_input(
            "Patience, epochs", 0, 1000, 3, key="train_patience", bind="query-params", width=160,
            help="Training stops after so many epochs without a better validation accuracy; 0 never stops early.",
        )  # fmt: skip
    return Plan(image_set.name, grid, cells, parsed_seeds(seeds), int(epochs), int(batch), float(rate), int(patience))


def _picture(plan: Plan, image_set: ImageSet, runs: list[Run]) -> None:
    trained = {run.topology for run in runs if run.record["dataset_digest"] == image_set.digest}
    chosen = plan.names()
    st.plotly_chart(
        plan_figure(chosen, trained), key="train_plan", on_select=_toggle_cell, selection_mode="points", config=CONFIG,
        alt=f"The paper's grid of networks; {len(chosen)} cells are chosen: {', '.join(chosen[:40])}",
    )  # fmt: skip
    st.caption(
        "Filled cells will be trained; the number is how many parameters the network learns, ✓ means there is a run of it. "
        "Click a cell to add or remove it."
    )


def _described(preset: Preset) -> None:
    """A preset in words: what it is made of, and how it is trained."""
    sides = [32 >> stage for stage in range(len(preset.channels))]
    stages = " → ".join(f"**{channels}** at {side}²" for channels, side in zip(preset.channels, sides, strict=True))
    blocks, recipe = sum(preset.blocks), preset.recipe
    with st.container(border=True):
        st.markdown(f"{preset.title}. Channels {stages}, {blocks} residual blocks, {preset.parameters():,} parameters.")
        st.caption(
            f"Trained with {'Muon' if recipe.muon else 'AdamW'} (weight decay {recipe.weight_decay:g}); the learning rate rises for {100 * recipe.warmup:.0f} % of the "
            f"training and then falls to zero. Images are mirrored and moved by up to {recipe.shift} pixels at random"
            + (f", and a square of {recipe.cutout} pixels of each is hidden. " if recipe.cutout else ". ")
            + (
                f"Between the first epoch and the last eighth of them, {100 * recipe.skip:.0f} % of the images with a loss below the mean are left out of an epoch; "
                "those that stay count for these too. " if recipe.skip else ""
            )
            + ("A verdict is the mean logit of the image and of its mirror image. " if preset.both_ways else "")
            + "Outside the paper's grid: its results stand in the leaderboard and under Cell."
        )


def _toggle_cell() -> None:
    """A click in the picture turns the choice into cells of one's own."""
    name = clicked_cell("train_plan")
    if name is None:
        return
    grid = st.session_state.get("train_grid", "quick")
    chosen = Plan("", grid, tuple(st.session_state.get("train_cells", ())), (0,)).names()
    st.session_state.train_grid = "custom"
    st.session_state.train_cells = [cell for cell in chosen if cell != name] if name in chosen else [*chosen, name]
