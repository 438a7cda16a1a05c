"""Tables of docs/results/entity-or-background.md from what `entity-test` and `trust` printed for several seeds.

    python -m cifake_core entity-test --run RUN --place both --json > out/entity-test-RUN.json     # a run a seed
    python -m cifake_core trust --run RUN --place both --json > out/trust-RUN.json
    python benchmarks/entity_tables.py out --measured "2026-11-28, one thread of …" --json docs/results/entity-or-background.json

It prints Markdown: each figure of each seed, then what the seeds agree on, by the same words as the page's.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from cifake_core.explanations import entity_words, trust_words
from cifake_core.explanations.trust import MEASURES

GROUPS = ("all", "real", "fake")
FAITHFUL = [name for name, measure in MEASURES.items() if measure.faithful]
PLACES = {"": "", "relu": "", "raw": ", before ReLU"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--measured", default="", help="when, and on which processor")
    parser.add_argument("--json", type=Path, help="where all figures are written to")
    given = parser.parse_args()
    tests, trusts = (_read(given.folder, kind) for kind in ("entity-test", "trust"))
    for result in tests:
        result |= entity_words.verdict(result)
    print("\n\n".join([*_entity(tests), *(_trust(trusts) if trusts else [])]))
    if given.json:
        kept = {"measured": given.measured, "entity_test": tests, "trust": [{**one, "curves": []} for one in trusts]}
        given.json.write_text(json.dumps(_short(kept), separators=(",", ":")) + "\n", encoding="utf-8")


def _read(folder: Path, kind: str) -> list[dict]:
    """Results in the order of their runs' names, that is of their seeds."""
    found = []
    for path in sorted(folder.glob(f"{kind}-*.json")):
        text = path.read_text(encoding="utf-8")
        if text.strip():
            found.append(json.loads(text[text.index("{") :]))
    return found


