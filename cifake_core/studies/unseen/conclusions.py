"""What the figures of a study of unseen generators say, in sentences with a branch for each way they could come out."""

from cifake_core.metrics.intervals import Estimate
from cifake_core.studies.unseen.groups import said_of_sharing

NOT_ABOVE, BELOW, PARTLY, COMPARABLE, UNKNOWN = "not above", "below", "partly", "comparable", "unknown"
_SAID = {
    BELOW: "fewer of them are called fake than of the real photographs (what it learned does not carry over)",
    NOT_ABOVE: "no more of them are shown to be called fake than of the real photographs (nothing of what it learned is shown to carry over)",
    PARTLY: "more of them are called fake than of the real photographs, but fewer than of fakes of the generator it learned from (part of what it learned carries over)",
    COMPARABLE: "as far as can be told, as many of them are called fake as of fakes of the generator it learned from (what it learned carries over to these generators)",
    UNKNOWN: "more of them are called fake than of the real photographs; its recall on fakes of its own test set is not recorded, so nothing is said of how much is lost",
}


def carries_over(recall: Estimate, false_positives: Estimate, own_recall: Estimate | None) -> str:
    """BELOW, NOT_ABOVE, PARTLY, COMPARABLE or UNKNOWN, by intervals that are apart: recall on fakes of unseen generators,
    the false positive rate on real photographs, and recall on fakes of the run's own test set.
    """
    if recall.high < false_positives.low:
        return BELOW
    if recall.low <= false_positives.high:
        return NOT_ABOVE
    if own_recall is None:
        return UNKNOWN
    return PARTLY if recall.high < own_recall.low else COMPARABLE


def of_transfer(study: dict) -> str:
    """What the runs of a transfer study show, in words; where runs differ, that is what is said."""
    rows = study["runs"]
    found = [_row(row) for row in rows]
    branches = [carries_over(*estimates) for estimates in found]
    names = len(study["counts"])
    if len(set(branches)) == 1:
        every = "The run" if len(rows) == 1 else f"Each of the {len(rows)} runs"
        return f"{every}, on fakes of {names} unseen generators: {_SAID[branches[0]]}. {_figures(found)}"
    parts = [f"in {branches.count(branch)} of {len(rows)}, {_SAID[branch]}" for branch in dict.fromkeys(branches)]
    return f"The runs differ on fakes of {names} unseen generators: {'; '.join(parts)}. {_figures(found)}"


def _row(row: dict) -> tuple[Estimate, Estimate, Estimate | None]:
    """Of one run: recall on unseen generators (mean over generators), false positive rate, recall on its own test fakes."""
    own = row.get("own_recall")
    return Estimate(**row["macro"]["recall_at_half"]), Estimate(**row["false_positives"]["at_half"]), Estimate(**own) if own else None


def _figures(found: list[tuple[Estimate, Estimate, Estimate | None]]) -> str:
    titles = ("recall, mean over generators", "false positive rate", "recall on fakes of its own test set")
    columns = [[estimates[i] for estimates in found if estimates[i] is not None] for i in range(3)]
    said = [f"{title} {', '.join(_share(one) for one in column)}" for title, column in zip(titles, columns, strict=True) if column]
    return f"At probability 0.5, 95 % intervals: {'; '.join(said)}."


def _share(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} – {100 * estimate.high:.1f})"


def of_groups(result: dict) -> list[str]:
    """What keeping sources apart changed, beside the figures without it; or that nothing is known of sources."""
    shared, ungrouped = result.get("shared"), result.get("ungrouped")
    if not ungrouped:
        return _lines(shared)
    kept = f"Sources kept apart ({len(set(result['sources'].values()))} sources): {_headline(result)}."
    mixed = f"Sources on both sides, for comparison: {_headline(ungrouped)}."
    return [kept, *_lines(shared), mixed, *_lines(ungrouped["shared"])]


