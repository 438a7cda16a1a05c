"""Generators grouped by the source they came from, so that no source (a repository) lies on both sides of a split.

A file of groups is either CSV with the header `generator,source` or a JSON object {"generator": "source"}. Every
generator of a study must be in it; nothing is guessed from names.
"""

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from cifake_core.errors import BadInput, Refused
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE
from cifake_core.step import Context
from cifake_core.studies.unseen.pools import Pool, Source

HEADER = ("generator", "source")
_NAMED = 4  # generators that a sentence names before it counts


@dataclass(frozen=True)
class GroupedSource(Source):
    """A study that keeps generators apart; `groups` keeps their sources apart as well."""

    groups: dict[str, str] = field(default_factory=dict, kw_only=True)  # generator → source; {} = not known

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "groups", dict(sorted(_texts(dict(self.groups), "The groups").items())))


    def of(self, pool: Pool) -> dict[str, str]:
        """Generator → source of the pool's generators; {} where groups are not known. Raises BadInput as `check_groups`."""
        check_groups(self.groups, pool.names, list(pool.all_generators), self.generators)
        return {name: self.groups[name] for name in pool.names} if self.groups else {}

    def ungrouped(self, context: Context) -> dict:
        """The result of the same study with sources on both sides, made or found."""
        said = replace(context, on_progress=lambda done, total, message: context.on_progress(done, total, f"Ungrouped, for comparison: {message}"))
        return replace(self, groups={}).run(said)


def read_groups(data: bytes, name: str) -> dict[str, str]:
    """Generator → source, from a CSV or JSON file's bytes. Raises BadInput."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{name[:60]!r} is no UTF-8 text; give a CSV with the header {','.join(HEADER)}, or a JSON object.") from None
    return _from_json(text, name) if text.lstrip().startswith(("{", "[")) else _from_csv(text, name)


def _from_json(text: str, name: str) -> dict[str, str]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _check_twice([key for key, _ in pairs], name)
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=once)
    except ValueError as error:
        raise BadInput(f"{name[:60]!r} is no valid JSON ({error}); give an object {{generator: source}}.") from None
    if not isinstance(found, dict):
        raise BadInput(f"{name[:60]!r} holds a JSON {type(found).__name__}; give an object {{generator: source}}.")
    return _texts(found, repr(name[:60]))


def _from_csv(text: str, name: str) -> dict[str, str]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    if not rows or tuple(rows[0]) != HEADER:
        raise BadInput(f"{name[:60]!r} begins with {','.join(rows[0])[:60] if rows else 'nothing'!r}; its first line must be {','.join(HEADER)}.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != 2:
            raise BadInput(f"Row {number} of {name[:60]!r} has {len(row)} cells; give two, a generator and its source.")
    _check_twice([row[0] for row in rows[1:]], name)
    return _texts(dict(rows[1:]), repr(name[:60]))


def _check_twice(names: list[str], file: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadInput(f"{file[:60]!r} names {_listed(twice)} more than once; give each generator one source.")


def _texts(found: dict, whose: str) -> dict[str, str]:
    wrong = [str(name) for name, source in found.items() if not (isinstance(name, str) and isinstance(source, str) and name.strip() and source.strip())]
    if wrong:
        raise BadInput(f"{whose} give no source for {_listed(wrong)}; give each generator the name of its source.")
    return {name.strip(): source.strip() for name, source in found.items()}


def check_groups(groups: dict[str, str], used: list[str], every: list[str], dataset: str) -> None:
    """Raises BadInput where a generator in use has no source, or a source is of no generator of the dataset; {} is fine.

    `every`: all generators of the dataset, those left out as well.
    """
    if not groups:
        return
    unknown, missing = sorted(set(groups) - set(every)), sorted(set(used) - set(groups))
    said = [f"name {_listed(unknown)}, which {dataset!r} does not have"] if unknown else []
    said += [f"lack {_listed(missing)}, which it has"] if missing else []
    if said:
        raise BadInput(f"The groups {' and '.join(said)}; correct the groups, or leave generators out with exclude.")
    if len({groups[name] for name in used}) < 2:
        raise BadInput(f"All generators of {dataset!r} come from one source, {next(iter(groups.values()))!r}; sources can only be kept apart where there are two.")


def groups_of(images: ImageSet) -> dict[str, str]:
    """Generator → source as the dataset itself records it (a column `source` at import); {} where it does not.

    Raises Refused where it records several sources for one generator.
    """
    found: dict[str, set[str]] = {}
    for part in ("train+validation", "test"):
        if not images.has(part.split("+")[0]):
            continue
        manifest = images.manifest(part)
        fakes = manifest[(manifest["label"] == FAKE) & (manifest["generator"] != "")]
        for generator, provenance in fakes[["generator", "provenance"]].drop_duplicates().itertuples(index=False):
            found.setdefault(generator, set()).add(str(json.loads(provenance or "{}").get("source") or ""))
    several = sorted(name for name, sources in found.items() if len(sources) > 1)
    if several:
        raise Refused(f"{images.name!r} records several sources for {_listed(several)}; give a file with one source for each generator.")
    return {name: next(iter(sources)) for name, sources in sorted(found.items()) if sources != {""}}


def shared_sources(groups: dict[str, str], learned: list[str], held_out: list[str]) -> dict | None:
    """How many of the held-out generators come from a source that also supplies a generator learned from; None: not known.

    {"sharing": n, "of": held out, "names": [held-out generators that share]}.
    """
    if not groups:
        return None
    sources = {groups[name] for name in learned}
    names = sorted(name for name in held_out if groups[name] in sources)
    return {"sharing": len(names), "of": len(held_out), "names": names}


def said_of_sharing(shared: dict | None, splits: int = 1) -> str:
    """One sentence on `shared_sources`, summed over several splits where there are."""
    over = "" if splits == 1 else f" (over {splits} splits)"
    if shared is None:
        return "Whether held-out generators share a source (a repository) with generators learned from is not known: give groups to know it."
    if not shared["sharing"]:
        return f"None of the {shared['of']} held-out generators{over} shares a source (a repository) with a generator learned from."
    return f"{shared['sharing']} of the {shared['of']} held-out generators{over} come from a source (a repository) that also supplies generators learned from."


def _listed(names: list[str]) -> str:
    """ "a, b and 3 more"."""
    shown = ", ".join(name[:60] for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
