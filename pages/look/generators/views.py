"""The parts of the page Unseen generators: the headline, bars, matrix, scaling, codec, recipe, in plain words. Studies in, pictures out."""

import streamlit as st

from cifake_core.studies.unseen import conclusions
from cifake_core.studies.unseen.judging import MEASURES
from pages.look.generators import charts
from pages.shared.guard import literal
from pages.shared.pickers import percent

_HALF = {"recall_at_half": "fakes found at probability 0.5"}


def headline(study: dict) -> None:
    """What a run reaches on its own test set, next to the fakes of generators it has never met, and what follows."""
    spread, n = study["spread"], study["spread"]["found"]["n"]
    own, recall, false_positives = spread.get("own_accuracy"), spread["found_macro"], spread["accused"]
    fakes, names = sum(study["counts"].values()), len(study["counts"])
    left, middle, right = st.columns(3)
    over = f"Mean over {n} runs, ± standard deviation." if n > 1 else "One run: another seed may differ by more than the interval says."
    if own:
        left.metric("Accuracy on its own test set", _mean(own), help=over, border=True)
    middle.metric(f"Recall on fakes of {names} unseen generators", _mean(recall), help=f"Mean over generators ({fakes:,} fakes) of the share called fake at probability 0.5. {over}", border=True)
    right.metric("False positive rate on real photographs", _mean(false_positives), help=f"Of {study['n_reals']['test']:,} photographs, called fake at probability 0.5. {over}", border=True)
    st.markdown(literal(conclusions.of_transfer(study)))


def _mean(one: dict) -> str:
    return percent(one["mean"], 1) + (f" ± {100 * one['sd']:.1f}" if one["sd"] is not None else "")


def bars(found: list[dict]) -> tuple[str, str, str] | None:
    """A bar a generator for the study chosen; gives (study, unit, generator) that was clicked."""
    sources = _bar_sources(found)
    if not sources:
        return None
    st.subheader("Generator by generator", anchor="generators")
    left, right = st.columns([3, 2])
    label = left.selectbox("Detector", list(sources), key="unseen_detector", bind="query-params")
    titles = MEASURES | _HALF
    default = "recall_at_half" if label.startswith("run ") else "auc"
    measure = right.selectbox("Measure", list(titles), index=list(titles).index(default), format_func=titles.get, key="unseen_measure")
    study, unit, summary = sources[label]
    rows = _rows(summary["generators"], study["families"], measure)
    st.caption(f"Bars are coloured by family; lines are 95 % intervals; the codec is {study['codec']}. Click a bar to see its images.")
    clicked = charts.bars(rows, titles[measure], 0.5 if measure in ("auc", "average_precision", "accuracy") else None, "unseen_bars")
    named = st.selectbox("Show the images of", ["", *(row["generator"] for row in rows)], key="unseen_images_of", bind="query-params", format_func=lambda name: name or "the bar that is clicked")
    shown = clicked or named
    return (study["study"], unit, shown) if shown else None


def _bar_sources(found: list[dict]) -> dict[str, tuple[dict, str, dict]]:
    sources: dict[str, tuple[dict, str, dict]] = {}
    for study in sorted(found, key=lambda one: one["kind"] != "transfer"):  # what the headline speaks of comes first
        codec = study["codec"]
        for row in study.get("runs", ()):
            sources.setdefault(f"run {row['run']} ({codec})", (study, row["run"], row))
        if study["kind"] == "recipe":
            sources.setdefault(f"{study['title']}, held-out generators ({codec})", (study, study["chosen"], study["report"]))
        if study["kind"] == "leave-one-out":
            for row in study["rows"]:
                sources.setdefault(f"all but {row['source']} ({codec})", (study, row["source"], row))
    return sources


def _rows(generators: dict, families: dict, measure: str, **more) -> list[dict]:
    return [
        {"generator": name, "family": families[name], "n": numbers["n"], **numbers[measure], **more}
        for name, numbers in generators.items()
        if numbers[measure]["value"] is not None
    ]


def matrix(found: list[dict]) -> tuple[str, str, str] | None:
    """Learned from × judged on; gives (study, unit, generator) of the clicked cell."""
    studies = {f"by {study['request']['by']}, {study['codec']}, {study['title']}": study for study in reversed(found) if study["kind"] == "matrix"}
    if not studies:
        return None
    st.subheader("Cross-generator AUC", anchor="matrix")
    study = studies[st.segmented_control("Matrix", list(studies), default=next(iter(studies)), required=True, key="unseen_matrix", label_visibility="collapsed")]
    rows = [one for row in study["rows"] for one in _rows(row["generators"], study["families"], "auc", source=row["source"])]
    order = {name: i for i, name in enumerate(sorted(study["families"], key=lambda name: (study["families"][name], name)))}
    clicked = charts.matrix(sorted(rows, key=lambda row: order[row["generator"]]), "unseen_matrix_chart")
    st.caption("Green: told from photographs. Gray: chance. Violet: worse than chance, taken for more real than photographs. Click a cell to see its images.")
    return (study["study"], *clicked) if clicked else None


