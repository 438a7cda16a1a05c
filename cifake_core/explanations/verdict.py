"""The verdict on one picture: fake, real, unsure or outside the training domain. Every page, command and table asks `decide`."""

from dataclasses import dataclass

from cifake_core.detectors.ood.check import Score
from cifake_core.explanations.seeds import Spread

OUTSIDE, UNSURE = "outside the training domain", "unsure"
WORDS = ("fake", "real", UNSURE, OUTSIDE)
MARGIN = 0.15  # a probability closer than this to one half is no verdict


@dataclass(frozen=True)
class StabilityCheck:
    """The same picture treated once more, and what the network says then."""

    name: str
    fake_probability: float


@dataclass(frozen=True)
class Evidence:
    """All a verdict rests on. Probabilities are calibrated."""

    logit: float  # the network's own
    fake_probability: float
    checks: tuple[StabilityCheck, ...]
    spread: Spread  # over seeds of the same topology and data
    domain: str  # "trained on CIFAKE: …", or where it was trained if not here
    score: Score | None = None  # None: there is no out-of-distribution check of this run
    unchecked: str | None = None  # why it cannot be told whether the picture lies outside, where that makes a verdict unsure
    unlike: tuple[str, ...] = ()  # why the picture lies outside for its size or for want of content
    done: str = ""  # what was done to the picture first: "shrunk from 3024 × 4032"
    before: float | None = None  # of an altered picture: the probability before the alteration


@dataclass(frozen=True)
class Verdict:
    """A word, why it is not a firm one, and what it rests on."""

    word: str  # of WORDS
    reasons: tuple[str, ...]  # none where it is firm
    evidence: Evidence

    @property
    def fake_probability(self) -> float:
        return self.evidence.fake_probability

    @property
    def label(self) -> int:
        """The likelier label, 1 = fake, however firm."""
        return int(self.fake_probability >= 0.5)

    @property
    def is_firm(self) -> bool:
        return not self.reasons

    @property
    def leaning(self) -> str:
        return ("real", "fake")[self.label]

    def as_dict(self) -> dict:
        """JSON-able: the verdict, its figures, its reasons and what it rests on."""
        found = self.evidence
        return {
            "verdict": self.word,
            "leaning": self.leaning,
            "fake_probability": found.fake_probability,
            "logit": found.logit,
            "low": found.spread.low,
            "high": found.spread.high,
            "seeds": found.spread.n,
            "ood_score": None if found.score is None else found.score.value,
            "ood_percentile": None if found.score is None else found.score.percentile,
            "domain": found.domain,
            "done": found.done,
            "reasons": list(self.reasons),
        }


def decide(evidence: Evidence) -> Verdict:
    """Outside the training domain before all else; unsure where it hangs on little; else the likelier label."""
    outside = _why_outside(evidence)
    if outside:
        return Verdict(OUTSIDE, tuple(outside), evidence)
    unsure = _why_unsure(evidence)
    if unsure:
        return Verdict(UNSURE, tuple(unsure), evidence)
    return Verdict(("real", "fake")[int(evidence.fake_probability >= 0.5)], (), evidence)


def _why_outside(evidence: Evidence) -> list[str]:
    found = list(evidence.unlike)
    if evidence.score is not None and evidence.score.is_outside:
        found.append(evidence.score.sentence)
    return found


def _why_unsure(evidence: Evidence) -> list[str]:
    found, probability = [], evidence.fake_probability
    if evidence.unchecked:
        found.append(evidence.unchecked)
    if abs(probability - 0.5) < MARGIN:
        found.append(f"the probability of fake, {probability:.0%}, is close to one half")
    if evidence.before is not None and (evidence.before >= 0.5) != (probability >= 0.5):
        found.append(f"the edit flips it from {evidence.before:.0%} to {probability:.0%} fake")
    for check in evidence.checks:
        if (check.fake_probability >= 0.5) != (probability >= 0.5):
            found.append(f"the verdict flips to {check.fake_probability:.0%} fake when the image is {_as_participle(check.name)}")
    if evidence.spread.disagree:
        fakes = sum(p >= 0.5 for p in evidence.spread.probabilities)
        found.append(f"{fakes} of {evidence.spread.n} networks that differ only in their seed say fake, the others real")
    return found


def _as_participle(name: str) -> str:
    return {"JPEG once more": "saved as a JPEG once more"}.get(name, name[0].lower() + name[1:])
