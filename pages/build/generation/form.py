"""The form of the Generate page: how many of each class, in which words, with which settings; its cost; the launch."""

import pandas as pd
import streamlit as st

from cifake_core import CLASS_NAMES
from cifake_core.generators.recipe import load_recipe
from cifake_core.images.discarding import free_name
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace, checked_name
from pages.build.generation.plan import SCHEDULERS, Plan, balance_text, estimate_arguments, seconds_for
from pages.build.generation.recall import recall_from_file
from pages.build.generation.source import Chosen, generator_choice
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import duration, known_jobs
from pages.shared.palette import colours

_MOST = 100_000  # images of one class
_ORIGINS = {"reported": "reported of the paper's code", "ours": "ours"}


def generate_form() -> None:
    """Reads the widgets into a Plan, shows what it will be, and submits it as one job."""
    with shown_errors():
        chosen = generator_choice()
        recall_from_file()
        if chosen is None:
            return
        by_words = not chosen.by_class and not chosen.classless
        numbers = _total() if chosen.classless else _numbers()
        template, modifiers = _words() if by_words else ("", {})
        settings = _settings(chosen)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name of the image set", value=free_name(Workspace.current(), "made-0"), max_chars=80, key="generate_name", width=320)
            seed = st.number_input(
                "Seed", 0, 2**53 - 1, 0, key="generate_seed", bind="query-params", width=180,
                help="Every image has a seed of its own, drawn from this one, its class and its number. The same seed makes the same images.",
            )  # fmt: skip
        plan = Plan(checked_name(name.strip()), chosen.id, numbers, int(seed), template=template, modifiers=modifiers, **settings)
        if not plan.chosen:
            st.caption("Choose at least one class, and at least one image of it.")
            return
        if by_words:
            st.caption("For example:")
            st.code("\n".join(plan.prompts()), language=None, wrap_lines=True)
        if plan.name in {image_set.name for image_set in ImageSet.list(Workspace.current())}:
            st.caption(f"There is a set named {literal(plan.name)}: the same request gives it back, another one needs another name.")
        _cost(plan)
        st.code(plan.command(), language="bash", wrap_lines=True)
        if st.button("Make these images", type="primary", icon=":material/auto_awesome:", key="generate_launch"):
            with st.spinner("Starting …"):
                queue.submit(Workspace.current(), "generate", plan.arguments(), title=plan.title())
            st.toast(f"{literal(plan.title())}: it goes on when this tab is closed.", icon=":material/auto_awesome:")


def _numbers() -> dict[str, int]:
    """How many of each class: equal numbers of chosen classes, or a number each. With the meter that says how balanced it is."""
    own = st.toggle("A number for each class", key="generate_own", bind="query-params")
    if own:
        left, right = st.columns([2, 3], gap="large")
        with left:
            numbers = _own_numbers()
        with right:
            _bars(numbers)
    else:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            each = st.number_input("Images of each class", 1, _MOST, 20, key="generate_per_class", bind="query-params", width=180)
            picked = st.pills(
                "Classes", CLASS_NAMES, selection_mode="multi", default=CLASS_NAMES, key="generate_classes", bind="query-params"
            )
        numbers = {name: int(each) if name in picked else 0 for name in CLASS_NAMES}
    plan = Plan("x", "x", numbers)
    st.progress(plan.balance, text=f"**{plan.total:,} images** · {balance_text(plan)}")
    if 0 < plan.balance < 0.5:
        st.caption("A detector trained on an unbalanced set may learn the class instead of the generator.")
    return numbers


