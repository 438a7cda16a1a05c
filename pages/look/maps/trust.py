"""Can the map be trusted? Measures of each method and layer beside RandomCAM, and what follows from their intervals."""

import pandas as pd
import streamlit as st

from cifake_core.detectors.runs import Run
from pages.look.maps.controls import layer_names
from pages.look.maps.figures import curve_chart, intervals
from pages.look.maps.studying import chosen_study, launcher, number, under_way
from pages.shared.guard import literal

STANDINGS = {"better": "✓ better than random", "mixed": "± mixed", "no better": "– no better than random", "worse": "✗ worse than random", "baseline": "the baseline"}


def trust(run: Run) -> None:
    """The verdict, the chart, the curves, the table; below them, how to measure more."""
    result = chosen_study("trust", run, lambda study: f"{study['n']} images of {study['split']}, {len(study['rows'])} maps")
    under_way("trust")
    if result is None:
        st.info(
            "Nothing has been measured for this network yet. The test removes, returns and disturbs pixels by what each map says, "
            "asks the network what it makes of that, and compares with RandomCAM, a map that knows nothing.",
            icon=":material/rule:",
        )
    else:
        _result(result)
    with st.expander("Measure", expanded=result is None, key="gradcam_trust_form", icon=":material/science:"):
        _form(run)


def _result(result: dict) -> None:
    st.markdown(f"**{literal(result['verdict'])}**")
    _gains(result)
    _curves(result)
    _table(result)
    with st.expander("Each map in one sentence", key="gradcam_trust_sentences", type="compact", icon=":material/notes:"):
        st.markdown("\n".join(f"- {literal(row['verdict'])}" for row in result["rows"] if row["standing"] != "baseline"))


def _gains(result: dict) -> None:
    """How much better than RandomCAM, by measure."""
    from cifake_core.explanations.trust import MEASURES

    titles = {MEASURES[name].title: name for name in MEASURES if any(name in row["against_random"] for row in result["rows"])}
    title = st.segmented_control(
        "Measure of trust", list(titles), default=next(iter(titles)), required=True, key="gradcam_trust_measure", bind="query-params"
    )
    name = titles[title]
    rows = [
        {"name": f"{row['title']} · {row['layer']}", **row["against_random"][name]}
        for row in result["rows"]
        if row["against_random"].get(name, {}).get("value") is not None
    ]
    rows.sort(key=lambda row: -row["value"])
    intervals(rows, f"better than RandomCAM in {title.lower()} →", f"Gain over RandomCAM in {title} by method and layer.", form=".3f", zero=True)
    st.caption(
        f"{MEASURES[name].meaning} Right of the line: better than RandomCAM at the same layer, image by image, on {result['n']} images; "
        "the bar is the 95 % interval, and one that touches the line proves nothing."
    )


def _curves(result: dict) -> None:
    layers = list(dict.fromkeys(curve["layer"] for curve in result["curves"] if curve["layer"] != "input"))
    layer = st.selectbox("Curves at", layers, index=len(layers) - 1, key="gradcam_trust_layer", bind="query-params") if layers else None
    from cifake_core.explanations import methods

    rows = [
        {"kind": f"{kind}: {hint} is better", "map": methods.title(curve["method"]), "share": step / (len(curve[kind]) - 1), "probability": value}
        for curve in result["curves"]
        if curve["layer"] in (layer, "input")
        for kind, hint in (("deletion", "lower"), ("insertion", "higher"))
        for step, value in enumerate(curve[kind])
    ]
    curve_chart(rows, list(dict.fromkeys(row["map"] for row in rows)), height=220)
    st.caption("Mean probability of the verdict as the most relevant pixels are removed (left) and returned to a blurred image (right).")


def _table(result: dict) -> None:
    """Every number with its interval, RandomCAM first at each layer."""
    from cifake_core.explanations.trust import MEASURES

    shown = [name for name in MEASURES if any(name in row["measures"] for row in result["rows"])]
    lines = [
        {
            "method": row["title"],
            "layer": row["layer"],
            "standing": STANDINGS[row["standing"]],
            **{MEASURES[name].title + {1: " ↑", -1: " ↓", 0: ""}[MEASURES[name].better]: number(row["measures"].get(name)) for name in shown},
            "no evidence": row["empty"],
        }
        for row in sorted(result["rows"], key=lambda row: (row["layer"], row["standing"] != "baseline"))
    ]
    st.dataframe(pd.DataFrame(lines), hide_index=True, width="stretch", key="gradcam_trust_table")
    meanings = " ".join(f"**{MEASURES[name].title}**: {MEASURES[name].meaning}" for name in shown)
    st.caption(
        f"Means with 95 % bootstrap intervals over {result['n']} images of {result['split']}, half real and half fake; ROAD over {result['road_n']} "
        f"of them. ↑ higher is better, ↓ lower. {meanings}"
    )


def _form(run: Run) -> None:
    from cifake_core.explanations import methods
    from cifake_core.explanations.trust import DEFAULT_METHODS

    titles = {methods.METHODS[name].title: name for name in methods.names(with_baselines=False)}
    layers = layer_names(run)
    a, b, c = st.columns([4, 3, 2], vertical_alignment="bottom")
    chosen = a.multiselect("Methods", list(titles), default=[methods.METHODS[name].title for name in DEFAULT_METHODS], key="gradcam_trust_methods")
    where = b.multiselect("Layers", list(layers), key="gradcam_trust_layers", placeholder="each convolution")
    n = c.number_input("Images", 20, 2000, 200, 20, key="gradcam_trust_n", help="Half real, half fake. Intervals shrink with the root of this number.")
    asked = tuple(titles[title] for title in chosen) or DEFAULT_METHODS
    names = tuple(layers[label] for label in where)
    command = f"python -m cifake_core trust --run {run.id} --n {n}"
    command += f" --methods {','.join(asked)}" if asked != DEFAULT_METHODS else ""
    command += f" --layers {','.join(names)}" if names else ""
    arguments = {"run_id": run.id, "methods": list(asked), "layers": list(names), "n": int(n)}
    launcher("trust", f"Trust in maps of {run.topology}, {n} images", arguments, command)
