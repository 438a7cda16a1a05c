"""From the numbers of the entity test to one sentence about the paper's claim. It computes nothing but which side an interval is on.

Bird and Lotfi 2024 drew the claim from Grad-CAM pictures by eye. It has two halves, which are judged apart: the entity
holds no useful information; the network focuses on the background.
"""

CLAIM = (
    "The actual entity itself does not hold useful information for classification; instead, the model focuses on small "
    "visual imperfections in the background."
)


ROUGH = 0.6  # intersection over union on rendered pictures below which masks are called rough


def verdict(result: dict) -> dict:
    """{"entity_informs": True, False or None, "leans": {"maps", "equal pieces"}, "focus": "entity", "background" or None,
    "verdict": one sentence} from the result of the entity test. None: the intervals do not say.
    """
    alone = _need(result, "mean", "background")["auc"]
    rest = _need(result, "mean", "entity")["auc"]
    informs = _side(alone, 0.5)
    leans = {"maps": _maps(result["place"]), "equal pieces": _pieces(result["equal"])}
    focus = _focus(leans)
    entity_informs = {1: True, -1: False, 0: False}.get(informs)
    sentence = (
        f"With the background flattened, the entity alone still separates fakes from reals with AUC {_plain(alone)} and the "
        f"background alone with {_plain(rest)}; {_said_of_pieces(result, leans['equal pieces'])}; {_said_of_maps(result)}; "
        f"so {_caution(result)}on this run and {result['n']:,} images{_masked(result)} {_conclusion(entity_informs, focus)}."
    )
    return {"entity_informs": entity_informs, "leans": leans, "focus": focus, "verdict": sentence}


def _need(result: dict, treatment: str, region: str) -> dict:
    return next(row for row in result["need"] if (row["treatment"], row["region"]) == (treatment, region))


def _side(estimate: dict | None, middle: float = 0.0) -> int | None:
    """1 or −1: the whole interval lies above or below the middle; 0: it holds the middle; None: nothing was counted."""
    if estimate is None or estimate["low"] is None:
        return None
    return 1 if estimate["low"] > middle else -1 if estimate["high"] < middle else 0


def _maps(place: list[dict]) -> str | None:
    """Where the first method's maps lean, if they do so against the areas and against RandomCAM as well."""
    first = next(row for row in place if row["excess_over_random"] is not None)
    return _agreed([_side(first["excess"]["all"]), _side(first["excess_over_random"]["all"])])


def _pieces(equal: list[dict]) -> str | None:
    """Whose loss costs more, if flattening and blurring agree."""
    asked = [row for row in equal if row["treatment"] in ("mean", "blur")]
    return _agreed([_side(row["entity_costs_more_logit"]["all"]) for row in asked])


def _agreed(sides: list[int | None]) -> str | None:
    return {(1,): "entity", (-1,): "background"}.get(tuple(set(sides)))


def _focus(leans: dict) -> str | None:
    """What removal says, unless the maps say the opposite: maps are the weaker witness and cannot decide alone."""
    pieces, maps = leans["equal pieces"], leans["maps"]
    return pieces if maps in (None, pieces) else None


def _said_of_pieces(result: dict, lean: str | None) -> str:
    row = next(row for row in result["equal"] if row["treatment"] == "mean")
    gap = row["entity_costs_more_logit"]["all"]
    figure = f"{_plain(gap)} logits more for the entity"
    if lean is None:
        return f"of equally large pieces neither clearly costs more ({figure})"
    return f"of equally large pieces, losing one of the {lean} costs more ({figure})"


def _said_of_maps(result: dict) -> str:
    first = next(row for row in result["place"] if row["excess_over_random"] is not None)
    random = next(row for row in result["place"] if row["excess_over_random"] is None)
    if first["mass"]["all"]["value"] is None:
        return f"{first['title']} gave no map"
    return (
        f"{first['title']} puts {_percent(first['mass']['all'])} of its relevance on the entity, which covers "
        f"{100 * first['area']['all']['value']:.1f} % ({random['title']}: {_percent(random['mass']['all'])})"
    )


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


def _conclusion(informs: bool | None, focus: str | None) -> str:
    first = {
        True: "the first half of the paper's claim does not hold, for the entity does hold useful information",
        False: "the first half of the paper's claim is not contradicted, for the entity alone tells nothing",
        None: "the first half of the paper's claim could not be tested",
    }[informs]
    second = {
        "background": "its second half holds, for the background counts for more",
        "entity": "its second half does not hold, for the entity counts for more",
        None: "its second half is not settled",
    }[focus]
    return f"{first}, and {second}"


def _plain(estimate: dict) -> str:
    if estimate["value"] is None:
        return "undefined"
    return f"{estimate['value']:.2f} ({estimate['low']:.2f} to {estimate['high']:.2f})"


def _percent(estimate: dict) -> str:
    if estimate["value"] is None:
        return "nothing"
    return f"{100 * estimate['value']:.1f} % ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"
