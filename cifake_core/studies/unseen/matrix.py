"""Train on A, test on B, for every generator or family; and leave one out. Every cell leads to its images.

A detector that learned from a generator is judged on the half of its images it did not learn from. Commands: `python -m
cifake_core study matrix`, `study leave-one-out`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from cifake_core.errors import BadInput
from cifake_core.step import Context
from cifake_core.studies.unseen import judging, recipes
from cifake_core.studies.unseen.fitting import Bench, fit
from cifake_core.studies.unseen.groups import GroupedSource, shared_sources
from cifake_core.studies.unseen.judging import Scores
from cifake_core.studies.unseen.pools import Pool, Source, open_pool
from cifake_core.studies.unseen.shelves import Meter, Shelf, described, scores_table

BY = ("family", "generator")


@dataclass(frozen=True)
class _Study(Source):
    by: str = "family"
    detector: str = "residual"
    seed: int = 0
    choices: ClassVar[tuple[str, ...]] = BY

    def __post_init__(self) -> None:
        super().__post_init__()
        recipes.named(self.detector)
        if self.by not in self.choices:
            raise BadInput(f"A study goes by {self.by!r}; take {' or '.join(self.choices)}.")

    def _groups(self, pool: Pool) -> dict[str, list[str]]:
        """Family or generator → its generators."""
        if self.by == "generator":
            return {name: [name] for name in pool.names}
        return {family: [n for n in pool.names if pool.families[n] == family] for family in sorted(set(pool.families.values()))}

    def _sources(self) -> dict[str, str]:
        """Generator → source, where they are known."""
        return {}

    def _fit_rows(
        self, kind: str, context: Context, plan: Callable[[Pool], dict[str, list[str]]], judged: Callable[[Pool, str], list[str]],
        more: Callable[[Context, Pool], dict] = lambda _context, _pool: {},
    ) -> dict:
        """One detector a row of `plan` (row → generators to learn from), judged on the generators `judged` names for it.

        `more`: what else the result says.
        """
        pool = open_pool(context.workspace, self, context.on_progress)
        shelf = Shelf.of(context.workspace, kind, self, pool.digest)
        if (there := shelf.found()) is not None:
            return there
        wanted = plan(pool)
        bench, meter, half = Bench(pool, shelf.measured), Meter(len(wanted), context.on_progress), learned_half(pool)
        rows, tables = [], []
        for number, (source, names) in enumerate(wanted.items()):
            learned = np.flatnonzero(np.isin(pool.generators, names) & half)
            scores: Scores = shelf.unit(f"unit-{number}", lambda learned=learned: fit(bench, learned, recipes.named(self.detector), self.seed, meter.part))
            groups = {name: _unlearned(pool, name, names, half) for name in judged(pool, source)}
            families = _by_family(pool, groups)
            summary = judging.summary(scores, groups, self._sources())
            summary["families"] = {family: judging.macro_of([judging.judge(scores, groups[n]) for n in members]) for family, members in families.items()}
            rows.append({"source": source, "n_fakes": len(learned), **summary, "learned_from": names})
            tables.append(scores_table(pool, source, scores, np.concatenate(list(groups.values()))))
            meter.finished()
        return shelf.keep({**described(kind, self, pool), "rows": rows, **more(context, pool)}, pd.concat(tables, ignore_index=True))


def learned_half(pool: Pool) -> np.ndarray:
    """bool (n,): the half of each generator's images that may be learned from, decided by the picture alone."""
    return np.array([int(key[16:24], 16) % 2 == 0 for key in pool.image_ids], dtype=bool)


def _unlearned(pool: Pool, name: str, learned: list[str], half: np.ndarray) -> np.ndarray:
    rows = pool.rows([name])
    return rows[~half[rows]] if name in learned else rows


def _by_family(pool: Pool, groups: dict[str, np.ndarray]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in groups:
        found.setdefault(pool.families[name], []).append(name)
    return found


@dataclass(frozen=True)
class StudyMatrix(_Study):
    """A row for each family or generator to learn from, a column for each generator to be judged on."""

    def run(self, context: Context) -> dict:
        """{"rows": [{"source", "generators": {name: numbers}, "families", "macro", "pooled", …}], …}; numbers as in `judging`."""
        return self._fit_rows("matrix", context, self._groups, lambda pool, _source: pool.names)


@dataclass(frozen=True)
class StudyLeaveOneOut(_Study, GroupedSource):
    """For each family, generator or source: a detector of all others, judged on it.

    Where groups are given, no other generator of the same source is learned from either.
    """

    choices: ClassVar[tuple[str, ...]] = (*BY, "source")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by == "source" and not self.groups:
            raise BadInput("Sources can only be left out where they are known; give groups, a file of generators and their sources.")

    def run(self, context: Context) -> dict:
        """{"rows": [{"source": what was left out, "generators": {name: numbers}, …}], …}: each judged by a detector that never met it.

        And "sources": generator → source, "shared": one of `shared_sources` a row, "ungrouped": {"study", "rows": [{"source", "macro"}],
        "shared"}, or None where there is nothing to compare with.
        """
        return self._fit_rows("leave-one-out", context, self._others, lambda pool, left: self._groups(pool)[left], self._on_sources)

    def _sources(self) -> dict[str, str]:
        return self.groups

    def _groups(self, pool: Pool) -> dict[str, list[str]]:
        if self.by != "source":
            return super()._groups(pool)
        sources = self.of(pool)
        return {source: [n for n in pool.names if sources[n] == source] for source in sorted(set(sources.values()))}

    def _others(self, pool: Pool) -> dict[str, list[str]]:
        """What is left out → the generators to learn from. Raises BadInput where none is left."""
        sources, found = self.of(pool), {}
        for left, members in self._groups(pool).items():
            away = {sources[name] for name in members} if sources else set()
            found[left] = [n for n in pool.names if n not in members and sources.get(n) not in away]
            if not found[left]:
                raise BadInput(f"Without {left!r} and what shares its source no generator is left to learn from; leave out by generator or source.")
        return found

    def _on_sources(self, context: Context, pool: Pool) -> dict:
        sources, members = self.of(pool), self._groups(pool)
        shared = [shared_sources(sources, names, members[left]) for left, names in self._others(pool).items()]
        if not sources or self.by == "source":
            return {"sources": sources, "shared": shared, "ungrouped": None}
        found = self.ungrouped(context)
        mixed = [shared_sources(sources, row["learned_from"], members[row["source"]]) for row in found["rows"]]
        rows = [{name: row[name] for name in ("source", "macro")} for row in found["rows"]]
        return {"sources": sources, "shared": shared, "ungrouped": {"study": found["study"], "rows": rows, "shared": mixed}}
