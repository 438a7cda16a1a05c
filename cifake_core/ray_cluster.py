"""A Ray cluster, connected to safely: token authentication on, this project's code sent along, a private folder on each node.

What is run there is the caller's. Ray is optional, and loaded only here and by what runs on it.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import cifake_core
from cifake_core.errors import BadInput, Refused

EXECUTORS = ("local", "ray")


def checked(executor: str, address: str) -> None:
    """Raises BadInput for an unknown executor, and for an address without Ray."""
    if executor not in EXECUTORS:
        raise BadInput(f"There is no executor {executor[:40]!r}; take {' or '.join(EXECUTORS)}.")
    if address and executor != "ray":
        raise BadInput(f"The address {address[:80]!r} is of no use without Ray; add --executor ray.")


def connected(address: str) -> Any:
    """Ray, connected to the cluster at `address`, "" = this machine alone. Token authentication is on before it starts.

    Raises BadInput where Ray is not installed or the cluster does not answer, Refused without authentication.
    """
    if os.environ.get("RAY_AUTH_MODE", "token") != "token":
        raise Refused("RAY_AUTH_MODE turns Ray's authentication off, and anybody could run code here; set it to token.")
    os.environ.update(RAY_AUTH_MODE="token", RAY_USAGE_STATS_ENABLED="0")
    try:
        import ray
    except ImportError as error:
        raise BadInput("Ray is not installed; install it with: pip install -r requirements-ray.txt") from error
    code = {"py_modules": [str(Path(cifake_core.__file__).parent)]}
    try:
        ray.init(
            address=address or "local",
            runtime_env=code,
            include_dashboard=None if address else False,
            log_to_driver=False,
        )
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        where = address or "this machine"
        raise BadInput(
            f"Ray on {where} does not answer ({str(error)[:120]}); check the address and the token."
        ) from error
    return ray


def private_folder() -> Path:
    """On a node: a folder of this user alone; others must not put images or checkpoints there. Raises Refused."""
    folder = Path(tempfile.gettempdir()) / f"cifake-lab-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise Refused(f"{folder} on {os.uname().nodename} is not private to this user; remove it and start again.")
    return folder
