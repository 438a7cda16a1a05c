"""What a report says of explanations: the paper's claim put to the test, and how far maps can be trusted, where that was measured."""

from cifake_core.detectors import runs
from cifake_core.detectors.feature_maps import BEFORE_RELU, recorded_place
from cifake_core.store import studies
from cifake_core.store.workspace import Workspace

_NEED = ("mean", "blur", "low", "high")


def of_run(workspace: Workspace, run_id: str, split: str) -> dict:
    """{"entity_test", "trust"}: the newest result of each kind over the most images, or None; each with its "feature_map".

    One whose feature maps were taken before the ReLU, as earlier versions did, only where there is no other.
    """
    return {"entity_test": _best(workspace, "entity-test", run_id, split), "trust": _best(workspace, "trust", run_id, split)}


def _best(workspace: Workspace, kind: str, run_id: str, split: str) -> dict | None:
    topology = runs.open_run(workspace, run_id).topology
    found = [
        {**study, "feature_map": recorded_place(study, topology)}
        for study in studies.studies(workspace, kind, run_id)
        if study["split"] == split
    ]
    return max(found, key=lambda study: (study["feature_map"] != BEFORE_RELU, study["n"]), default=None)


def taken(result: dict) -> str:
    """One sentence on where the feature maps behind a result were taken."""
    if result["feature_map"] == BEFORE_RELU:
        return "Feature maps were taken before the ReLU, not after it as the papers do; measure again for maps after the ReLU."
    return "Feature maps were taken after the ReLU." if result["feature_map"] else ""


def entity_lines(result: dict) -> list[tuple[str, ...]]:
    """Rows (what, value, 95 % interval, n) of the entity test."""
    lines = []
    for row in result["place"]:
        lines.append((f"{row['title']}: relevance on the entity", *_share(row["mass"]["all"])))
    first = next(row for row in result["place"] if row["excess_over_random"])
    lines.append(("the entity's share of the picture", *_share(first["area"]["all"])))
    lines.append(("right verdicts, images untouched", *_share(result["accuracy"]["all"])))
    for row in result["need"]:
        if row["region"] in ("entity", "background") and row["treatment"] in _NEED:
            lines.append((f"right verdicts, {row['region']} {row['meaning']}", *_share(row["accuracy"]["all"])))
            lines.append((f"AUC, {row['region']} {row['meaning']}", *_plain(row["auc"])))
    for row in result["equal"]:
        lines.append((f"logits lost more with a piece of the entity {row['meaning']}", *_plain(row["entity_costs_more_logit"]["all"])))
    lines.append(("verdict follows the entity before a background of the other label", *_share(result["swap"]["follows_entity"]["all"])))
    return lines


def trust_lines(result: dict) -> list[tuple[str, ...]]:
    """Rows (map, layer, standing, deletion, insertion) of the test of maps."""
    return [
        (row["title"], row["layer"], row["standing"], *(_short(row["measures"].get(name)) for name in ("deletion", "insertion")))
        for row in result["rows"]
    ]


def _share(estimate: dict) -> tuple[str, str, str]:
    if estimate["value"] is None:
        return "–", "–", f"{estimate['n']:,}"
    return f"{estimate['value']:.2%}", f"{estimate['low']:.2%} – {estimate['high']:.2%}", f"{estimate['n']:,}"


def _plain(estimate: dict) -> tuple[str, str, str]:
    if estimate["value"] is None:
        return "–", "–", f"{estimate['n']:,}"
    return f"{estimate['value']:.3f}", f"{estimate['low']:.3f} – {estimate['high']:.3f}", f"{estimate['n']:,}"


def _short(estimate: dict | None) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} – {estimate['high']:.3f})" if estimate and estimate["value"] is not None else "–"
