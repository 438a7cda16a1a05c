"""What is said of a tried image, on the page and in its table: verdict, why it is unsure, interval over seeds, warnings."""

from cifake_core.evaluation import calibrating
from pages.look.trial.asking import Question
from pages.shared.pickers import percent


def warnings(result, nearest) -> list[str]:
    """One sentence each: what the core remarked of the file, and whether the image is unlike all the network has learned from."""
    found = list(result.warnings)
    if nearest is not None and nearest.strange.is_far:
        found.append(nearest.strange.sentence())
    return found


def interval(spread) -> str:
    """ "81 % – 97 % over 3 seeds", or why there is none."""
    if spread.low is None:
        return "one seed only"
    return f"{spread.low:.0%} – {spread.high:.0%} over {spread.n} seeds"


def reasons(result, spread) -> list[str]:
    """Why the verdict is unsure; none = it is firm."""
    found = list(result.reasons)
    if spread.disagree:
        fakes = sum(p >= 0.5 for p in spread.probabilities)
        found.append(f"{fakes} of {spread.n} networks that differ only in their seed say fake, the others real")
    return found


def verdict(result, spread) -> str:
    """fake, real or unsure."""
    return "unsure" if reasons(result, spread) else ("real", "fake")[result.label]


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


def in_words(p: float) -> str:
    """The probability as a phrase; the bounds are ours."""
    sides = ((0.02, "Almost certainly real"), (0.2, "Probably real"), (0.4, "Rather real"), (0.6, "Could be either"))
    sides += ((0.8, "Rather fake"), (0.98, "Probably fake"))
    return next((words for bound, words in sides if p < bound), "Almost certainly fake")
