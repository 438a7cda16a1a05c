"""One plain sentence under each figure of an audit, made from the figures themselves. It computes nothing else."""

from cifake_core.evaluation.audit.balance import largest_ratio
from cifake_core.images.schema import LABELS

BLIND = ("metadata", "sizes", "spectrum", "statistics")  # the classifiers that see no picture, in the order they are told
_SAME = 0.02  # shares or accuracies this close to even are called even
_RARE, _NEAR = 0.1, 0.1  # a size that fewer of a label have is rare in it; factors this close are called alike
_WEAK, _STRONG = 0.6, 0.75  # a classifier without eyes below or from this accuracy on is called so


def of_exact(found: dict) -> str:
    pairs = found["pairs"]
    if not any(pairs.values()):
        return "No two images are identical, so no test image lies in train pixel by pixel."
    if not found["test_seen_in_train"]:
        within = pairs["train-train"] + pairs["test-test"]
        return f"{_count(within, 'pair')} of identical images, none across train and test: they count double, but nothing leaks."
    seen, total, by = found["test_seen_in_train"], found["n_test"], found["seen_by_label"]
    whose = next((f", all of them {word}" for word in LABELS if by[word] == seen), "")
    return (
        f"{_count(seen, 'test image')} of {total:,} ({seen / total:.1%}{whose}) {_is(seen)} also in train: a detector can have "
        "memorised them, so judge it without them as well."
    )


def of_nearly(found: dict) -> str:
    total = sum(found["pairs"].values())
    if not total:
        return "No two different images are nearly the same by this measure."
    leak = found["test_near_train"]
    where = f"{_count(leak, 'test image')} {_is(leak)} nearly the same as a train image" if leak else "none across train and test"
    labels = f"; {_count(found['across_labels'], 'pair')} {_is(found['across_labels'])} a real and a fake that look alike" if found["across_labels"] else ""
    return f"{_count(total, 'pair')} of different images {_is(total)} nearly the same: {where}{labels}."


def of_files(rows: list[dict]) -> str:
    kinds = {word: {_kind(row): row["share"] for row in rows if row["label"] == word} for word in LABELS}
    if not all(kinds.values()):
        return "Only one label is here, so files cannot tell labels apart."
    every = {kind for shares in kinds.values() for kind in shares}
    gap, kind = max((abs(kinds["real"].get(k, 0) - kinds["fake"].get(k, 0)), k) for k in every)
    if gap <= _SAME:
        return f"Reals and fakes come in the same kinds of files ({kind if len(every) == 1 else f'{len(every)} kinds in equal shares'}): no format gives the label away."
    shares = f"{kinds['real'].get(kind, 0):.0%} of the reals but {kinds['fake'].get(kind, 0):.0%} of the fakes"
    return f"Files give the label away: {shares} are {kind}; re-encode both labels the same way before you train."


def of_originals(found: dict) -> str:
    """On the sizes before anything was shrunk; `found` as `originals.by_label` gives it."""
    if not any(found["known"].values()):
        return "Nobody recorded what size these images were before they came here; import them again to know it."
    if not all(found["known"].values()):
        return "The original size is known of one label only, so there is nothing to compare with."
    row = max(found["sizes"], key=lambda row: abs(row["share_real"] - row["share_fake"]))
    size, shares = row["size"], {word: row[f"share_{word}"] for word in LABELS}
    if abs(shares["real"] - shares["fake"]) <= _SAME and found["different_sizes"]["real"] == found["different_sizes"]["fake"]:
        same = f"all of them {size}" if found["different_sizes"]["real"] == 1 else "in much the same shares"
        return f"Reals and fakes had the same sizes before anything was shrunk, {same}: no single size tells them apart."
    more, less = sorted(LABELS, key=shares.get, reverse=True)
    if shares[more] > 1 - _SAME and shares[less] < _RARE:
        return f"{_share(shares[more])} {more}s were {size} before anything was shrunk, but {_few(shares[less])} {less}s: the original size gives the label away. {_factors(found)}"
    return f"The sizes before anything was shrunk differ: {shares[more]:.0%} of the {more}s but {shares[less]:.0%} of the {less}s were {size}. {_factors(found)}"


def _share(share: float) -> str:
    return "All" if share == 1 else f"{share:.1%} of the"


