"""From the numbers of the entity test to sentences about the paper's claim. It computes nothing but which side an interval is on.

Bird and Lotfi 2024 drew the claim from Grad-CAM pictures by eye. It has two halves, which are judged apart: the entity
holds no useful information; the network focuses on the background. Neither is judged by a raw cost: the first is held
against images of two flat colours, the second against the same test with another image's mask.
"""

CLAIM = (
    "The actual entity itself does not hold useful information for classification; instead, the model focuses on small "
    "visual imperfections in the background."
)


ROUGH = 0.6  # intersection over union on rendered pictures below which masks are called rough
SEAM = 0.1  # share of verdicts that the seam alone may turn over before agreement at the threshold says little
LABELS = ("real", "fake")
LOOKED_AT = ("mean", "blur")  # treatments of equally large pieces that must agree


def verdict(result: dict) -> dict:
    """{"entity_informs": True, False or None, "leans": {"maps", "equal pieces", "real", "fake"}, "focus": "entity",
    "background" or None, "sentences": {"alone", "pieces", "maps", "swap"}, "verdict": all of it in one} from the result of the
    entity test. None: the intervals do not say.
    """
    informs = _informs(_alone(result, "entity"))
    leans = {"maps": _maps(result["place"])}
    leans |= {name: _pieces(result["equal"], group) for name, group in (("equal pieces", "all"), ("real", "real"), ("fake", "fake"))}
    focus = _focus(leans)
    sentences = {
        "alone": _said_of_alone(result, informs),
        "pieces": _said_of_pieces(result, leans),
        "maps": _said_of_maps(result, leans["maps"]),
        "swap": swap_sentence(result),
    }
    sentences = {name: _sentence(sentence) for name, sentence in sentences.items()}
    said = " ".join(sentences[name] for name in ("alone", "pieces", "maps"))
    conclusion = f"So {_caution(result)}on this run and {result['n']:,} images{_masked(result)} {_conclusion(informs, focus, leans)}."
    return {
        "entity_informs": informs,
        "leans": leans,
        "focus": focus,
        "sentences": sentences | {"conclusion": conclusion},
        "verdict": f"{said} {conclusion}",
    }


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _side(estimate: dict | None, middle: float = 0.0) -> int | None:
    """1 or −1: the whole interval lies above or below the middle; 0: it holds the middle; None: nothing was counted."""
    if estimate is None or estimate["low"] is None:
        return None
    return 1 if estimate["low"] > middle else -1 if estimate["high"] < middle else 0


# --- one region alone ---------------------------------------------------------------------------------------------------


def _alone(result: dict, region: str) -> dict:
    return next(row for row in result["alone"] if row["region"] == region)


def _informs(alone: dict) -> bool | None:
    """Whether the entity alone tells more than an outline and its colours, each by its paired interval."""
    sides = [_side(alone["above"][floor]) for floor in ("flat", "outline")]
    return None if None in sides else all(side == 1 for side in sides)


def _said_of_alone(result: dict, informs: bool | None) -> str:
    entity, background = _alone(result, "entity"), _alone(result, "background")
    controls = entity["controls"]
    floor = f"nothing but two flat colours gives {_plain(controls['flat'])}, the outline alone {_plain(controls['outline'])}"
    if informs is None:
        return f"with the background flattened, the entity alone gives AUC {_plain(entity['auc'])}; a floor could not be measured"
    smaller = min((entity["above"][name] for name in ("flat", "outline")), key=lambda gain: gain["low"])
    above = f"above that floor (by {_plain(smaller)} at least)" if informs else f"not shown to exceed that floor ({_plain(smaller)})"
    return (
        f"with the background flattened, the entity alone separates fakes from reals with AUC {_plain(entity['auc'])}, {above}: "
        f"{floor}; {_said_of_place(entity)}; the background alone gives {_plain(background['auc'])}"
    )


def _said_of_place(entity: dict) -> str:
    gain, control = entity["above"]["permuted"], entity["controls"]["permuted"]
    said = {1: "so where the entity is counts beyond its usual place", -1: "which is more than the entity itself gives"}
    follows = said.get(_side(gain), "from which the entity itself is not shown to differ")
    return f"what another image's mask leaves of the picture gives {_plain(control)}, {follows}"


# --- equally large pieces -----------------------------------------------------------------------------------------------


def _pieces(equal: list[dict], group: str) -> str | None:
    """Whose loss costs more than its place explains, if flattening and blurring agree."""
    asked = [row for row in equal if row["treatment"] in LOOKED_AT]
    return _agreed([_side(row["excess_over_permuted"].get(group)) for row in asked])


