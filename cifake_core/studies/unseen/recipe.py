"""Which way of training helps on generators never met: candidates ablated, one chosen, and only that one reported.

Three-way by generators. Half of them are held out to report on. On the other half every candidate is judged by
cross-validation over generators (trained on two thirds, judged on a third, in turn); the best macro AUC is chosen, fitted
on all of that half, and judged once on the generators held out. Command: `python -m cifake_core study recipe`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cifake_core.errors import BadInput
from cifake_core.step import Context
from cifake_core.studies.unseen import judging, recipes, splitting
from cifake_core.studies.unseen.fitting import Bench, fit
from cifake_core.studies.unseen.groups import GroupedSource, shared_sources
from cifake_core.studies.unseen.judging import Judged, Scores
from cifake_core.studies.unseen.pools import open_pool
from cifake_core.studies.unseen.shelves import Meter, Shelf, described, scores_table
from cifake_core.studies.unseen.splitting import FOLDS


@dataclass(frozen=True)
class StudyRecipe(GroupedSource):
    """Ablate training recipes on generators to choose on; report the chosen one, beside fixed references, on the others."""

    candidates: tuple[str, ...] = recipes.CANDIDATES
    references: tuple[str, ...] = recipes.REFERENCES  # reported too, whatever they reach: never chosen
    together: str = ""
    seed: int = 0  # of the deal and of fitting

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("candidates", "references"):
            given = getattr(self, name)
            given = (given,) if isinstance(given, str) else tuple(dict.fromkeys(given))
            object.__setattr__(self, name, given)
            for one in given:
                recipes.named(one)
        if not self.candidates:
            raise BadInput(f"No candidate is named; name at least one of {', '.join(recipes.RECIPES)}.")

    def run(self, context: Context) -> dict:
        """{"chosen", "report": summary of it on the held-out generators, "candidates": [{"name", "title", "macro" (choosing)}],
        "references": [{"name", "title", "report"}], "report_generators", "choose_generators", "folds", "sources": generator → source,
        "shared": as `shared_sources`, "ungrouped": {"study", "chosen", "title", "report": macro, "shared"} or None}.
        """
        pool = open_pool(context.workspace, self, context.on_progress)
        sources = self.of(pool)
        shelf = Shelf.of(context.workspace, "recipe", self, pool.digest, repr([recipes.named(n) for n in (*self.candidates, *self.references)]))
        if (there := shelf.found()) is not None:
            return there
        together = splitting.parsed_together(self.together)
        ours, held_out = splitting.deal(pool.families, 2, self.seed, together, sources)
        folds = splitting.deal({name: pool.families[name] for name in ours}, FOLDS, self.seed, together, sources)
        bench = Bench(pool, shelf.measured)
        meter = Meter(len(self.candidates) * FOLDS + 1 + len(self.references), context.on_progress)
        tried = [self._tried(name, bench, shelf, ours, folds, meter) for name in self.candidates]
        best = max(tried, key=lambda one: one["macro"]["auc"]["value"])
        groups = {name: pool.rows([name]) for name in sorted(held_out)}
        reports, tables = {}, []
        for name in dict.fromkeys((best["name"], *self.references)):
            scores = shelf.unit(f"report-{name}", lambda name=name: self._fitted(name, bench, pool.rows(ours), meter))
            reports[name] = judging.summary(scores, groups, sources)
            tables.append(scores_table(pool, name, scores, np.concatenate(list(groups.values()))))
            meter.finished()
        result = {
            **described("recipe", self, pool),
            "chosen": best["name"],
            "title": recipes.named(best["name"]).title,
            "report": reports[best["name"]],
            "candidates": tried,
            "references": [{"name": name, "title": recipes.named(name).title, "report": reports[name]} for name in self.references],
            "report_generators": sorted(held_out),
            "choose_generators": sorted(ours),
            "folds": folds,
            "sources": sources,
            "shared": shared_sources(sources, ours, held_out),
            "ungrouped": self._ungrouped(context, sources),
        }
        return shelf.keep(result, pd.concat(tables, ignore_index=True))

    def _ungrouped(self, context: Context, sources: dict[str, str]) -> dict | None:
        """What the same study reports where sources lie on both sides, and how many generators that concerns."""
        if not sources:
            return None
        found = self.ungrouped(context)
        shared = shared_sources(sources, found["choose_generators"], found["report_generators"])
        return {name: found[name] for name in ("study", "chosen", "title")} | {"report": found["report"]["macro"], "shared": shared}

    def _fitted(self, name: str, bench: Bench, rows: np.ndarray, meter: Meter) -> Scores:
        return fit(bench, rows, recipes.named(name), self.seed, meter.part)

    def _tried(self, name: str, bench: Bench, shelf: Shelf, ours: list[str], folds: list[list[str]], meter: Meter) -> dict:
        """The candidate's macro averages over the generators to choose on, each judged by a detector that never met it.

        Judged on the threshold reals: the test reals are for the report.
        """
        judged: dict[str, Judged] = {}
        for number, fold in enumerate(folds):
            learned = bench.pool.rows([one for one in ours if one not in fold])
            scores = shelf.unit(f"choose-{name}-{number}", lambda learned=learned: self._fitted(name, bench, learned, meter))
            choosing = Scores(scores.fakes, scores.threshold_reals, scores.threshold_reals)
            judged |= {one: judging.judge(choosing, bench.pool.rows([one])) for one in fold}
            meter.finished()
        macro = judging.macro_of(list(judged.values()), [self.groups[one] for one in judged] if self.groups else None)
        return {"name": name, "title": recipes.named(name).title, "macro": macro, "auc": {one: found.numbers["auc"]["value"] for one, found in sorted(judged.items())}}
