"""What the web page may import: paths inside allow-listed folders, and uploaded files kept under their digest.

The command line has no such limits: who can run it can read the files anyway. It does not read what it allows.
"""

import hashlib
import os
import re
import shutil
import time
from pathlib import Path
from typing import BinaryIO

import streamlit as st

from cifake_core.errors import BadInput
from cifake_core.jobs import queue
from cifake_core.jobs.states import State
from cifake_core.settings import Settings
from cifake_core.store.artifacts import whole_file
from cifake_core.store.workspace import Workspace
from pages.shared.guard import literal

CIFAKE_FACTS = (
    "120,000 images from the authors' repository (about 105 MB, MIT licence): 60,000 photographs of CIFAR-10, "
    "60,000 images made by Stable Diffusion 1.4."
)
DOWNLOAD = "cifake"  # the source that stands for "fetch the official copy"
_LONGEST = 1000  # characters of a path
_PIECE = 2**20  # bytes of an upload copied at a time
_READ_S, _UNUSED_S = 600, 24 * 3600  # how long an upload stays that an import has read, and one that none has asked for


def start_download() -> None:
    """Fetches the real CIFAKE, as the form would; for buttons elsewhere."""
    submit_import({"sources": [DOWNLOAD], "name": "cifake", "resize": False, "jpeg": False})


def submit_import(arguments: dict) -> str:
    """Starts the import as a job and says so; the job's id."""
    name = arguments["name"]
    job = queue.submit(Workspace.current(), "import", arguments, title=f"Import {name}")
    st.toast(f"Importing {literal(name)}.", icon=":material/download:")
    return job.id


def import_roots() -> list[Path]:
    """The folders of CIFAKE_IMPORT_ROOTS, separated by ":"; without it only CIFAKE_HOME/import."""
    settings = Settings.from_environment()
    given = [Path(root).expanduser() for root in settings.import_roots.split(":") if root.strip()]
    return [root.absolute() for root in given] or [settings.home / "import"]


def allowed_path(text: str) -> Path:
    """The path, resolved, if it is there and lies inside an import root once all links are followed; else BadInput.

    Outside the roots the answer is the same whether or not something is there, so that nothing can be found out.
    """
    typed = text.strip()
    if not typed:
        raise BadInput("No path is given; type the path of a Parquet file, zip archive or folder on this server.")
    if len(typed) > _LONGEST or "\0" in typed:
        raise BadInput(f"The path has {len(typed)} characters or a NUL in it; take one of up to {_LONGEST} plain characters.")
    roots = import_roots()
    try:
        found = _inside(Path(typed), roots)
    except (OSError, RuntimeError) as error:  # a loop of links, no permission
        raise _refused(roots) from error
    if found is None:
        raise _refused(roots)
    return found


def _inside(path: Path, roots: list[Path]) -> Path | None:
    candidates = [path] if path.is_absolute() else [root / path for root in roots]
    for candidate in candidates:
        resolved = candidate.resolve()
        if any(resolved.is_relative_to(root.resolve()) for root in roots) and resolved.exists():
            return resolved
    return None


def _refused(roots: list[Path]) -> BadInput:
    where = " or ".join(str(root) for root in roots)
    return BadInput(
        f"Nothing that may be imported lies there; put it into {where}, or name its folder in CIFAKE_IMPORT_ROOTS, "
        "or use the command line, which has no such limit."
    )


def keep_upload(name: str, content: BinaryIO) -> Path:
    """Where an uploaded file now lies: its own name, made safe, in a folder named by its digest. What nobody needs any more is swept.

    It is copied in pieces, so that a gigabyte is never held twice.
    """
    workspace = Workspace.current()
    _sweep(workspace)
    digest = _digest(content)
    path = _folder(workspace) / digest / _safe(name)
    if path.exists():
        os.utime(path.parent)
    else:
        content.seek(0)
        with whole_file(path) as temporary, temporary.open("wb") as out:
            shutil.copyfileobj(content, out, _PIECE)
    return path


def _digest(content: BinaryIO) -> str:
    content.seek(0)
    digest = hashlib.sha256()
    while piece := content.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()[:24]


def _safe(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    clean = re.sub(r"[^A-Za-z0-9_-]+", "-", stem)[:60].strip("-") or "upload"
    return clean + dot + re.sub(r"[^A-Za-z0-9]", "", suffix)[:10].lower()


def _folder(workspace: Workspace) -> Path:
    return workspace.home / "uploads"


def _sweep(workspace: Workspace) -> None:
    """Removes uploads that no job will read again. A form that is being filled in keeps its own: what was kept a moment ago stays."""
    imports = [job for job in queue.jobs(workspace, 1000) if job.kind == "import"]
    wanted = "\n".join(str(job.arguments) for job in imports if job.state != State.DONE)
    read = "\n".join(str(job.arguments) for job in imports if job.state == State.DONE)
    for old in _folder(workspace).glob("*"):
        if old.name not in wanted and _age_s(old) > (_READ_S if old.name in read else _UNUSED_S):
            shutil.rmtree(old, ignore_errors=True)


def _age_s(folder: Path) -> float:
    """Seconds since it was kept, or kept again."""
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:  # swept by somebody else this moment
        return 0.0
