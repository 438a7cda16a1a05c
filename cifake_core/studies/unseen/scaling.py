"""Performance on held-out generators against the number of generators (or of images) in training.

Source: Park and Owens 2025, figure 4: 100,000 images fixed, ten random subsets a point. We differ where the data end:
the number of images is what the generators at hand can give. Command: `python -m cifake_core study scaling`.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from cifake_core.errors import BadInput
from cifake_core.step import Context
from cifake_core.studies.unseen import judging, recipes, splitting
from cifake_core.studies.unseen.fitting import Bench, fit
from cifake_core.studies.unseen.groups import GroupedSource, shared_sources
from cifake_core.studies.unseen.pools import Pool, open_pool
from cifake_core.studies.unseen.shelves import Meter, Shelf, described, scores_table

ARMS = ("random", "diverse", "family")
ALL = "all they have"
_GIVES_ALONE = 0.9  # of the training generators must hold the fixed number of images alone


@dataclass(frozen=True)
class Unit:
    """One detector to fit: which generators, and how many images of them together."""

    arm: str
    k: int
    images: int  # 0: all they have
    repeat: int

    @property
    def name(self) -> str:
        return f"{self.arm}-k{self.k}-n{self.images}-r{self.repeat}"


@dataclass(frozen=True)
class StudyScaling(GroupedSource):
    """For each k, detectors trained on `repeats` random subsets of k generators, judged on generators held out from all."""

    detector: str = "residual"
    k: tuple[int, ...] = (1, 2, 4, 8, 16)
    repeats: int = 5
    images: int = 0  # fakes in training at every k; 0: as many as nearly every single generator can give
    more_images: tuple[int, ...] = (120, 240, 480, 960)  # numbers of fakes at the largest k
    together: str = ""  # "a+b,c+d": generators that must be on one side
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        recipes.named(self.detector)
        for name in ("k", "more_images"):
            given = getattr(self, name)
            object.__setattr__(self, name, tuple(sorted({int(value) for value in ([given] if isinstance(given, int) else given)})))
        if not self.k or self.k[0] < 1 or self.repeats < 1 or self.images < 0:
            raise BadInput(f"k is {self.k} with {self.repeats} repeats and {self.images} images; take k from 1 and at least one repeat.")

    def run(self, context: Context) -> dict:
        """{"points": [{"arm", "k", "images", "repeats": [{"learned_from", "n_fakes", "macro", "pooled"}], "mean": mean and spread over repeats}],
        "held_out", "trained_from", "images", "sources", "shared", "ungrouped": {"study", "points", "shared"} or None, …}. Kept; a study
        that was stopped goes on.
        """
        pool = open_pool(context.workspace, self, context.on_progress)
        sources = self.of(pool)
        shelf = Shelf.of(context.workspace, "scaling", self, pool.digest)
        if (there := shelf.found()) is not None:
            return there
        ours, held_out = splitting.deal(pool.families, 2, self.seed, splitting.parsed_together(self.together), sources)
        plan = self.plan(pool, ours)
        bench, meter = Bench(pool, shelf.measured), Meter(len(plan), context.on_progress)
        groups = {name: pool.rows([name]) for name in sorted(held_out)}
        done, tables = [], []
        for unit, names in plan:
            scores, n_fakes = self._fitted(bench, shelf, unit, names, meter)
            done.append({**asdict(unit), "learned_from": names, "n_fakes": n_fakes, **judging.summary(scores, groups, sources)})
            tables.append(scores_table(pool, unit.name, scores, np.concatenate(list(groups.values()))))
            meter.finished()
        result = {
            **described("scaling", self, pool),
            "held_out": sorted(held_out),
            "trained_from": sorted(ours),
            "images": self.fixed_images(pool, ours),
            "points": points(done),
            "sources": sources,
            "shared": shared_sources(sources, ours, held_out),
            "ungrouped": self._ungrouped(context, sources),
        }
        return shelf.keep(result, pd.concat(tables, ignore_index=True))

    def _ungrouped(self, context: Context, sources: dict[str, str]) -> dict | None:
        if not sources:
            return None
        found = self.ungrouped(context)
        means = [{name: point[name] for name in ("arm", "k", "images", "n_repeats", "mean")} for point in found["points"]]
        return {"study": found["study"], "points": means, "shared": shared_sources(sources, found["trained_from"], found["held_out"])}

    def fixed_images(self, pool: Pool, ours: list[str]) -> int:
        """The number of fakes at every k."""
        sizes = sorted(pool.counts()[name] for name in ours)
        return self.images or sizes[int((1 - _GIVES_ALONE) * len(sizes))]

    def plan(self, pool: Pool, ours: list[str]) -> list[tuple[Unit, list[str]]]:
        """Every unit with its generators: the curve at a fixed number, with all images, by arm, and by number of images."""
        images, counts = self.fixed_images(pool, ours), pool.counts()
        found, subsets = [], {}
        for k in self.k:
            for arm in ARMS if k > 1 else ARMS[:1]:
                for repeat in range(self.repeats):
                    random = np.random.default_rng([self.seed, k, repeat, ARMS.index(arm)])
                    candidates = [name for name in sorted(ours) if k > 1 or counts[name] >= images]
                    names = splitting.subset(candidates, pool.families, k, arm, random)
                    if names is None:
                        continue
                    subsets[k, repeat, arm] = names
                    found.append((Unit(arm, k, images, repeat), names))
                    if arm == "random":
                        found.append((Unit(arm, k, 0, repeat), names))
        if not found:
            raise BadInput(f"Only {len(ours)} generators are left to train on, fewer than the smallest k, {self.k[0]}; take a smaller k.")
        largest = max(k for k, _, _ in subsets)
        for number in self.more_images:
            for repeat in range(self.repeats):
                names = subsets[largest, repeat, "random"]
                if number != images and number <= sum(counts[name] for name in names):
                    found.append((Unit("random", largest, number, repeat), names))
        return found

    def _fitted(self, bench: Bench, shelf: Shelf, unit: Unit, names: list[str], meter: Meter):
        random = np.random.default_rng([self.seed, unit.k, unit.repeat, unit.images, 7])
        rows = splitting.spread({name: bench.pool.rows([name]) for name in names}, unit.images, random)
        recipe = recipes.named(self.detector)
        return shelf.unit(unit.name, lambda: fit(bench, rows, recipe, self.seed + unit.repeat, meter.part)), len(rows)


def points(done: list[dict]) -> list[dict]:
    """Units grouped by (arm, k, images): each measure's mean, sample standard deviation and number of repeats."""
    grouped: dict[tuple, list[dict]] = {}
    for unit in done:
        grouped.setdefault((unit["arm"], unit["k"], unit["images"]), []).append(unit)
    return [
        {
            "arm": arm, "k": k, "images": images, "n_repeats": len(units),
            "mean": {name: _spread([unit["macro"][name]["value"] for unit in units]) for name in judging.MEASURES},
            "pooled": {name: _spread([unit["pooled"][name]["value"] for unit in units]) for name in judging.MEASURES},
            "repeats": [{key: unit[key] for key in ("repeat", "learned_from", "n_fakes", "macro", "pooled")} | {"unit": Unit(arm, k, images, unit["repeat"]).name} for unit in units],
        }
        for (arm, k, images), units in grouped.items()
    ]  # fmt: skip


def _spread(values: list[float]) -> dict:
    known = [value for value in values if value is not None]
    if not known:
        return {"value": None, "sd": None, "low": None, "high": None}
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"value": float(np.mean(known)), "sd": sd, "low": float(min(known)), "high": float(max(known))}
