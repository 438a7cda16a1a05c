"""The second step of an import: what was understood of the source, with pictures, and what the user must still say.

It draws a `preview.Preview` and gives the answers of its widgets; it reads no file.
"""

import re
from collections.abc import Container

import streamlit as st

from cifake_core.images.preview import Preview, Question, Sample
from pages.shared.guard import literal
from pages.shared.palette import FAKE_TEXT, REAL_TEXT

_MOST_NAMES = 12  # shown with pictures; a source with more gets its names as a list
_TILE = 72  # pixels
_NUMBERS = {"0", "1"}
_VALUE = r"(?: (?:'[^']*'|[^\s;,.]+(?:,[^\s;,.]+)*))"  # of an option: a word, a list, or a quoted name
_WIDGETS = (  # options of the command line, as sentences name them → what does the same here
    (rf"--real{_VALUE} (?:or )?--fake{_VALUE}", "the two lists of names"),
    (r"--validation (\w+)", r"“Validation images: \1”"),
    (rf"--label-names{_VALUE}?", "“What the label numbers mean”"),
    (rf"--label-pattern{_VALUE}?", "“Pattern of file names”"),
    (r"--label (real|fake)\b", r"“Labels: all are \1”"),
    (rf"--columns{_VALUE}?", "“Columns of a table or list”"),
    (rf"--generator-folders{_VALUE}?", "--generator-folders of the command line"),
    (r"--resize", "“Shrink images that are not 32 × 32”"),
    (r"--strict", "“Refuse broken files”"),
)
WORDS = {"real": REAL_TEXT, "fake": FAKE_TEXT}


def summary(seen: Preview, pictured: Container[str] = ()) -> None:
    """Everything that was understood of the sources: warnings first, then counts, samples, conventions, the account.

    `pictured`: names whose pictures stand on the page already.
    """
    st.subheader("What was understood", anchor="preview")
    for warning in seen.warnings:
        st.warning(literal(on_page(warning)), icon=":material/warning:")
    sources = "; ".join(f"**{literal(one['name'])}**: {literal(one['kind'])}, {one['images']:,} pictures" for one in seen.sources)
    st.markdown(sources)
    _labels(seen, pictured)
    left, right = st.columns(2, gap="large")
    with left:
        _counts(seen)
    with right:
        _files(seen)
    for sentence in seen.conventions:
        st.info(literal(on_page(sentence)), icon=":material/info:")
    account(seen.account, done=False)


def account(told: dict, *, done: bool) -> None:
    """What becomes, or became, of everything that was seen."""
    if not told:
        return
    left = sum(entry["count"] for entry in told["left_out"].values())
    verb = "imported" if done else "to be imported, unless one turns out broken"
    st.markdown(f"Seen **{told['seen']:,}** files and rows: **{told['imported']:,}** {verb}, **{left:,}** left out.")
    rows = [
        {"left out because": reason, "how many": entry["count"], "for example": ", ".join(entry["examples"])}
        for reason, entry in told["left_out"].items()
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")


def _labels(seen: Preview, pictured: Container[str]) -> None:
    """Each label with the names it goes by and four pictures of each name."""
    if not seen.counts:
        return
    for column, word in zip(st.columns(2, gap="large"), WORDS, strict=True):
        names = {name: told["images"] for name, told in seen.names.items() if told["label"] == word}
        with column:
            total = sum(counts[word] for counts in seen.counts.values())
            st.markdown(f"**{WORDS[word]}** · {total:,} pictures")
            for name, images in list(names.items())[:_MOST_NAMES]:
                _named(name, images, [] if name in pictured else seen.samples.get(name, []))
            if len(names) > _MOST_NAMES:
                st.caption(f"and {len(names) - _MOST_NAMES} more names")


def _named(name: str, images: int, samples: list[Sample]) -> None:
    st.caption(f"{literal(name) or 'without a name'} · {images:,}")
    _pictures(name, samples)


def _pictures(name: str, samples: list[Sample]) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        for number, sample in enumerate(samples, start=1):
            if sample.png:
                st.image(sample.png, width=_TILE, output_format="PNG", alt=f"Picture {number} of those named {name}: {sample.path}")
            else:
                st.caption(f"{literal(sample.path)} is broken")


def _counts(seen: Preview) -> None:
    if seen.counts:
        rows = [{"split": split, "real": told["real"], "fake": told["fake"]} for split, told in seen.counts.items()]
        st.dataframe(rows, hide_index=True, width="stretch")
    for title, found in (("Classes", seen.classes), ("Generators", seen.generators)):
        if found:
            st.caption(f"{title}: {_listed(found)}")


def _files(seen: Preview) -> None:
    rows = [
        {"label": label or "open", "formats": _plain(seen.formats.get(label, {})), "sizes": _plain(seen.sizes.get(label, {}), 6)}
        for label in dict.fromkeys([*seen.formats, *seen.sizes])
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")
        st.caption(f"Sizes and formats of {seen.headers:,} pictures that were looked at.")


def _listed(found: dict[str, int], most: int = _MOST_NAMES) -> str:
    return literal(_plain(found, most))


def _plain(found: dict[str, int], most: int = _MOST_NAMES) -> str:
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(f"{name} {number:,}" for name, number in list(found.items())[:most]) + more


# ---- answers


def label_answers(seen: Preview) -> dict:
    """Widgets for what the labels mean, where the source leaves it open or the convention can be turned round."""
    if seen.names and set(seen.names) <= _NUMBERS and not any(question.topic == "labels" for question in seen.questions):
        meaning = st.segmented_control(
            "What the label numbers mean", ["0 is real, 1 is fake", "0 is fake, 1 is real"], default="0 is real, 1 is fake", required=True,
            key="data_numbers", bind="query-params", help="Numbers without names say nothing of themselves: compare the pictures.",
        )  # fmt: skip
        return {"label_names": ("fake", "real")} if meaning.startswith("0 is fake") else {}
    return {}


def sort_names(seen: Preview, names: dict[str, int]) -> dict:
    """Two lists the user sorts the names into, each with its pictures; those in neither are shown above, with buttons."""
    options = list(names)
    chosen = {word: [name for name in st.session_state.get(f"data_names_{word}", []) if name in options] for word in WORDS}
    unsorted = [name for name in options if name not in chosen["real"] + chosen["fake"]]
    for name in unsorted[:_MOST_NAMES]:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(f"**{literal(name)}** · {names[name]:,}")
            _pictures(name, seen.samples.get(name, []))
            for word in WORDS:
                st.button(f"{name} is {word}", key=f"data_sort_{word}_{name}", on_click=_sort, args=(word, name))
    answers = {}
    for column, word in zip(st.columns(2, gap="large"), WORDS, strict=True):
        other = "fake" if word == "real" else "real"
        with column:
            answers[word] = tuple(
                st.multiselect(
                    f"Names that mean {word}", [name for name in options if name not in chosen[other]], key=f"data_names_{word}", bind="query-params",
                    placeholder="choose a name, or use its button above",
                )
            )
            for name in answers[word][:_MOST_NAMES]:
                _named(name, names[name], seen.samples.get(name, []))
    return answers


def _sort(word: str, name: str) -> None:
    key = f"data_names_{word}"
    st.session_state[key] = [*st.session_state.get(key, []), name]


def open_questions(questions: list[Question]) -> None:
    for question in questions:
        st.warning(literal(on_page(question.sentence)), icon=":material/help:")


def on_page(sentence: str) -> str:
    """The sentence with the command line's options called as the widgets of this page are."""
    for option, widget in _WIDGETS:
        sentence = re.sub(option, widget, sentence)
    return sentence