def _lines(shared: dict | list | None) -> list[str]:
    """One sentence, whether one split or several are meant."""
    if not isinstance(shared, list):
        return [said_of_sharing(shared)]
    if not shared or None in shared:
        return [said_of_sharing(None)]
    return [said_of_sharing({"sharing": sum(one["sharing"] for one in shared), "of": sum(one["of"] for one in shared)}, splits=len(shared))]


def _headline(result: dict) -> str:
    """The one figure that is compared: macro AUC, as this kind of study has it."""
    if "report" in result:
        report = result["report"].get("macro", result["report"])["auc"]
        return f"macro AUC {report['value']:.3f} ({report['low']:.3f} – {report['high']:.3f}), {result['title']}"
    if "paths" in result:
        return "macro AUC " + ", ".join(f"{path['mean']:.3f} ({path['path']})" for path in result["paths"])
    if "points" in result:
        largest = max(point["k"] for point in result["points"])
        last = next(p for p in result["points"] if p["k"] == largest and p["arm"] == "random" and p["images"] == 0)["mean"]["auc"]
        sd = "" if last["sd"] is None else f" ± {last['sd']:.3f}"
        return f"macro AUC {last['value']:.3f}{sd} with {largest} generators and all their fakes"
    values = [row["macro"]["auc"]["value"] for row in result["rows"]]
    return f"macro AUC {sum(values) / len(values):.3f}, mean over {len(values)} left out ({min(values):.3f} – {max(values):.3f})"


def of_scaling(first: dict, last: dict, k: tuple[int, int]) -> str:
    """Whether more generators help, from two points of a curve (mean, sd and n of repeats): only where the difference is
    more than twice its standard error.
    """
    gain = last["auc"]["value"] - first["auc"]["value"]
    if first["auc"]["sd"] is None or last["auc"]["sd"] is None:
        verdict = "one repeat only, so nothing is said of whether that is more than the choice of generators"
    else:
        error = (first["auc"]["sd"] ** 2 / first["n"] + last["auc"]["sd"] ** 2 / last["n"]) ** 0.5
        verdict = "more generators help" if gain > 2 * error else "more generators hurt" if gain < -2 * error else "no clear change"
    return f"from {k[0]} to {k[1]} generators AUC goes from {_mean(first)} to {_mean(last)}: {verdict}"


def _mean(point: dict) -> str:
    auc = point["auc"]
    return f"{auc['value']:.3f}" + ("" if auc["sd"] is None else f" ± {auc['sd']:.3f}")


def of_codec(paths: list[dict]) -> list[str]:
    """What compression does to the answer, and what a mixed codec pretends; by ranges over repeats that are apart."""
    named = {row["path"]: row for row in paths}
    lossless, jpeg, trap, encoder = (named.get(name) for name in ("lossless", "jpeg, one encoder", "trap", "encoder"))
    found = []
    if lossless and jpeg:
        found.append(f"JPEG {_compared(jpeg, lossless)} against lossless images.")
    if trap and jpeg:
        found.append(f"Fakes lossless and reals JPEG, a mistake, {_compared(trap, jpeg)} against JPEG for both: " + ("the difference is the codec." if trap["low"] > jpeg["high"] else "here the mistake does not show."))
    if encoder:
        apart = encoder["low"] > 0.5 if encoder["sd"] is not None else None
        tail = {None: "one repeat, no statement", True: "above one half in every repeat: encoders differ", False: "not above one half in every repeat"}[apart]
        found.append(f"The encoder alone, without fakes: AUC {encoder['mean']:.3f} ({tail}).")
    return found


def _compared(this: dict, other: dict) -> str:
    verb = "lowers the AUC" if this["high"] < other["low"] else "raises the AUC" if this["low"] > other["high"] else "shows no clear change of the AUC"
    return f"{verb} ({this['mean']:.3f}, {this['low']:.3f} – {this['high']:.3f} over repeats, {other['mean']:.3f}, {other['low']:.3f} – {other['high']:.3f})"
