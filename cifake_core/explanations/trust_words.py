"""What follows from the measures of maps, in words. It computes nothing but which side of nought a corrected difference is on.

A difference counts if its p value is below .05 after Holm's correction over all comparisons of the table. One that does not
count is "not shown": the measurement may be too small to see it.
"""

from collections.abc import Iterable, Mapping

from cifake_core.explanations.comparing import LEVEL

SAME = 0.5  # a map this correlated with that of random weights shows the image more than the network
SHOWN = {"": "", "relu": "", "raw": " before the ReLU"}  # what a map's name says of its place


def judged(line: dict, measures: Mapping) -> dict:
    """{"standing": baseline, better, mixed, not shown or worse; "verdict": one sentence} of a line of the table."""
    name = line["title"] + (f" at {line['layer']}" if line["layer"] != "input" else "") + SHOWN[line["feature_map"]]
    if line["baseline"] is None:
        return {"standing": "baseline", "verdict": f"{name} is a baseline: it knows nothing of what was learned."}
    gains = {key: line["against_random"][key] for key, measure in measures.items() if measure.faithful}
    gains = {key: gain for key, gain in gains.items() if gain["p_holm"] is not None}
    better = [measures[key].title for key, gain in gains.items() if _side(gain) == 1]
    worse = [measures[key].title for key, gain in gains.items() if _side(gain) == -1]
    standing = _standing(better, worse)
    said = f"{_said(standing, better, worse, len(gains), line['baseline'])}{_hardly_changes(line)}"
    return {"standing": standing, "verdict": f"On this network {name} {said} (n = {line['n']:,})."}


def _side(gain: dict) -> int:
    """1 better, −1 worse, 0 not shown to differ."""
    return 0 if gain["p_holm"] >= LEVEL else 1 if gain["value"] > 0 else -1


def _standing(better: list[str], worse: list[str]) -> str:
    if better and worse:
        return "mixed"
    if len(better) >= 2:
        return "better"
    return "worse" if len(worse) >= 2 else "not shown"


def _said(standing: str, better: list[str], worse: list[str], asked: int, baseline: str) -> str:
    if standing == "better":
        return f"is better than {baseline} in {len(better)} of {asked} measures ({joined(better)})"
    if standing == "worse":
        return f"is worse than {baseline} in {len(worse)} of {asked} measures ({joined(worse)})"
    if standing == "mixed":
        return f"is better than {baseline} in {joined(better)} but worse in {joined(worse)}"
    if better or worse:
        kind = "better" if better else "worse"
        return f"is {kind} than {baseline} in {joined(better or worse)} alone and not shown to differ from it in the other {asked - 1} measures"
    return f"is not shown to differ from {baseline} in any of {asked} measures"


def _hardly_changes(line: dict) -> str:
    same = line["measures"].get("randomisation")
    if not same or same["low"] is None or same["low"] <= SAME:
        return ""
    return f", and its maps hardly change when the weights are random (rank correlation {same['value']:.2f}): it shows the image, not the network"


def overall(lines: list[dict], n: int) -> str:
    """One sentence or two on the whole table."""
    asked = [line for line in lines if line["standing"] != "baseline"]
    compared = sum(gain["p"] is not None for line in asked for gain in line["against_random"].values())
    counts = {standing: sum(line["standing"] == standing for line in asked) for standing in ("better", "mixed", "worse", "not shown")}
    words = {
        "better": "better than a map that knows nothing in at least two measures and worse in none",
        "mixed": "better in some and worse in others",
        "worse": "worse in at least two and better in none",
        "not shown": "not shown to differ from it in more than one",
    }
    said = "; ".join(f"{counts[standing]} {words[standing]}" for standing in words if counts[standing])
    text = f"On {n:,} images, of {len(asked)} maps {said}, after Holm's correction over {compared:,} comparisons."
    good = [line for line in asked if line["standing"] == "better" and line["against_random"]["insertion"]["value"] is not None]
    if not good:
        return text
    best = max(good, key=lambda line: line["against_random"]["insertion"]["value"])
    return f"{text} The largest gain in insertion has {best['title']} at {best['layer']}{SHOWN[best['feature_map']]}."


def joined(words: Iterable[str]) -> str:
    words = list(words)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
