"""Can the map be trusted? Measures of each method and layer beside a map that knows nothing, and what follows from them."""

import pandas as pd
import streamlit as st

from cifake_core.detectors.runs import Run
from pages.look.maps.controls import layer_names, place_picker
from pages.look.maps.figures import curve_chart, intervals
from pages.look.maps.studying import chosen_study, launcher, number, under_way
from pages.shared.guard import literal

STANDINGS = {"better": "✓ better than random", "mixed": "± mixed", "not shown": "– not shown to differ", "worse": "✗ worse than random", "baseline": "a baseline"}
PLACES = {"": "", "relu": "after ReLU", "raw": "before ReLU"}


def trust(run: Run) -> None:
    """The verdict, the chart, the curves, the table; below them, how to measure more."""
    result = chosen_study("trust", run, lambda study: f"{study['n']:,} images of {study['split']}, {len(study['rows'])} maps")
    under_way("trust")
    if result is None:
        st.info(
            "Nothing has been measured for this network yet. The test removes, returns and disturbs pixels by what each map says, "
            "asks the network what it makes of that, and compares with a map that knows nothing: RandomCAM at the same layer, or random numbers at the input.",
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
    _both_places(result)
    _table(result)
    with st.expander("Each map in one sentence", key="gradcam_trust_sentences", type="compact", icon=":material/notes:"):
        st.markdown("\n".join(f"- {literal(row['verdict'])}" for row in result["rows"] if row["standing"] != "baseline"))


def _name(row: dict, result: dict) -> str:
    """A map's method, layer and, where both were measured, the place of its feature map."""
    place = PLACES[row["feature_map"]] if result["places"] else ""
    return " · ".join(part for part in (row["title"], row["layer"], place) if part)


def _gains(result: dict) -> None:
    """How much better than the baseline, by measure."""
    from cifake_core.explanations.trust import MEASURES

    titles = {MEASURES[name].title: name for name in MEASURES if any(name in row["against_random"] for row in result["rows"])}
    title = st.segmented_control(
        "Measure of trust", list(titles), default=next(iter(titles)), required=True, key="gradcam_trust_measure", bind="query-params"
    )
    name = titles[title]
    rows = [
        {"name": _name(row, result), "series": _shown(row["against_random"][name]), **row["against_random"][name]}
        for row in result["rows"]
        if row["against_random"].get(name, {}).get("value") is not None
    ]
    rows.sort(key=lambda row: -row["value"])
    intervals(rows, f"better than random in {title.lower()} →", f"Gain over the baseline in {title} by method and layer.", form=".3f", zero=True)
    st.caption(
        f"{MEASURES[name].meaning} Right of the line: better than a map that knows nothing (RandomCAM at the same layer; random pixels or windows at the input), "
        f"image by image, with 95 % intervals. A difference is called shown if its paired p value stays below .05 after Holm's correction over "
        f"all {result['comparisons']:,} comparisons of this table."
    )


def _shown(gain: dict) -> str:
    from cifake_core.explanations.comparing import LEVEL

    return "shown" if gain["p_holm"] is not None and gain["p_holm"] < LEVEL else "not shown to differ"


def _curves(result: dict) -> None:
    layers = list(dict.fromkeys(curve["layer"] for curve in result["curves"] if curve["layer"] != "input"))
    layer = st.selectbox("Curves at", layers, index=len(layers) - 1, key="gradcam_trust_layer", bind="query-params") if layers else None
    from cifake_core.explanations import methods

    both = bool(result["places"])
    rows = [
        {"kind": f"{kind}: {hint} is better", "map": methods.title(curve["method"]) + (" before ReLU" if both and curve["feature_map"] == "raw" else ""), "share": step / (len(curve[kind]) - 1), "probability": value}
        for curve in result["curves"]
        if curve["layer"] in (layer, "input")
        for kind, hint in (("deletion", "lower"), ("insertion", "higher"))
        for step, value in enumerate(curve[kind])
    ]
    curve_chart(rows, list(dict.fromkeys(row["map"] for row in rows)), height=220)
    st.caption("Mean probability of the verdict as the most relevant pixels are removed (left) and returned to a blurred image (right).")


def _both_places(result: dict) -> None:
    """After the ReLU beside before it, where both were measured."""
    from cifake_core.explanations.trust import MEASURES

    if not result["places"]:
        return
    st.subheader("After the ReLU and before it", anchor="places")
    lines = []
    for row in result["places"]:
        line = {"method": row["title"], "layer": row["layer"]}
        line |= {f"standing {PLACES[place]}": STANDINGS[row["standing"][place]] for place in ("relu", "raw")}
        for name, gain in row["after_over_before"].items():
            line |= {f"{MEASURES[name].title}, {PLACES[place]}": number(row["measures"][place][name]) for place in ("relu", "raw")}
            line[f"{MEASURES[name].title}, gain"] = number(gain) + (" *" if _shown(gain) == "shown" else "")
        lines.append(line)
    st.dataframe(pd.DataFrame(lines), hide_index=True, width="stretch", key="gradcam_trust_places")
    st.caption(
        "The same method at the same layer, on the feature map the paper means (after the ReLU) and on the raw output of the convolution. Gain: how much better after the ReLU, "
        "image by image; * where that is shown after Holm's correction over this table."
    )


def _table(result: dict) -> None:
    """Every number with its interval, the baselines first at each layer."""
    from cifake_core.explanations.trust import MEASURES

    shown = [name for name in MEASURES if any(name in row["measures"] for row in result["rows"])]
    lines = [
        {
            "method": row["title"],
            "layer": row["layer"],
            "feature map": PLACES[row["feature_map"]],
            "images": row["n"],
            "standing": STANDINGS[row["standing"]],
            **{MEASURES[name].title + {1: " ↑", -1: " ↓", 0: ""}[MEASURES[name].better]: number(row["measures"].get(name)) for name in shown},
            "no evidence": row["empty"],
        }
        for row in sorted(result["rows"], key=lambda row: (row["layer"], row["feature_map"] == "raw", row["standing"] != "baseline"))
    ]
    st.dataframe(pd.DataFrame(lines), hide_index=True, width="stretch", key="gradcam_trust_table")
    meanings = " ".join(f"**{MEASURES[name].title}**: {MEASURES[name].meaning}" for name in shown)
    st.caption(
        f"Means with 95 % bootstrap intervals over {result['n']:,} images of {result['split']}, half real and half fake; slow methods on {result['slow_n']:,} of them, ROAD on "
        f"{result['road_n']:,}. ↑ higher is better, ↓ lower. {meanings}"
    )


def _form(run: Run) -> None:
    from cifake_core.explanations import methods
    from cifake_core.explanations.trust import DEFAULT_METHODS

    titles = {methods.METHODS[name].title: name for name in methods.names(with_baselines=False)}
    layers = layer_names(run)
    a, b, c = st.columns([4, 3, 2], vertical_alignment="bottom")
    chosen = a.multiselect("Methods", list(titles), default=[methods.METHODS[name].title for name in DEFAULT_METHODS], key="gradcam_trust_methods")
    where = b.multiselect("Layers", list(layers), key="gradcam_trust_layers", placeholder="each convolution")
    n = c.number_input("Images", 20, 20_000, 1000, 20, key="gradcam_trust_n", help="Half real, half fake. Intervals shrink with the root of this number. Slow methods take 300 of them.")
    asked = tuple(titles[title] for title in chosen) or DEFAULT_METHODS
    names = tuple(layers[label] for label in where)
    place = place_picker(run, "gradcam_trust_place", both=True)
    command = f"python -m cifake_core trust --run {run.id} --n {n}"
    command += f" --methods {','.join(asked)}" if asked != DEFAULT_METHODS else ""
    command += f" --layers {','.join(names)}" if names else ""
    command += f" --place {place}" if place not in ("", "relu") else ""
    arguments = {"run_id": run.id, "methods": list(asked), "layers": list(names), "n": int(n), "place": place or "relu"}
    launcher("trust", f"Trust in maps of {run.topology}, {n} images", arguments, command)