def _total() -> dict[str, int]:
    """How many images of a model that knows no classes: spread over the classes, since the plan is their sum."""
    total = int(st.number_input("Images", 1, _MOST, 200, key="generate_total", bind="query-params", width=180, help="This model knows no classes."))
    return {name: total // len(CLASS_NAMES) + (number < total % len(CLASS_NAMES)) for number, name in enumerate(CLASS_NAMES)}


def _own_numbers() -> dict[str, int]:
    base = st.session_state.get("generate_numbers_base") or dict.fromkeys(CLASS_NAMES, 20)
    table = pd.DataFrame({"class": CLASS_NAMES, "images": [int(base.get(name, 0)) for name in CLASS_NAMES]})
    edited = st.data_editor(
        table, hide_index=True, disabled=["class"], key=f"generate_numbers_{st.session_state.get('generate_recalls', 0)}",
        column_config={"images": st.column_config.NumberColumn("images", min_value=0, max_value=_MOST, step=1, required=True)},
        alt="Number of images of each class, editable",
    )  # fmt: skip
    return {str(row["class"]): int(row["images"] or 0) for row in edited.to_dict("records")}


def _bars(numbers: dict[str, int]) -> None:
    values = [{"class": name, "images": number} for name, number in numbers.items()]
    spec = {
        "data": {"values": values},
        "mark": {"type": "bar", "color": colours()["fake"], "cornerRadiusEnd": 3},
        "encoding": {
            "y": {"field": "class", "type": "nominal", "sort": None, "title": None},
            "x": {"field": "images", "type": "quantitative", "title": "images", "axis": {"tickMinStep": 1}},
            "tooltip": [{"field": "class"}, {"field": "images", "format": ","}],
        },
        "config": {"view": {"stroke": None}},
    }
    st.vega_lite_chart(spec, width="stretch", height=370, alt="; ".join(f"{name} {number}" for name, number in numbers.items()))


def _words() -> tuple[str, dict[str, list[str]]]:
    """Template and modifiers, each class's own; gives only what was changed."""
    recipe = load_recipe()
    template = st.text_input(
        "Prompt template", recipe.template, key="generate_template", bind="query-params",
        help="{class} is the class, {article} its a or an, {modifier} one of its modifiers; without it the modifier goes last.",
    )  # fmt: skip
    base = st.session_state.get("generate_words_base") or {}
    table = pd.DataFrame(
        {
            "class": CLASS_NAMES,
            "modifiers": [list(base.get(name, recipe.modifiers.get(name, ()))) for name in CLASS_NAMES],
            "whose": ["yours" if name in base else _ORIGINS[recipe.origins.get(name, "ours")] for name in CLASS_NAMES],
        }
    )
    with st.expander("Modifiers of each class", icon=":material/edit_note:", key="generate_modifiers"):
        edited = st.data_editor(
            table, hide_index=True, disabled=["class", "whose"], key=f"generate_words_{st.session_state.get('generate_recalls', 0)}",
            column_config={
                "class": st.column_config.TextColumn("class", width="small"),
                "modifiers": st.column_config.ListColumn("modifiers, one is drawn for each image", width="large"),
                "whose": st.column_config.TextColumn("whose words", width="medium"),
            },
            alt="Modifiers of each class, editable",
        )  # fmt: skip
        st.caption(
            f"{literal(recipe.title)}: the paper confirms the template's beginning; the modifiers of cat and dog are named by "
            "re-implementations of it; those marked ours are our own. Change any; a class without modifiers gets the bare template."
        )
    changed = {
        str(row["class"]): [str(word) for word in row["modifiers"] if str(word).strip()]
        for row in edited.to_dict("records")
        if list(row["modifiers"]) != list(recipe.modifiers.get(row["class"], ()))
    }
    return ("" if template == recipe.template else template), changed


def _settings(chosen: Chosen) -> dict:
    """How images are sampled and where they go; None is the generator's own."""
    recipe = load_recipe()
    by_words = not chosen.by_class and not chosen.classless
    own_steps = chosen.steps or (recipe.steps if by_words else None)
    own_guidance = chosen.guidance if chosen.guidance is not None else (recipe.guidance if by_words else None)
    words = {}
    with st.expander("Settings", icon=":material/tune:", key="generate_settings"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            steps = st.number_input(
                "Denoising steps", 1, 1000, None, key="generate_steps", bind="query-params", width=200,
                placeholder=f"{own_steps or 'its own'}", help="More steps are slower and usually finer. Empty: what the generator is meant for.",
            )  # fmt: skip
            guidance = st.number_input(
                "Guidance", 0.0, 50.0, None, 0.5, key="generate_guidance", bind="query-params", width=200,
                placeholder=f"{own_guidance if own_guidance is not None else 'its own'}",
                help="How firmly the class or the prompt is followed. More makes images typical and alike; 1 or less turns it off.",
            )  # fmt: skip
            batch = st.number_input(
                "Images at a time", 1, 4096, None, key="generate_batch", bind="query-params", width=200, placeholder="as many as fit",
                help="If memory runs out, the number is halved and the job says so.",
            )  # fmt: skip
            split = st.segmented_control(
                "Goes to", ["train", "test"], default="train", required=True, key="generate_split", bind="query-params",
                help="The part of the image set that the images become.",
            )  # fmt: skip
        if not chosen.by_class and not chosen.classless:
            words = _word_settings()
    return {"steps": steps, "guidance": guidance, "batch": batch or 0, "split": split, **words}


def _word_settings() -> dict:
    """What only a model driven by words has."""
    negative = st.text_input("Negative prompt", key="generate_negative", bind="query-params", help="What the images shall not show.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scheduler = st.selectbox(
            "Scheduler", SCHEDULERS, key="generate_scheduler", bind="query-params", width=260,
            help="How the noise is taken away; default is the model's own.",
        )  # fmt: skip
        size = st.number_input(
            "Side before shrinking, pixels", 8, 2048, None, 8, key="generate_size", bind="query-params", width=220,
            placeholder=f"{load_recipe().size}", help="What the model paints before it is shrunk to 32 × 32 as CIFAKE's images were.",
        )  # fmt: skip
        originals = st.checkbox("Keep the full-size pictures too", key="generate_originals", help="As PNG, up to a megabyte each.")
    return {"negative_prompt": negative, "scheduler": scheduler, "size": size or 0, "keep_originals": originals}


def _cost(plan: Plan) -> None:
    """How long it will take, as far as that is known; else a button that measures it."""
    known = seconds_for(plan, known_jobs(frozenset({"estimate", "generate"})))
    if known:
        seconds, why = known
        st.markdown(f":material/schedule: About **{duration(seconds)}** for {plan.total:,} images, {why}.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(":material/schedule: How long this takes is not known yet on this machine.", width="content")
        if st.button("Measure it", key="generate_estimate", type="tertiary", help="Loads the generator and times two steps, as a job."):
            with st.spinner("Starting …"):
                queue.submit(Workspace.current(), "estimate", estimate_arguments(plan), title=f"Measure how fast {plan.generator} is")
