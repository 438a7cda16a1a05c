"""Entity or background? The paper's claim, our figures with intervals, and one sentence on what they say."""

import streamlit as st

from cifake_core.detectors.runs import Run
from pages.look.maps.controls import layer_names, place_picker
from pages.look.maps.entity_pictures import mask_quality, treatments
from pages.look.maps.figures import intervals
from pages.look.maps.mask_import import import_masks, sources
from pages.look.maps.studying import chosen_study, launcher, number, share, under_way
from pages.shared.guard import literal, shown_errors

GROUPS = {"method": None, "class": "class", "outcome": ("TP", "FN", "TN", "FP"), "label": ("real", "fake")}
SOURCES = {
    "auto": "the truth where images are rendered, else GrabCut",
    "grabcut": "GrabCut",
    "saliency": "saliency",
    "centre": "a disc in the centre",
    "truth": "the truth (rendered images only)",
    "user": "masks you painted on Try an image",
}
PLACES = {"": "", "relu": "", "raw": " before ReLU"}  # what a method's name says of its feature maps
MASKS = {"own": "the image's own mask", "permuted": "another image's mask"}
_OVERALL = {"all", "real", "fake", "TP", "FN", "TN", "FP"}


def entity(run: Run) -> None:
    """Claim, verdict, the three tests; below them, how to measure."""
    from cifake_core.explanations.entity_words import CLAIM

    st.markdown(f"> {literal(CLAIM)}\n>\n> Bird and Lotfi, CIFAKE, 2024, drawn from Grad-CAM pictures by eye")
    result = chosen_study("entity-test", run, lambda study: f"{study['n']:,} images, masks: {study['masks']['source']}, {study['layer']}")
    under_way("entity-test")
    if result is None:
        st.info(
            "This claim has not been put to the test for this network yet. Three tests do: where the maps lie, what the verdict needs, "
            "and in which band of frequencies; each beside a control that holds its confounder: place, outline or seam.",
            icon=":material/balance:",
        )
    else:
        _result(result, run)
    measure = st.expander("Measure", expanded=result is None, key="gradcam_entity_form", icon=":material/science:")
    with st.expander("Masks of a better model", key="gradcam_masks_form", icon=":material/upload:"), shown_errors():
        import_masks(run)
    with measure:  # drawn last: what was imported just now can be chosen
        _form(run)


def _result(result: dict, run: Run) -> None:
    st.markdown(f"**Our figures.** {literal(result['verdict'])}")
    by = st.segmented_control("Figures by", list(GROUPS), default="method", required=True, key="gradcam_entity_by", bind="query-params")
    _place(result, by)
    if result["artefact"]:
        _artefact(result)
    _alone(result)
    _need(result, by, ("mean", "blur"), "What the verdict needs", "need")
    _equal(result)
    _swap(result)
    _need(result, by, ("low", "high"), "3 · Which frequencies", "frequency")
    treatments(result, run)
    mask_quality(result)


def groups_of(result: dict, by: str) -> list[str]:
    """The groups a chart shows, of those a result has."""
    have = list(result["accuracy"])
    if by == "class":
        return [name for name in have if name not in _OVERALL]
    return [name for name in have if name in (GROUPS[by] or ("all",))]


def _place(result: dict, by: str) -> None:
    st.subheader("1 · Where the maps lie", anchor="place")
    first = next(row for row in result["place"] if row["excess_over_random"])
    random = next(row for row in result["place"] if not row["excess_over_random"])
    rows = [
        {"name": _titled(row) if group == "all" else group, "series": _titled(row) if group != "all" else "", **row["mass"][group], "area": row["area"][group]["value"]}
        for group in groups_of(result, by)
        for row in result["place"]
        if by == "method" or row is random or row is first
    ]
    intervals(rows, "share of the map's relevance on the entity", "Share of relevance on the entity, by method or group, with the entity's area.", second="area")
    st.caption(
        f"The upright mark is the share of the picture that the entity covers: a map without preference lies on it. {literal(first['title'])} at "
        f"{literal(result['layer'])} puts {share(first['mass']['all'])} on the entity, {random['title']} {share(random['mass']['all'])}; "
        f"n = {first['mass']['all']['n']:,} images with a map, {first['empty']:,} without evidence."
    )
    rows = [{"name": _titled(row), "series": MASKS[mask], **row[name]["all"]} for row in result["place"] for mask, name in (("own", "excess"), ("permuted", "permuted_excess"))]
    intervals(rows, "share of relevance above the mask's area", "Relevance on the entity above its area, with the image's own mask and with another image's.", zero=True)
    st.caption(
        "Entities lie in the middle, and many maps prefer the middle whatever lies there. So the same maps are held against the mask of another image of the same class and label: "
        f"what both masks catch is place, not the entity. {literal(result['sentences']['maps'])}"
    )


def _titled(row: dict) -> str:
    return row["title"] + PLACES[row["feature_map"]]


def _artefact(result: dict) -> None:
    st.subheader("Do maps find what was planted?", anchor="artefact")
    rows = [
        {"name": _titled(row), "series": title, **row[name]}
        for row in result["artefact"]
        for name, title in (("pointing", "hottest pixel hits"), ("mass", "relevance inside"), ("rank", "top pixels inside"))
    ]
    intervals(rows, "share in the planted artefact", "Pointing game, relevance mass and rank accuracy against the planted artefact.")
    st.caption("On images the network called fake, against the known place of the artefact. A method that deserves trust clearly beats a map that knows nothing.")