def _few(share: float) -> str:
    return f"{share:.1%} of the" if share else "none of the"


def _factors(found: dict) -> str:
    real, fake = (found["shrinking"][word]["factor_median"] for word in LABELS)
    ratio = max(real, fake) / min(real, fake)
    if ratio <= 1 + _NEAR:
        return f"Both were shrunk about {real:.1f} times at the median, so the shrinking itself differs little."
    return f"Reals were shrunk {real:.1f} times at the median, fakes {fake:.1f} times: that leaves other traces, bring both labels to one size first."


def of_original_files(rows: list[dict]) -> str:
    """On format, tables and EXIF of the files as they came."""
    if {row["label"] for row in rows} != set(LABELS):
        return "What kind of files the images came as is not known of both labels."
    kept = [{**row, "subsampling": "", "mode": "", "exif": bool(row["exif"])} for row in rows]
    return of_files(kept)


def of_baseline(found: dict | None, what: str) -> str:
    """`what` completes "From … alone"."""
    if found is None:
        return "Both labels are needed on both sides to try this; one is missing."
    accuracy = found["accuracy"]
    even = max(found["share_fake"], 1 - found["share_fake"])
    figure = f"From {what} alone, {accuracy['value']:.1%} ({accuracy['low']:.1%} – {accuracy['high']:.1%}) are told apart"
    if accuracy["low"] <= even + _SAME:
        return f"{figure}, about what always naming the more frequent label gives ({even:.1%}): no leak here."
    value = accuracy["value"]
    verdict = "a strong giveaway" if value >= _STRONG else "a weak giveaway" if value < _WEAK else "a giveaway"
    return f"{figure}: {verdict}; a detector must clearly beat this before it can be said to look at the picture."


def of_spectrum(curves: dict) -> str:
    if not all(word in curves for word in LABELS):
        return "Only one label is here, so there is nothing to compare with."
    gaps = [
        (f - r) / max(((a**2 + b**2) / 2) ** 0.5, 1e-9)
        for r, f, a, b in zip(curves["real"]["mean"], curves["fake"]["mean"], curves["real"]["sd"], curves["fake"]["sd"], strict=True)
    ]
    place = max(range(len(gaps)), key=lambda i: abs(gaps[i]))
    factor = 10 ** abs(curves["fake"]["mean"][place] - curves["real"]["mean"][place])
    word = "more" if gaps[place] > 0 else "less"
    return (
        f"Reals and fakes differ most at {curves['cycles'][place]} cycles a picture: there a typical fake has {factor:.2f} times "
        f"{word} power, {abs(gaps[place]):.2f} standard deviations of the images."
    )


def of_colour(statistics: dict, curves: dict, counts: dict[str, int]) -> str:
    """`statistics`: mean saturation of each label, {"real", "fake"}; `counts`: images of each label."""
    if len(statistics) < len(LABELS):
        return "Only one label is here, so there is nothing to compare with."
    gray = {word: curves["near_gray"][word] / counts[word] for word in LABELS}
    word = "more" if statistics["fake"] > statistics["real"] else "less"
    return (
        f"Fakes are {word} saturated ({statistics['fake']:.2f} against {statistics['real']:.2f} on average), and "
        f"{gray['fake']:.1%} of the fakes are nearly gray, of the reals {gray['real']:.1%}."
    )


def of_balance(found: dict) -> str:
    if not all(any(row[word] for row in found["classes"]) for word in LABELS):
        return "Only one label is here: it can be looked at and added to another set, but no detector can be trained on it."
    ratio = largest_ratio(found["classes"])
    if ratio == float("inf"):
        classes = "Some classes have images of one label only, so a detector could learn the class instead"
    elif ratio <= 1 + _SAME:
        classes = "Each class has as many reals as fakes, so the class tells nothing"
    else:
        classes = f"The most uneven class has {ratio:.1f} times as many images of one label as of the other"
    makers = {row["generator"] for row in found["generators"]}
    named = f"the fakes are of {_count(len(makers), 'named generator')}" if makers else "nobody said which generator made the fakes"
    return f"{classes}; {named}."


def _kind(row: dict) -> str:
    parts = [row["format"], row["quantisation"], row["subsampling"], "with EXIF" if row["exif"] else "", row["mode"]]
    return " ".join(part for part in parts if part)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
