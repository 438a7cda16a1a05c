"""Which generators are learned from, chosen on and reported on: dealt by family, those that belong together together.

Generators are the unit: images of one never lie on two sides. It does not know images.
"""

import numpy as np

from cifake_core.errors import BadInput

FOLDS = 3  # over the generators a recipe is chosen on


def deal(
    families: dict[str, str], ways: int, seed: int, together: tuple[tuple[str, ...], ...] = (), sources: dict[str, str] | None = None
) -> list[list[str]]:
    """The generators in `ways` hands of about equal size, each with its share of every family.

    `together`: generators that must share a hand, such as two samplers that started from the same noise. `sources`: where
    each generator comes from; those of one source share a hand.
    """
    if sources:
        return _deal_whole(_units(families, together, sources), families, ways, seed)
    if len(families) < ways:
        raise BadInput(f"{len(families)} generators cannot be dealt in {ways} parts; take an image set with more generators.")
    random = np.random.default_rng(seed)
    leader = {name: group[0] for group in together for name in group if group[0] in families}
    hands: list[list[str]] = [[] for _ in range(ways)]
    turn = 0
    for family in sorted(set(families.values())):
        members = sorted(name for name in families if families[name] == family)
        for unit in random.permutation(sorted({leader.get(name, name) for name in members})):
            hands[turn % ways] += [name for name in families if leader.get(name, name) == unit]
            turn += 1
    return hands


def _units(families: dict[str, str], together: tuple[tuple[str, ...], ...], sources: dict[str, str]) -> list[list[str]]:
    """The generators in lists that must not be parted: those of one source, joined where `together` links two sources."""
    unit = {name: sources[name] for name in sorted(families)}
    for group in together:
        joined = {unit[name] for name in group if name in unit}
        unit = {name: min(joined) if of in joined else of for name, of in unit.items()}
    return [[name for name in unit if unit[name] == one] for one in sorted(set(unit.values()))]


def _deal_whole(units: list[list[str]], families: dict[str, str], ways: int, seed: int) -> list[list[str]]:
    """Whole units, the largest first, each to the hand that has the fewest generators of its families, then the fewest."""
    if len(units) < ways:
        raise BadInput(f"Generators of {len(units)} sources cannot be dealt in {ways} parts that share no source; take generators of more sources.")
    random = np.random.default_rng(seed)
    hands: list[list[str]] = [[] for _ in range(ways)]
    for unit in sorted((units[i] for i in random.permutation(len(units))), key=len, reverse=True):
        of = {families[name] for name in unit}
        order = random.permutation(ways)
        best = min(order, key=lambda hand: (sum(families[name] in of for name in hands[hand]), len(hands[hand])))
        hands[best] += unit
    return hands


def parsed_together(text: str) -> tuple[tuple[str, ...], ...]:
    """ "a+b,c+d" → (("a", "b"), ("c", "d"))."""
    return tuple(tuple(name.strip() for name in group.split("+")) for group in text.split(",") if group.strip())


def subset(names: list[str], families: dict[str, str], k: int, kind: str, random: np.random.Generator) -> list[str] | None:
    """k of the names: "random", all of one "family" (drawn among those large enough; None if none is), or "diverse".

    Diverse takes from each family in turn, in a random order, so that as many families as possible are there.
    """
    if k > len(names):
        return None
    if kind == "random":
        return sorted(random.permutation(names)[:k].tolist())
    groups = {family: [n for n in names if families[n] == family] for family in sorted({families[n] for n in names})}
    if kind == "family":
        large = [group for group in groups.values() if len(group) >= k]
        return sorted(random.permutation(large[random.integers(len(large))])[:k].tolist()) if large else None
    shuffled = [random.permutation(group).tolist() for group in groups.values()]
    shuffled = [shuffled[i] for i in random.permutation(len(shuffled))]
    chosen: list[str] = []
    while len(chosen) < k:
        chosen += [group.pop() for group in shuffled if group][: k - len(chosen)]
    return sorted(chosen)


def spread(rows: dict[str, np.ndarray], images: int, random: np.random.Generator) -> np.ndarray:
    """About `images` rows (0: all), as evenly over the generators as their sizes allow; sorted."""
    if not images:
        return np.sort(np.concatenate(list(rows.values())))
    left, chosen = images, []
    for waiting, name in zip(range(len(rows), 0, -1), sorted(rows, key=lambda name: len(rows[name])), strict=True):
        take = min(len(rows[name]), round(left / waiting))
        chosen.append(random.permutation(rows[name])[:take])
        left -= take
    return np.sort(np.concatenate(chosen))
