"""The command line: the same calls as the pages. Exit code 0 done, 1 error, 2 wrong usage.

Progress goes to stderr; `--json` prints one JSON object last on stdout; an error is one sentence on stderr.
"""

import logging
import sys

import typer

from cifake_core.cli import (
    catalogue,
    detectors,
    evaluation,
    explanations,
    forensics,
    generators,
    images,
    jobs,
    quality,
    server,
    studies,
    trying,
    unseen,
)
from cifake_core.errors import CifakeError

app = typer.Typer(
    name="cifake_core",
    help="CIFAKE Lab: how a computer tells real photographs from AI-generated ones, and why it thinks so.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for commands in (images, generators, detectors, evaluation, explanations, jobs, quality, server, studies, trying, unseen, catalogue, forensics):
    commands.register(app)


def main() -> None:
    """Runs the command of sys.argv and exits."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except CifakeError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("Stopped. What was finished is kept; run the same command again to go on.", err=True)
        sys.exit(1)
