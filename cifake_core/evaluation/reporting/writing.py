"""Writes a report: one HTML file, and on request the same as JSON and CSV beside it."""

from pathlib import Path

import pandas as pd

from cifake_core.detectors import runs
from cifake_core.errors import BadInput
from cifake_core.evaluation import exporting
from cifake_core.evaluation.reporting.contents import contents
from cifake_core.evaluation.reporting.page import page
from cifake_core.metrics import scores
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace


def write_report(
    workspace: Workspace,
    run_id: str,
    out: Path,
    split: str = "test",
    threshold: float = 0.5,
    *,
    tables: bool = False,
    resamples: int = scores.RESAMPLES,
) -> dict:
    """{"run", "split", "threshold", "headline", "files": names written}. Each file is whole or absent.

    `out` ends in .html; `tables` adds the same name with .json (all contents) and .csv (every number with an interval).
    Raises BadInput for another ending or a threshold outside 0 … 1, NotFound, Damaged.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"The report's file is {out.name!r}; let it end in .html.")
    if not 0 < threshold < 1:
        raise BadInput(f"The threshold is {threshold:g}; it lies between 0 and 1.")
    found, view = contents(workspace, runs.open_run(workspace, run_id), split, threshold, resamples)
    with artifacts.whole_file(out) as temporary:
        temporary.write_text(page(found, view), encoding="utf-8")
    written = [out]
    if tables:
        written += [out.with_suffix(".json"), out.with_suffix(".csv")]
        artifacts.write_json(written[1], found)
        with artifacts.whole_file(written[2]) as temporary:
            temporary.write_bytes(exporting.csv(table(found)))
    shown = {name: found[name] for name in ("run", "split", "threshold", "headline")}
    return {**shown, "files": [str(path) for path in written]}


def table(found: dict) -> pd.DataFrame:
    """Every estimate of a report, one row each: section, group, metric, value, low, high."""
    lines = [("metrics", "", name, e) for name, e in found["metrics"].items()]
    lines += [("class", name, "accuracy", e) for name, e in found["by_class"].items()]
    lines += [("generator", name, "recall", e) for name, e in found["by_generator"].items()]
    lines += [("threshold", f"{c['name']} ({c['value']:g})", "accuracy", c["accuracy"]) for c in found["thresholds"]]
    for way in found["calibration"]["ways"].values() if found["calibration"] else ():
        lines += [("calibration", way["title"], name, way[name]) for name in ("ece", "loss", "brier", "predicted_minus_observed")]
    for which in ("with", "without") if found["without_duplicates"] else ():
        lines += [("duplicates", which, name, e) for name, e in found["without_duplicates"][which].items()]
    for row in found["robustness"]["rows"] if found["robustness"] else ():
        group = f"{row['transform']} {row['strength']:g}"
        lines += [("robustness", group, name, row[name]) for name in ("accuracy", "real", "fake", "auc")]
    return pd.DataFrame(
        [(section, group, metric, e["value"], e["low"], e["high"]) for section, group, metric, e in lines],
        columns=["section", "group", "metric", "value", "low", "high"],
    )
