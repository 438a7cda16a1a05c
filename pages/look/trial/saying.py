"""What is said of a tried image, on the page and in its table: the verdict's word, why it is not firm, interval over seeds."""

from cifake_core.detectors.ood.check import REFUSED
from cifake_core.evaluation import calibrating
from cifake_core.explanations.verdict import OUTSIDE
from pages.look.trial.asking import Question
from pages.shared.guard import literal
from pages.shared.pickers import percent


def interval(spread) -> str:
    """ "81 % – 97 % over 3 seeds", or why there is none."""
    if spread.low is None:
        return "one seed only"
    return f"{spread.low:.0%} – {spread.high:.0%} over {spread.n} seeds"


def badge(verdict) -> str:
    """The word of a verdict in its colour, as Markdown."""
    return {"fake": ":orange[fake]", "real": ":blue[real]"}.get(verdict.word, verdict.word)


def why(verdict) -> str:
    """Why the verdict is not a firm one, and where it leans; "" where it is firm."""
    if verdict.is_firm:
        return ""
    reasons, lean = "; and ".join(verdict.reasons), f"It leans to **{verdict.leaning}**."
    if verdict.word == OUTSIDE:
        return f"The network was {literal(verdict.evidence.domain)}. The picture lies outside, because {literal(reasons)}. {lean} That says little here."
    return f"Unsure, because {literal(reasons)}. {lean}"


def calibration(asked: Question) -> str:
    """Where the probability comes from."""
    found = asked.calibrator
    if found.name == "none":
        return "The probability is the network's own: no calibrator fitted on its validation images improves it."
    own = "" if found.bias == 0 else f"; its 50 % is {percent(found.threshold, 1)} of the network's own"
    return f"The probability is calibrated on validation images ({calibrating.titled(found)}{own})."


def seeds(spread) -> str:
    """What the other seeds of the cell say of the same image."""
    if spread.low is None:
        return "The cell was trained with one seed, so nothing is known of how much of this is luck; train more seeds for an interval."
    each = ", ".join(f"{p:.0%}" for p in spread.probabilities)
    return f"The same cell from {spread.n} seeds says {each}; 95 % interval of the mean: {spread.low:.0%} – {spread.high:.0%} (Student's t on logits)."


def domain(verdict) -> str:
    """What the network was trained on, what was done to the picture, and its out-of-distribution score."""
    found = verdict.evidence
    done = f" The picture was {found.done}." if found.done else ""
    score = "" if found.score is None else f" Out-of-distribution score {found.score.value:.2f}; above 1, which {REFUSED:.0%} of held-out images reach, a picture counts as outside."
    return f"The network was {literal(found.domain)}.{done}{score}"


def in_words(p: float) -> str:
    """The probability as a phrase; the bounds are ours."""
    sides = ((0.02, "Almost certainly real"), (0.2, "Probably real"), (0.4, "Rather real"), (0.6, "Could be either"))
    sides += ((0.8, "Rather fake"), (0.98, "Probably fake"))
    return next((words for bound, words in sides if p < bound), "Almost certainly fake")