def _agreed(sides: list[int | None]) -> str | None:
    return {(1,): "entity", (-1,): "background"}.get(tuple(set(sides)))


def _said_of_pieces(result: dict, leans: dict) -> str:
    flat, blurred = (next(row for row in result["equal"] if row["treatment"] == treatment) for treatment in LOOKED_AT)
    return (
        f"of equally large pieces, one of the entity costs {_signed(flat['entity_costs_more_logit']['all'])} logits more than one of "
        f"the background when flattened{_raw_by_label(flat['entity_costs_more_logit'])}; with the mask of another image of its class and "
        f"label it is {_signed(flat['permuted_costs_more_logit']['all'])}, so {_excess(flat)} is not explained by place, and "
        f"{_excess(blurred)} when blurred: {_follows_from_pieces(leans)}"
    )


def _excess(row: dict) -> str:
    """The excess over another image's mask, of all images and of each label."""
    excess = row["excess_over_permuted"]
    apart = ", ".join(f"{label}s {_signed(excess.get(label))}" for label in LABELS)
    return f"{_signed(excess['all'])} ({apart})"


def _raw_by_label(cost: dict) -> str:
    """The cost of reals and of fakes, and whether either label alone shows nothing or the reverse of all together."""
    whole, said = _side(cost["all"]), []
    for label in LABELS:
        side = _side(cost.get(label))
        follows = "" if side == whole or not whole or side is None else " alone, the reverse" if side else " alone, which shows nothing"
        said.append(f"{_signed(cost.get(label))} for {label}s{follows}")
    return f" ({', '.join(said)})"


def _follows_from_pieces(leans: dict) -> str:
    """Flattened and blurred pieces must agree; reals and fakes are told apart."""
    both, real, fake = leans["equal pieces"], leans["real"], leans["fake"]
    if real and fake:
        if real == fake:
            return f"for reals and fakes alike the {real} counts for more than its place explains"
        return f"for reals the {real} counts for more than its place explains, for fakes the {fake}"
    for lean, label, other in ((real, "reals", "fakes"), (fake, "fakes", "reals")):
        if lean:
            return f"for {label} the {lean} counts for more than its place explains, for {other} neither is shown to"
    if both:
        return f"over all images the {both} counts for more than its place explains, though for neither label alone is it shown"
    return "flattened and blurred, neither is shown to count for more than its place explains"


# --- maps ---------------------------------------------------------------------------------------------------------------


def _first(place: list[dict]) -> dict:
    return next(row for row in place if row["excess_over_random"] is not None)


def _maps(place: list[dict]) -> str | None:
    """Where the first method's maps lean, if they do so against the area, against a map that knows nothing, and against another
    image's mask beyond what the map that knows nothing does there.
    """
    first = _first(place)
    return _agreed([_side(first[name]["all"]) for name in ("excess", "excess_over_random", "excess_over_both")])


def _said_of_maps(result: dict, lean: str | None) -> str:
    first = _first(result["place"])
    random = next(row for row in result["place"] if row["excess_over_random"] is None)
    if first["mass"]["all"]["value"] is None:
        return f"{first['title']} gave no map"
    said = f"it leans to the {lean} by all three" if lean else "it does not lean to one side by all three"
    return (
        f"{first['title']} puts {_percent(first['mass']['all'])} of its relevance on the entity, which covers "
        f"{100 * first['area']['all']['value']:.1f} % ({random['title']}: {_percent(random['mass']['all'])}); above the areas, it is "
        f"{_points(first['excess_over_permuted']['all'])} more on the entity than on another image's mask, and "
        f"{_points(first['excess_over_both']['all'])} of that beyond what {random['title']} shows: held against the area, "
        f"{random['title']} and another image's mask, {said}"
    )


# --- swaps --------------------------------------------------------------------------------------------------------------


def swap_sentence(result: dict) -> str:
    """Which half of a picture put together of two the scores follow, free of thresholds; then what the threshold makes of it."""
    swap = result["swap"]
    if swap["auc_of_entity"]["value"] is None or swap["auc_of_background"]["value"] is None:
        return "no image has partners of both labels, so nothing could be swapped"
    return (
        f"swapped, with a seam in every picture and the other half's label held fixed, scores rank by the entity's label with AUC "
        f"{_plain(swap['auc_of_entity'])} and by the background's with {_plain(swap['auc_of_background'])}: {_follows_from_swap(swap)} "
        f"(the entity covers {100 * swap['entity_area']['all']['value']:.1f} %). {_at_threshold(result)}"
    )


