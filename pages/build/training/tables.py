"""The tables below the picture: the leaderboard, a row a run or a row a network, and two runs beside one another."""

from collections.abc import Sequence
from urllib.parse import urlencode

import pandas as pd

from cifake_core.detectors.runs import Run
from cifake_core.evaluation.over_seeds import Repeated, repeated
from pages.build.training.results import interval_text
from pages.shared.pickers import run_label

_ORDERS = {
    "test accuracy": ("test", False),
    "validation accuracy": ("validation", False),
    "newest first": ("created", False),
    "fewest parameters": ("parameters", True),
    "shortest training": ("seconds", True),
}
ORDERS = tuple(_ORDERS)


def leaderboard(runs: Sequence[Run], order: str) -> pd.DataFrame:
    """One row a run, sorted here and not in the browser, so that new rows do not disturb the order."""
    table = pd.DataFrame([_row(run) for run in runs])
    if table.empty:
        return table
    column, ascending = _ORDERS[order]
    return table.sort_values([column, "run"], ascending=[ascending, True], na_position="last", ignore_index=True)


def networks(runs: Sequence[Run], order: str, least: float = 0.0) -> pd.DataFrame:
    """One row a network and its settings: mean and spread over its seeds, sorted as the leaderboard is.

    Only those whose mean accuracy is at least `least`: a seed below it stays in its network's mean.
    """
    rows = [row for row in repeated(runs) if (row.accuracy("test") or row.accuracy("validation")).mean >= least]
    table = pd.DataFrame([_network(row) for row in rows])
    if table.empty:
        return table
    column, ascending = _ORDERS[order]
    return table.sort_values([column, "topology"], ascending=[ascending, True], na_position="last", ignore_index=True)


def _network(row: Repeated) -> dict:
    test, validation = row.accuracy("test"), row.accuracy("validation")
    first = row.runs[0].record
    return {
        "topology": row.runs[0].topology,
        "seeds": _named([run.seed for run in row.runs]),
        "test": _times_100(test and test.mean),
        "sd": f"± {100 * test.sd:.2f}" if test and test.sd is not None else "–",
        "validation": _times_100(validation and validation.mean),
        "parameters": first["parameters"],
        "epochs": row.settings.get("epochs"),
        "rate": row.settings.get("learning_rate"),
        "batch": row.settings.get("batch_size"),
        "seconds": row.seconds().mean if len(row.hardware) == 1 else None,  # a mean over different hardware is nobody's time
        "created": max(run.record["created_at"] for run in row.runs),
    }


def _named(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds)) if len(seeds) <= 5 else f"{len(seeds)}: {min(seeds)} – {max(seeds)}"


def _row(run: Run) -> dict:
    record, label = run.record, run_label(run)
    test, validation = record.get("test", {}), record.get("validation", {})
    return {
        "topology": run.topology,
        "seed": run.seed,
        "test": _times_100(test.get("accuracy")),
        "interval": f"{100 * test['low']:.2f} – {100 * test['high']:.2f}" if test.get("low") is not None else "",
        "validation": _times_100(validation.get("accuracy")),
        "parameters": record["parameters"],
        "epochs": f"{record['best_epoch']} of {record['epochs']}",
        "seconds": record["duration_s"],
        "metrics": "metrics?" + urlencode({"metrics_run": label}),
        "gradcam": "gradcam?" + urlencode({"gradcam_run": label}),
        "created": record["created_at"],
        "run": run.id,
    }


def _times_100(share: float | None) -> float | None:
    return None if share is None else 100 * share


def filtered(runs: Sequence[Run], words: str, least: float = 0.0) -> list[Run]:
    """Runs whose "topology seed N" has every word, and whose test accuracy (validation without one) is at least `least`."""
    wanted = words.lower().replace("seed ", "seed").split()

    def fits(run: Run) -> bool:
        text = f"{run.topology} seed{run.seed}".lower()
        reached = (run.record.get("test") or run.record["validation"])["accuracy"]
        return reached >= least and all(word in text for word in wanted)

    return [run for run in runs if fits(run)]


def compared(first: Run, second: Run) -> pd.DataFrame:
    """Columns what, first, second, differs: settings, data, figures and versions of two runs, a row each."""
    one, other = _facts(first), _facts(second)
    names = list(dict.fromkeys([*one, *other]))
    rows = [(name, one.get(name, "–"), other.get(name, "–")) for name in names]
    return pd.DataFrame([(*row, row[1] != row[2]) for row in rows], columns=["what", "first", "second", "differs"])


def _facts(run: Run) -> dict[str, str]:
    record = run.record
    facts = {name.replace("_", " "): str(value) for name, value in (record["settings"] | run.recipe).items()}
    facts |= {"image set": run.dataset, "its images (digest)": record["dataset_digest"][:12]}
    facts |= {f"{split} accuracy": interval_text(record[split]) for split in ("validation", "test") if split in record}
    facts |= {"parameters": f"{record['parameters']:,}", "best epoch": f"{record['best_epoch']} of {record['epochs']}"}
    facts |= {"time": f"{record['duration_s']:.1f} s", "hardware": record.get("hardware", ""), "numbers": record.get("precision", "")}
    return facts | {f"version of {name}": text for name, text in record.get("versions", {}).items()}