def _need(result: dict, by: str, treatments_shown: tuple[str, ...], title: str, anchor: str) -> None:
    st.subheader(title, anchor=anchor)
    rows = []
    for row in result["need"]:
        if row["treatment"] not in treatments_shown or row["region"] not in ("entity", "background", "everywhere"):
            continue
        for group in groups_of(result, by):
            words = row["meaning"].removesuffix(")").split("(")[-1] if anchor == "frequency" else row["meaning"]
            name = words if group == "all" else f"{group}, {words}"
            rows.append({"name": name, "series": f"{row['region']}", **row["accuracy"][group]})
    intervals(rows, "verdicts still right", "Accuracy after a region was treated, by region and treatment.")
    before = share(result["accuracy"]["all"])
    aucs = "; ".join(
        f"{row['region']} {row['meaning']}: {number(row['auc'])}"
        for row in result["need"]
        if row["treatment"] in treatments_shown and row["region"] in ("entity", "background", "everywhere")
    )
    st.caption(
        f"Untouched: {before} right, AUC {number(result['auc'])}. Each dot: the same images with that region treated. AUC, which a mere shift of all "
        f"logits leaves alone: {literal(aucs)}."
    )


def _alone(result: dict) -> None:
    """AUC of each half alone, beside what an outline and another image's mask give."""
    st.subheader("2 · Is the signal in the entity?", anchor="alone")
    rows = []
    for row in result["alone"]:
        rows.append({"name": f"{row['region']} alone", "series": "own mask", **row["auc"]})
        rows.append({"name": f"{row['region']} alone", "series": "another's mask", **row["controls"]["permuted"]})
    rows += [{"name": row["meaning"], "series": "floor", **row["auc"]} for row in result["floor"]]
    intervals(rows, "AUC, fakes against reals", "AUC of the entity alone and the background alone beside their controls.", form=".2f")
    st.caption(
        "Alone: the other region is one flat colour. An image of two flat colours still shows colours and the outline of its entity, so the entity alone is held against that floor, not against .5. "
        f"{literal(result['sentences']['alone'])}"
    )


def _equal(result: dict) -> None:
    """Equally large pieces by label, with the image's own mask and with another's."""
    kinds = (("own", "entity_costs_more_logit"), ("permuted", "permuted_costs_more_logit"))
    rows = [
        {"name": f"{group}, a piece {row['meaning']}", "series": MASKS[mask], **row[name][group]}
        for row in result["equal"]
        for group in ("all", "real", "fake")
        for mask, name in kinds
    ]
    intervals(rows, "← background costs more · logits · entity costs more →", "Loss of equally large pieces of entity and background compared, by label.", form="+.2~g", zero=True)
    st.caption(
        "A background is often twice as large as its entity, so equally large pieces of each are treated, and the difference of what they cost is shown: towards the truth, so below 0 the "
        f"entity's loss helps. With another image's mask the same is measured at the same places; only the excess over it is the entity's. {literal(result['sentences']['pieces'])}"
    )


def _swap(result: dict) -> None:
    swap = result["swap"]
    rows = [{"name": f"by the {half}'s label, the other half's held fixed", **swap[f"auc_of_{half}"]} for half in ("entity", "background")]
    intervals(rows, "AUC of swapped pictures", "AUC of swapped pictures by the label of the entity and of the background.", form=".2f")
    rows = [
        {"name": f"{label} entities", "series": series, **values[label]}
        for label in ("real", "fake")
        for series, values in (("untouched", result["accuracy"]), ("same label behind", swap["accuracy_same_label"]), ("other label behind", swap["follows_entity"]))
    ]
    intervals(rows, "verdicts that agree with the entity's label", "Agreement with the entity's label untouched, before a background of the same and of the other label.")
    st.caption(literal(result["sentences"]["swap"]))


def _form(run: Run) -> None:
    from cifake_core.explanations import methods
    from cifake_core.explanations.entity import DEFAULT_METHODS

    titles = {methods.METHODS[name].title: name for name in methods.names(with_baselines=False)}
    layers = layer_names(run)
    a, b, c, d = st.columns([4, 3, 3, 2], vertical_alignment="bottom")
    chosen = a.multiselect(
        "Methods", list(titles), default=[methods.METHODS[name].title for name in DEFAULT_METHODS], key="gradcam_entity_methods",
        help="The first one speaks in the verdict; maps that know nothing are always beside them.",
    )  # fmt: skip
    known = SOURCES | sources(run)
    source = b.selectbox("Masks of the entity", list(known), format_func=known.get, key="gradcam_entity_masks")
    where = c.multiselect("Layers", list(layers), key="gradcam_entity_layers", placeholder="the last convolution")
    n = d.number_input("Images", 0, 100_000, 0, 1000, key="gradcam_entity_n", help="0: all of the test split.")
    asked = tuple(titles[title] for title in chosen) or DEFAULT_METHODS
    layer = ",".join(layers[label] for label in where)
    place = place_picker(run, "gradcam_entity_place", both=True)
    command = f"python -m cifake_core entity-test --run {run.id}"
    command += f" --masks {source}" if source != "auto" else ""
    command += f" --methods {','.join(asked)}" if asked != DEFAULT_METHODS else ""
    command += f" --layer {layer}" if layer else ""
    command += f" --n {n}" if n else ""
    command += f" --place {place}" if place not in ("", "relu") else ""
    arguments = {"run_id": run.id, "masks": source, "methods": list(asked), "layer": layer or None, "n": int(n), "place": place or "relu"}
    launcher("entity-test", f"Entity or background, {run.topology}", arguments, command)
