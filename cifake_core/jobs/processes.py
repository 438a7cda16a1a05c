"""The processes of one attempt at a job: found by a mark in their environment, signalled together.

The mark is inherited by every child, also by one that left the process group, and cannot be mistaken for another's as a
reused pid can. It does not know states.
"""

import os
import signal

import psutil

MARK = "CIFAKE_JOB"  # "<job id>.<token>", set by the worker that starts the attempt


def mark(job_id: str, token: int) -> str:
    return f"{job_id}.{token}"


def of_attempt(job_id: str, token: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark(job_id, token) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):  # gone meanwhile, or another user's
            continue
    return found


def signal_attempt(job_id: str, token: int, number: signal.Signals) -> int:
    """Signals all of them, the leader's whole group included; returns how many it found."""
    found = of_attempt(job_id, token)
    for process in found:
        try:
            if os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return len(found)


def described(code: int | None) -> str:
    """How a process ended, for the user; `code` as subprocess gives it, None if nobody saw it."""
    if code is None:
        return "The job's process disappeared"
    if code >= 0:
        return f"The job's process ended unexpectedly (exit code {code})"
    hints = {signal.SIGKILL: ", often for want of memory", signal.SIGSEGV: ", a fault in native code"}
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"The job's process was ended by {name}{hints.get(-code, '')}"
