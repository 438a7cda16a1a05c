"""What a report says of explanations: the paper's claim put to the test, and how far maps can be trusted, where that was measured."""

from cifake_core.detectors import runs
from cifake_core.detectors.places import BEFORE_RELU, recorded_place
from cifake_core.store import studies
from cifake_core.store.workspace import Workspace

_NEED = ("mean", "blur", "low", "high")


def of_run(workspace: Workspace, run_id: str, split: str) -> dict:
    """{"entity_test", "trust"}: the newest result of each kind over the most images, or None; each with its "feature_map".
    "left_out": how many results of earlier versions there are, whose conclusions do not stand any more.

    One whose feature maps were taken before the ReLU only where there is no other.
    """
    every = [(kind, study) for kind in ("entity-test", "trust") for study in studies.studies(workspace, kind, run_id) if study["split"] == split]
    left_out = sum(not studies.is_current(kind, study) for kind, study in every)
    return {
        "entity_test": _best(workspace, "entity-test", run_id, split),
        "trust": _best(workspace, "trust", run_id, split),
        "left_out": left_out,
    }


def _best(workspace: Workspace, kind: str, run_id: str, split: str) -> dict | None:
    topology = runs.open_run(workspace, run_id).topology
    found = [
        {**study, "feature_map": recorded_place(study, topology)}
        for study in studies.studies(workspace, kind, run_id)
        if study["split"] == split and studies.is_current(kind, study)
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
        name = row["title"] + (" before ReLU" if row["feature_map"] == BEFORE_RELU else "")
        lines.append((f"{name}: relevance on the entity", *_share(row["mass"]["all"])))
        lines.append((f"{name}: more on the entity than on another image's mask, each less its area", *_share(row["excess_over_permuted"]["all"])))
    first = next(row for row in result["place"] if row["excess_over_random"])
    lines.append(("the entity's share of the picture", *_share(first["area"]["all"])))
    lines.append(("right verdicts, images untouched", *_share(result["accuracy"]["all"])))
    for row in result["need"]:
        if row["region"] in ("entity", "background") and row["treatment"] in _NEED:
            lines.append((f"right verdicts, {row['region']} {row['meaning']}", *_share(row["accuracy"]["all"])))
            lines.append((f"AUC, {row['region']} {row['meaning']}", *_plain(row["auc"])))
    lines += [(f"AUC, {row['meaning']}", *_plain(row["auc"])) for row in result["floor"]]
    for row in result["equal"]:
        for group, words in (("all", ""), ("real", ", reals"), ("fake", ", fakes")):
            piece = f"a piece of the entity {row['meaning']}{words}"
            lines.append((f"logits lost more with {piece}", *_plain(row["entity_costs_more_logit"][group])))
            lines.append((f"the same beyond what another image's mask explains, {piece}", *_plain(row["excess_over_permuted"][group])))
    swap = result["swap"]
    lines += [(f"AUC of swapped pictures by the {half}'s label", *_plain(swap[f"auc_of_{half}"])) for half in ("entity", "background")]
    for label in ("real", "fake"):
        lines.append((f"verdict agrees with {label} entities before a background of the other label", *_share(swap["follows_entity"][label])))
        lines.append((f"the same before one of the same label, {label} entities", *_share(swap["accuracy_same_label"][label])))
    return lines


def trust_lines(result: dict) -> list[tuple[str, ...]]:
    """Rows (map, layer, images, standing, deletion, insertion) of the test of maps."""
    return [
        (row["title"] + (" before ReLU" if row["feature_map"] == BEFORE_RELU else ""), row["layer"], f"{row['n']:,}", row["standing"], *(_short(row["measures"].get(name)) for name in ("deletion", "insertion")))
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
