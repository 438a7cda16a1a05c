"""Results of studies as they lie in the workspace: `studies/<kind>/<folder>` with result.json and a record last. Reading only.

Explanations write them (explanations/studies.py); a report, which knows no explanations, reads them too.
"""

from pathlib import Path

from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

RESULT = "result.json"

# The version of a kind's results; raise it whenever a result or its sentences come out differently.
# trust: 2 feature maps after the ReLU; 3 Holm's correction, baselines of the input, more images.
# entity-test: 3 feature maps after the ReLU; 5 controls for place, outline and seam, reals and fakes apart.
CURRENT = {"trust": 3, "entity-test": 5}


def found(folder: Path) -> dict | None:
    """The result kept there, or None. Raises Damaged."""
    if not (folder / artifacts.RECORD).exists():
        return None
    return artifacts.read_json(artifacts.verify(folder, RESULT))


def studies(workspace: Workspace, kind: str, run_id: str | None = None) -> list[dict]:
    """Results of all studies of a kind ("trust", "entity-test"), newest first; of one run if it is named."""
    folders = [record.parent for record in (workspace.home / "studies" / kind).glob(f"[!.]*/{artifacts.RECORD}")]
    results = [result for result in map(found, folders) if result and run_id in (None, result["run"])]
    return sorted(results, key=lambda result: result["created_at"], reverse=True)


def is_current(kind: str, result: dict) -> bool:
    """Whether a result was measured as it is today; what earlier versions concluded is not shown beside it."""
    return result.get("version", 0) == CURRENT.get(kind, 0)
