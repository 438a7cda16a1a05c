"""Where a job's files lie under `CIFAKE_HOME/jobs`. Nothing is created here."""

from pathlib import Path

from cifake_core.store.workspace import Workspace


def folder(workspace: Workspace, job_id: str) -> Path:
    return workspace.jobs / job_id


def log(workspace: Workspace, job_id: str) -> Path:
    return folder(workspace, job_id) / "log.txt"


def scratch(workspace: Workspace, job_id: str) -> Path:
    """Previews the step leaves for whoever watches; kept until the job is deleted."""
    return folder(workspace, job_id) / "scratch"


def job_lock(workspace: Workspace, job_id: str) -> Path:
    """Held by the process that runs the job."""
    return folder(workspace, job_id) / "lock"


def slot_lock(workspace: Workspace, slot: int) -> Path:
    """Held by the worker of that slot."""
    return workspace.jobs / f"worker-{slot}.lock"


def worker_log(workspace: Workspace) -> Path:
    return workspace.jobs / "workers.log"
