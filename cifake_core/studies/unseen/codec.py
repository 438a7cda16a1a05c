"""What compression does to a study of unseen generators: the same detectors on the same generators under each codec.

Besides the two honest paths (one codec for both labels) it shows the trap (fakes lossless, reals JPEG), and asks whether
two sources of reals can be told apart by their encoder alone. Command: `python -m cifake_core study codec`.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cifake_core.errors import BadInput
from cifake_core.step import Context
from cifake_core.studies.unseen import judging, recipes, splitting
from cifake_core.studies.unseen.fitting import Bench, fit
from cifake_core.studies.unseen.groups import GroupedSource, shared_sources
from cifake_core.studies.unseen.pools import Pool, Source, open_pool
from cifake_core.studies.unseen.shelves import Meter, Shelf, described, scores_table

PATHS = {
    "lossless": "nothing compressed: fakes as made, lossless photographs",
    "jpeg": "JPEG 75 for both: the dataset's own files as reals",
    "jpeg, one encoder": "JPEG 75 for both, all encoded here: the lossless photographs as reals",
    "trap": "the mistake: fakes lossless, reals JPEG",
    "encoder": "no fakes at all: the lossless photographs encoded here, against the dataset's own files",
}


@dataclass(frozen=True)
class StudyCodec(GroupedSource):
    """Half of the generators to learn from, the other half to be judged on, under every codec, over several deals."""

    detector: str = "residual"
    repeats: int = 3  # deals of the generators into two halves
    together: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        recipes.named(self.detector)
        if not self.reals:
            raise BadInput("A study of the codec needs lossless photographs; name an image set of them as reals.")
        if self.repeats < 1:
            raise BadInput(f"The number of repeats is {self.repeats}; take at least 1.")

    def run(self, context: Context) -> dict:
        """{"paths": [{"path", "title", "repeats": [macro …], "mean", "sd", "low", "high"}], …} of macro AUC, and "sources",
        "shared": one of `shared_sources` a deal, "ungrouped": {"study", "paths", "shared"} or None.
        """
        pools = self._pools(context)
        sources = self.of(pools["jpeg"])
        shelf = Shelf.of(context.workspace, "codec", self, "".join(pool.digest for pool in pools.values()))
        if (there := shelf.found()) is not None:
            return there
        meter, tables = Meter(len(pools) * self.repeats, context.on_progress), []
        paths = [self._path(path, pool, shelf, meter, tables) for path, pool in pools.items()]
        result = {
            **described("codec", self, pools["jpeg"]),
            "paths": paths,
            "sources": sources,
            "shared": self._shared(pools["jpeg"], sources, apart=True),
            "ungrouped": self._ungrouped(context, pools["jpeg"], sources),
        }
        return shelf.keep(result, pd.concat(tables, ignore_index=True))

    def _ungrouped(self, context: Context, pool: Pool, sources: dict[str, str]) -> dict | None:
        if not sources:
            return None
        found = self.ungrouped(context)
        paths = [{name: path[name] for name in ("path", "title", "mean", "sd", "low", "high")} for path in found["paths"]]
        return {"study": found["study"], "paths": paths, "shared": self._shared(pool, sources, apart=False)}

    def _shared(self, pool: Pool, sources: dict[str, str], *, apart: bool) -> list[dict | None]:
        deals = [self._deal(pool, repeat, sources if apart else {}) for repeat in range(self.repeats)]
        return [shared_sources(sources, ours, held_out) for ours, held_out in deals]

    def _deal(self, pool: Pool, repeat: int, sources: dict[str, str]) -> list[list[str]]:
        return splitting.deal(pool.families, 2, self.seed + repeat, splitting.parsed_together(self.together), sources)

    def _path(self, path: str, pool: Pool, shelf: Shelf, meter: Meter, tables: list[pd.DataFrame]) -> dict:
        bench, found = Bench(pool, shelf.measured), []
        for repeat in range(self.repeats):
            learned, groups = self._dealt(pool, path, repeat)
            unit = f"{path.replace(', ', '-').replace(' ', '-')}-{repeat}"
            scores = shelf.unit(unit, lambda learned=learned: fit(bench, learned, recipes.named(self.detector), self.seed, meter.part))
            found.append(judging.summary(scores, groups, self.groups if path != "encoder" else None))
            tables.append(scores_table(pool, unit, scores, np.concatenate(list(groups.values()))))
            meter.finished()
        values = [one["macro"]["auc"]["value"] for one in found]
        return {
            "path": path,
            "title": PATHS[path],
            "repeats": [{"macro": one["macro"], "pooled": one["pooled"]} for one in found],
            "mean": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "low": min(values),
            "high": max(values),
        }

    def _pools(self, context: Context) -> dict[str, Pool]:
        plain = Source(self.dataset, self.generators, "jpeg", "", self.exclude)
        opened = {
            "lossless": open_pool(context.workspace, replace(plain, codec="lossless", reals=self.reals), context.on_progress),
            "jpeg": open_pool(context.workspace, plain, context.on_progress),
            "jpeg, one encoder": open_pool(context.workspace, replace(plain, reals=self.reals), context.on_progress),
        }
        jpeg, lossless, ours = opened["jpeg"], opened["lossless"], opened["jpeg, one encoder"]
        opened["trap"] = replace(jpeg, fakes=lossless.fakes, digest=_digest(jpeg.digest, "trap"))
        return opened | {"encoder": _two_encoders(ours, jpeg)}

    def _dealt(self, pool: Pool, path: str, repeat: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        if path == "encoder":
            return pool.rows(["learned"]), {"judged": pool.rows(["judged"])}
        ours, held_out = self._deal(pool, repeat, self.groups)
        return pool.rows(ours), {name: pool.rows([name]) for name in sorted(held_out)}


def _two_encoders(ours: Pool, theirs: Pool) -> Pool:
    """A pool whose "fakes" are photographs encoded here, and whose reals are the dataset's files."""
    fakes = np.concatenate([ours.train_reals, ours.test_reals])
    names = np.repeat(["learned", "judged"], [len(ours.train_reals), len(ours.test_reals)])
    nowhere = np.zeros((len(fakes), 2), np.int64)
    ids = np.array([""] * len(fakes), dtype=object)
    families = {"learned": "photographs", "judged": "photographs"}
    return replace(theirs, fakes=fakes, generators=names, image_ids=ids, places=nowhere, families=families, digest=_digest(ours.digest, theirs.digest))


def _digest(*parts: str) -> str:
    """Another pool's features must not be taken for this one's: they are kept under the first digits."""
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
