"""What a launch of the Generate page will make: the request as a job, as a command line, how balanced it is, what it
will cost. It draws nothing.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from cifake_core import CLASS_NAMES
from cifake_core.errors import BadInput
from cifake_core.generators.recipe import Recipe, image_seed, load_recipe
from cifake_core.jobs.states import Job, State

SCHEDULERS = ("default", "DDIM", "PNDM", "EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep", "UniPCMultistep", "LMSDiscrete")
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PACE = ("generator", "steps", "guidance", "size")  # what the seconds an image takes depend on


@dataclass(frozen=True)
class Plan:
    """One launch. `numbers` says how many images of each class; steps None and guidance None are the generator's own."""

    name: str
    generator: str
    numbers: dict[str, int]  # every class, 0 = none of it
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    template: str = ""  # "" = the recipe's
    modifiers: dict[str, list[str]] = field(default_factory=dict)  # only the classes whose words were changed
    negative_prompt: str = ""
    scheduler: str = "default"
    size: int = 0
    batch: int = 0
    split: str = "train"
    keep_originals: bool = False

    @property
    def chosen(self) -> dict[str, int]:
        """The classes that get images, in their usual order."""
        return {name: self.numbers[name] for name in CLASS_NAMES if self.numbers.get(name)}

    @property
    def total(self) -> int:
        return sum(self.chosen.values())

    @property
    def balance(self) -> float:
        """The smallest of the chosen classes as a share of the largest: 1 = balanced."""
        return min(self.chosen.values()) / max(self.chosen.values()) if self.chosen else 0.0

    def arguments(self) -> dict:
        """What the job is given; equal plans are equal jobs."""
        if not self.chosen:
            raise BadInput("The plan has no image; choose at least one class and one image of it.")
        equal = len(set(self.chosen.values())) == 1
        given = {
            "name": self.name,
            "generator": self.generator,
            "per_class": max(self.chosen.values()),
            "classes": list(self.chosen),
            "counts": {} if equal else self.chosen,
            "seed": self.seed,
            "steps": self.steps or 0,
            "guidance": -1.0 if self.guidance is None else self.guidance,
        }
        extra = ("template", "modifiers", "negative_prompt", "scheduler", "size", "batch", "split", "keep_originals")
        return given | {key: getattr(self, key) for key in extra if getattr(self, key) != getattr(Plan, key, {})}

    def title(self) -> str:
        return f"Make {self.total:,} images as {self.name}"

    def command(self) -> str:
        """The command line that makes the same set."""
        given = self.arguments()
        words = ["python -m cifake_core generate", f"--generator {shlex.quote(self.generator)}", f"--per-class {given['per_class']}"]
        if len(given["classes"]) < len(CLASS_NAMES):
            words.append(f"--classes {','.join(given['classes'])}")
        if given["counts"]:
            words.append("--counts " + ",".join(f"{name}={number}" for name, number in given["counts"].items()))
        words.append(f"--seed {self.seed} --name {shlex.quote(self.name)}")
        words += [f"--{key} {given[key]:g}" for key, own in (("steps", 0), ("guidance", -1.0)) if given[key] != own]
        for key in ("template", "negative_prompt", "scheduler", "size", "batch", "split"):
            if key in given:
                words.append(f"--{key.replace('_', '-')} {shlex.quote(str(given[key]))}")
        words += ["--modifiers modifiers.json"] * ("modifiers" in given) + ["--keep-originals"] * ("keep_originals" in given)
        return " ".join(words)

    def words(self) -> Recipe:
        """The recipe with this plan's own words. Raises BadInput for a template that cannot be filled."""
        return load_recipe().changed(self.template, self.modifiers)

    def prompts(self, most: int = 3) -> list[str]:
        """The first prompt of a few classes, as they will be sent."""
        words = self.words()
        return [words.prompt(name, image_seed(self.seed, name, 0)) for name in list(self.chosen)[:most]]


def balance_text(plan: Plan) -> str:
    """One line for the meter."""
    if not plan.chosen:
        return "No class is chosen."
    counts = plan.chosen
    least, most = min(counts, key=counts.get), max(counts, key=counts.get)
    if counts[least] == counts[most]:
        classes = "all ten classes" if len(counts) == len(CLASS_NAMES) else f"{len(counts)} of the ten classes"
        return f"Balanced: {counts[most]:,} of each, {classes}"
    return f"Fewest {least} ({counts[least]:,}), most {most} ({counts[most]:,}): {100 * plan.balance:.0f} % balanced"


def hub_id(model: str, commit: str) -> str:
    """ "owner/model@<40 digits>"; raises BadInput, saying which of the two is wrong."""
    model, commit = model.strip(), commit.strip().lower()
    if not _HUB.fullmatch(model):
        raise BadInput(f"The model {model[:60]!r} is not of the form owner/model; copy its name from its page on the Hub.")
    if not _COMMIT.fullmatch(commit):
        raise BadInput("The commit needs all 40 digits, so that the model cannot change; copy it from the model's list of commits.")
    return f"{model}@{commit}"


def seconds_for(plan: Plan, jobs: Sequence[Job]) -> tuple[float, str] | None:
    """Seconds the plan will take and how that is known, from a measured estimate or the last time; None if neither is there."""
    asked = plan.arguments()
    alike = [job for job in jobs if job.state == State.DONE and job.result and _same_pace(asked, job)]
    measured = next((job.result for job in alike if job.kind == "estimate"), None)
    if measured:
        each = (measured["seconds"] - measured["loading_s"]) / max(1, measured["images"])
        return measured["loading_s"] + each * plan.total, "measured on this machine"
    # the slowest: a launch that found its set finished took no time at all
    paces = [job.elapsed_s / max(1, job.result["images"]) for job in alike if job.kind == "generate"]
    return (max(paces) * plan.total, "judged by the last time on this machine") if paces else None


def estimate_arguments(plan: Plan) -> dict:
    """What the measuring job is given: the plan under a name that does not matter."""
    return {"step": plan.arguments() | {"name": "estimate"}}


def _same_pace(asked: dict, job: Job) -> bool:
    done = job.arguments.get("step", {}) if job.kind == "estimate" else job.arguments
    return all(done.get(key) == asked.get(key) for key in _PACE)
