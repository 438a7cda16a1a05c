"""`serve`: the web app on this machine."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cifake_core.errors import BadInput
from cifake_core.jobs import launching
from cifake_core.store.workspace import Workspace

APP = Path(__file__).parents[2] / "app.py"


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    address: Annotated[
        str, typer.Option(help="Address to listen on; 127.0.0.1 is reached from this machine only.")
    ] = "127.0.0.1",
    headless: Annotated[bool, typer.Option(help="Do not open a browser.")] = False,
) -> None:
    """Start the web app and open it in the browser."""
    if not APP.exists():
        raise BadInput(f"{APP.name} is not beside the package; run this from the project's folder.")
    arguments = ["run", str(APP), "--server.port", str(port), "--server.address", address]
    if headless:
        arguments += ["--server.headless", "true"]
    launching.ensure_workers(Workspace.current())  # what was queued when the machine went down goes on
    os.chdir(APP.parent)  # Streamlit reads .streamlit/config.toml from the current folder
    os.execv(sys.executable, [sys.executable, "-m", "pages.shared.serving", *arguments])