def _follows_from_swap(swap: dict) -> str:
    entity, background = (_side(swap[f"auc_of_{half}"], 0.5) == 1 for half in ("entity", "background"))
    if entity and background:
        more = {1: "the entity more", -1: "the background more"}.get(_side(swap["entity_over_background"]))
        return f"both carry the label, {more or 'neither is shown to carry it more'}"
    if entity or background:
        carries, other = ("entity", "background") if entity else ("background", "entity")
        return f"the {carries} carries the label, for the {other} that is not shown"
    return "neither is shown to carry the label"


def _at_threshold(result: dict) -> str:
    swap, seams = result["swap"], []
    kept = " and ".join(f"{_percent(swap['follows_entity'].get(label))} of {label} entities" for label in LABELS)
    for label in LABELS:
        if _side(swap["seam_cost"].get(label), SEAM) == 1:
            seams.append(
                f"of {label}s only {_percent(swap['accuracy_same_label'][label])} stay right, {_percent(result['accuracy'][label])} untouched"
            )
    said = f"At the threshold, the verdict agrees with {kept} before a background of the other label"
    if seams:
        return f"{said}; but before one of the same label {', and '.join(seams)}: the seam alone turns verdicts over, so this agreement says little"
    same = " and ".join(f"{_percent(swap['accuracy_same_label'].get(label))} of {label}s" for label in LABELS)
    return f"{said}; before one of the same label {same} stay right, so the seam explains little of it"


# --- together -----------------------------------------------------------------------------------------------------------


def _focus(leans: dict) -> str | None:
    """What removal says for both labels, unless the maps say the opposite: maps are the weaker witness and cannot decide alone."""
    pieces, maps = leans["equal pieces"], leans["maps"]
    agreed = pieces if pieces == leans["real"] == leans["fake"] else None
    return agreed if maps in (None, agreed) else None


def _conclusion(informs: bool | None, focus: str | None, leans: dict) -> str:
    first = {
        True: "the first half of the paper's claim does not hold, for the entity does hold useful information",
        False: "the first half of the paper's claim is not contradicted, for the entity alone is not shown to tell more than its outline",
        None: "the first half of the paper's claim could not be tested",
    }[informs]
    second = {
        "background": "its second half holds, for the background counts for more than its place explains",
        "entity": "its second half does not hold, for the entity counts for more than its place explains",
        None: f"its second half is not settled{_unsettled(leans)}",
    }[focus]
    return f"{first}, and {second}"


def _unsettled(leans: dict) -> str:
    if leans["real"] != leans["fake"]:
        return ", for reals and fakes differ"
    if leans["equal pieces"] and leans["maps"]:
        return ", for maps and removal disagree"
    return ""


def _masked(result: dict) -> str:
    """Which masks it rests on, and how good such masks are, where they are guesses."""
    given = result["masks"]
    if not given["quality"]:
        source, _, name = given["source"].partition(":")
        said = {"truth": " with true masks", "imported": " with imported masks", "user": " with masks painted by hand"}
        return said.get(source, "") + (f" named {name}" if name else "")
    name = {"grabcut": "GrabCut", "saliency": "saliency", "centre": "the prior of the centre"}[given["source"]]
    return f" with masks by {name} (intersection over union {_plain(given['quality']['iou'])} on rendered pictures)"


def _caution(result: dict) -> str:
    """A guess that often misses the entity calls background entity: what it says is said with less confidence."""
    quality = result["masks"]["quality"]
    return "as far as masks this rough can tell, " if quality and quality["iou"]["value"] < ROUGH else ""


def _plain(estimate: dict) -> str:
    if estimate["value"] is None:
        return "undefined"
    return f"{estimate['value']:.2f} ({estimate['low']:.2f} to {estimate['high']:.2f})"


def _signed(estimate: dict | None) -> str:
    if estimate is None or estimate["value"] is None:
        return "undefined"
    value, low, high = (round(estimate[name], 2) + 0.0 for name in ("value", "low", "high"))  # + 0: no "−0.00"
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")


def _percent(estimate: dict | None) -> str:
    if estimate is None or estimate["value"] is None:
        return "nothing"
    return f"{100 * estimate['value']:.1f} % ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"


def _points(estimate: dict) -> str:
    if estimate["value"] is None:
        return "undefined"
    value, low, high = (round(100 * estimate[name], 1) + 0.0 for name in ("value", "low", "high"))
    return f"{value:+.1f} points ({low:+.1f} to {high:+.1f})".replace("-", "−")