def scaling(found: list[dict]) -> None:
    """The curve against the number of generators, and against the number of images at the largest k."""
    studies = [study for study in found if study["kind"] == "scaling"]
    if not studies:
        return
    st.subheader("Does meeting more generators help?", anchor="scaling")
    newest = _labelled(studies)
    arms = {"random": "random", "diverse": "diverse families", "family": "one family"}
    by_k = [
        _point(label, f"{arms[p['arm']]}, {p['images']} fakes" if p["images"] else "random, all their fakes", p["k"], p)
        for label, study in newest.items()
        for p in study["points"]
        if p["images"] in (0, study["images"])
    ]
    left, right = st.columns(2, gap="large")
    with left:
        papers = st.toggle("The paper's own curves", value=False, key="unseen_papers", bind="query-params", help="Park and Owens 2025: average precision (not AUC) on their four test groups, 100,000 images.")
        charts.scaling(by_k, "generators in training", "unseen_scaling", papers=papers)
    by_images = []
    for label, study in newest.items():
        largest = max(p["k"] for p in study["points"])
        by_images += [_point(label, "random", p["images"], p) for p in study["points"] if p["arm"] == "random" and p["k"] == largest and p["images"]]
    with right:
        st.markdown("At the largest number of generators, more images:")
        charts.scaling(by_images, "fakes in training", "unseen_images")
    for label, study in newest.items():
        st.markdown(_reading(label, study))
    st.caption("Dots are means over random subsets of generators, lines reach from the worst subset to the best. 0.5 is guessing.")


def _labelled(studies: list[dict]) -> dict[str, dict]:
    """The newest study of each codec, reals and detector, called by as few words as tell them apart."""
    newest = {(study["codec"], study["title"], f"reals of {study['reals_from']}"): study for study in reversed(studies)}
    telling = [i for i in range(3) if i == 0 or len({words[i] for words in newest}) > 1]
    found = {", ".join(words[i] for i in telling): study for words, study in newest.items()}
    return found if len(found) == len(newest) else {", ".join(words): study for words, study in newest.items()}


def _point(series: str, subsets: str, x: int, point: dict) -> dict:
    mean = point["mean"]["auc"]
    return {"series": series, "subsets": subsets, "x": x, "value": mean["value"], "low": mean["low"], "high": mean["high"], "n": point["n_repeats"]}


def _reading(label: str, study: dict) -> str:
    curve = {p["k"]: {"auc": p["mean"]["auc"], "n": p["n_repeats"]} for p in study["points"] if p["arm"] == "random" and p["images"] == study["images"]}
    first, last = min(curve), max(curve)
    said = f"at {study['images']} fakes, {conclusions.of_scaling(curve[first], curve[last], (first, last))}" if first < last else "one number of generators only, so there is no curve to read"
    return f"**{literal(label)}**: {said}. {literal(' '.join(conclusions.of_groups(study)))}"


def codec_and_recipe(found: list[dict]) -> None:
    """What compression does; which recipe was chosen and what it reached. The figures as a table are folded away."""
    codec = next((study for study in found if study["kind"] == "codec"), None)
    if codec:
        st.subheader("What compression does", anchor="codec")
        rows = [{"name": row["title"], "kind": row["path"], **{name: row[name] for name in ("value", "low", "high")}} for row in _paths(codec)]
        charts.ranges(rows, "unseen_codec", "Macro AUC by what was compressed.")
        st.markdown(literal(" ".join([*conclusions.of_codec(codec["paths"]), *conclusions.of_groups(codec)])))
        st.caption("Dots are means over random splits of the generators, lines reach from the worst to the best.")
        _as_table([{name: row[name] for name in ("name", "value", "low", "high")} | {"sd": path["sd"]} for row, path in zip(rows, codec["paths"], strict=True)])
    for study in {study["codec"]: study for study in reversed(found) if study["kind"] == "recipe"}.values():
        report = study["report"]["macro"]["auc"]
        st.subheader(f"A recipe for unseen generators ({study['codec']})", anchor=f"recipe-{study['codec']}")
        st.markdown(
            f"**{literal(study['title'])}**, chosen on {len(study['choose_generators'])} generators, reaches a macro AUC of **{report['value']:.3f}** "
            f"({report['low']:.3f} – {report['high']:.3f}) on {len(study['report_generators'])} others it was neither trained nor tuned on. "
            + literal(" ".join(conclusions.of_groups(study)[1 if study.get("ungrouped") else 0 :]))  # the first repeats the figure
        )
        rows = [_ranked(one["title"], "while choosing", one["macro"]["auc"]) for one in study["candidates"]]
        rows += [_ranked(f"{study['title']}, chosen", "held out", report)]
        if study.get("ungrouped"):
            beside = study["ungrouped"]
            rows.append(_ranked(f"{beside['title']}, chosen, sources on both sides", "held out, sources mixed", beside["report"]["auc"]))
        rows += [_ranked(f"{one['title']}, for comparison", "held out", one["report"]["macro"]["auc"]) for one in study["references"]]
        charts.ranges(rows, f"unseen_recipe_{study['codec']}", "Macro AUC of each candidate, of the chosen recipe and of what it is compared with.")
        st.caption(f"Lines are 95 % intervals over {'sources' if study.get('sources') else 'generators'} and images. Nothing was chosen by the held-out generators.")
        _as_table(rows)


def _as_table(rows: list[dict]) -> None:
    with st.expander("The same as a table"):
        st.dataframe(rows, hide_index=True, column_config={name: st.column_config.NumberColumn(format="%.3f") for name in ("value", "low", "high", "sd")})


def _ranked(name: str, kind: str, estimate: dict) -> dict:
    return {"name": name, "kind": kind, **{field: estimate[field] for field in ("value", "low", "high")}}


def _paths(codec: dict) -> list[dict]:
    return [{**row, "value": row["mean"]} for row in codec["paths"]]