def _short(value):
    """Estimates as [value, low, high], numbers to four decimals."""
    if isinstance(value, dict):
        if {"value", "low", "high"} <= set(value) <= {"value", "low", "high", "n"}:
            return [_short(value[name]) for name in ("value", "low", "high")]
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_short(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


# --- the entity test ------------------------------------------------------------------------------------------------------


def _entity(tests: list[dict]) -> list[str]:
    head = [f"seed {number}" for number in range(len(tests))]
    return [
        "### Alone",
        _table(["", *head], [[name, *(_plain(get(test)) for test in tests)] for name, get in _alone_rows()]),
        "### Needed",
        _table(["", *head], _need_rows(tests)),
        "### Pieces",
        _table(["treatment", "label", "figure", *head], _piece_rows(tests)),
        "### Maps",
        _table(["method", "figure", *head], _map_rows(tests)),
        "### Swaps",
        _table(["", *head], [[name, *(get(test) for test in tests)] for name, get in _swap_rows()]),
        "### Sentences",
        *(f"**{test['run']}** (accuracy {_share(test['accuracy']['all'])}). {test['verdict']} {test['sentences']['swap']}" for test in tests),
    ]


def _alone_rows() -> list[tuple[str, Callable]]:
    def region(test: dict, which: str) -> dict:
        return next(row for row in test["alone"] if row["region"] == which)

    rows: list[tuple[str, Callable]] = [("untouched", lambda test: test["auc"])]
    for which in ("entity", "background"):
        rows.append((f"{which} alone", lambda test, w=which: region(test, w)["auc"]))
        rows.append((f"the same with another image's mask ({which})", lambda test, w=which: region(test, w)["controls"]["permuted"]))
    rows += [(f"floor: {name}", lambda test, n=name: region(test, "entity")["controls"][n]) for name in ("flat", "outline")]
    for which in ("entity", "background"):
        for name in ("flat", "outline", "permuted"):
            rows.append((f"{which} alone less {name}", lambda test, w=which, n=name: region(test, w)["above"][n]))
    return rows


def _need_rows(tests: list[dict]) -> list[list[str]]:
    keys = [(row["treatment"], row["region"]) for row in tests[0]["need"] if row["region"] in ("entity", "background", "everywhere")]
    rows = []
    for key in keys:
        found = [next(row for row in test["need"] if (row["treatment"], row["region"]) == key) for test in tests]
        rows.append([f"{key[1]} {found[0]['meaning']}", *(f"{_share(row['accuracy']['all'])}, AUC {_plain(row['auc'])}" for row in found)])
    return rows


def _piece_rows(tests: list[dict]) -> list[list[str]]:
    names = {
        "entity_costs_more_logit": "own mask",
        "permuted_costs_more_logit": "another image's mask",
        "excess_over_permuted": "excess",
        "entity_cost": "a piece of the entity alone",
        "permuted_entity_cost": "the same, another image's mask",
        "entity_cost_over_permuted": "excess of that",
    }
    rows = []
    for place, row in enumerate(tests[0]["equal"]):
        for group in GROUPS:
            rows += [[row["meaning"], group, words, *(_signed(test["equal"][place][name][group]) for test in tests)] for name, words in names.items()]
    return rows


def _map_rows(tests: list[dict]) -> list[list[str]]:
    rows = []
    for place, row in enumerate(tests[0]["place"]):
        name = row["title"] + PLACES[row["feature_map"]]
        for key, words in (("mass", "on the entity"), ("excess", "above its area"), ("permuted_excess", "above its area, another image's mask"), ("excess_over_permuted", "excess"), ("excess_over_random", "above random"), ("excess_over_both", "excess beyond random's")):
            if row[key]:
                show = _share if key == "mass" else _points
                rows.append([name, words, *(show(test["place"][place][key]["all"]) for test in tests)])
    return rows


def _swap_rows() -> list[tuple[str, Callable]]:
    rows: list[tuple[str, Callable]] = [
        ("AUC by the entity's label, background held fixed", lambda test: _plain(test["swap"]["auc_of_entity"])),
        ("AUC by the background's label, entity held fixed", lambda test: _plain(test["swap"]["auc_of_background"])),
        ("difference", lambda test: _signed(test["swap"]["entity_over_background"])),
        ("AUC by the entity's label, backgrounds of the other label", lambda test: _plain(test["swap"]["auc_across_labels"])),
    ]
    for label in ("real", "fake"):
        rows.append((f"{label}s right, untouched", lambda test, w=label: _share(test["accuracy"][w])))
        rows.append((f"{label}s right before a background of the same label", lambda test, w=label: _share(test["swap"]["accuracy_same_label"][w])))
        rows.append((f"verdict is the {label} entity's before a background of the other label", lambda test, w=label: _share(test["swap"]["follows_entity"][w])))
    return rows


# --- trust ----------------------------------------------------------------------------------------------------------------


def _trust(trusts: list[dict]) -> list[str]:
    head = ["map", "n", *(MEASURES[name].title for name in FAITHFUL), "standing, seed by seed"]
    rows, gains = [], []
    for place, row in enumerate(trusts[0]["rows"]):
        found = [trust["rows"][place] for trust in trusts]
        name = f"{row['title']}{PLACES[row['feature_map']]}"
        rows.append([name, f"{row['n']:,}", *(" / ".join(_bare(one["measures"][key]) for one in found) for key in FAITHFUL), " / ".join(one["standing"] for one in found)])
        if row["baseline"]:
            gains.append([name, row["baseline"], *(" / ".join(_gain(one["against_random"][key]) for one in found) for key in FAITHFUL)])
    places = []
    for place, row in enumerate(trusts[0]["places"]):
        found = [trust["places"][place] for trust in trusts]
        places.append([row["title"], *(" / ".join(_gain(one["after_over_before"][key]) for one in found) for key in FAITHFUL)])
    return [
        "### Measures",
        _table(head, rows),
        "### Gains over the baseline (* shown after Holm's correction)",
        _table(["map", "baseline", *(MEASURES[name].title for name in FAITHFUL)], gains),
        "### After the ReLU less before it (* shown)",
        _table(["method", *(MEASURES[name].title for name in FAITHFUL)], places),
        "### Sentences",
        *(f"**{trust['run']}** ({trust['comparisons']} comparisons). {trust_words.overall(trust['rows'], trust['n'])}" for trust in trusts),
        *("\n".join(f"- {row['verdict']}" for row in trust["rows"] if row["baseline"]) for trust in trusts),
    ]


# --- numbers --------------------------------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def _plain(estimate: dict) -> str:
    return _with(estimate, ".3f")


def _signed(estimate: dict) -> str:
    return _with(estimate, "+.2f")


def _share(estimate: dict) -> str:
    return _with(estimate, ".1f", 100, " %")


def _points(estimate: dict) -> str:
    return _with(estimate, "+.1f", 100)


def _with(estimate: dict, form: str, scale: float = 1, unit: str = "") -> str:
    if estimate["value"] is None:
        return "–"
    value, low, high = (_formed(scale * estimate[name], form) for name in ("value", "low", "high"))
    return f"{value}{unit} ({low} – {high})"


def _formed(number: float, form: str) -> str:
    """A number with a true minus, and none before nought."""
    return f"{round(number, int(form[-2])) + 0.0:{form}}".replace("-", "−")


def _bare(estimate: dict) -> str:
    return "–" if estimate["value"] is None else _formed(estimate["value"], ".2f")


def _gain(gain: dict | None) -> str:
    if not gain or gain["value"] is None:
        return "–"
    shown = "*" if gain["p_holm"] < trust_words.LEVEL else ""
    return _formed(gain["value"], "+.3f") + shown


if __name__ == "__main__":
    main()
