"""The command's entry point: what all commands share, and how an error becomes a message and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markup import escape

from timernn import BackendUnavailable, ShapeError, UnknownBackend, __version__
from timernn_suite.check import CheckError, DocumentError
from timernn_suite.cli import (
    backends,
    baselines,
    bench,
    check,
    data,
    evaluate,
    new_backend,
    run,
    score,
    study,
    sweep,
    train,
)
from timernn_suite.cli.console import errors
from timernn_suite.corpus import CorpusError
from timernn_suite.lm.checkpoint import CheckpointError
from timernn_suite.lm.recipes import RecipeError
from timernn_suite.lm.scoring import ScoringError
from timernn_suite.lm.trainer import TrainingError
from timernn_suite.new_backend import SkeletonError
from timernn_suite.provenance import IncomparableError
from timernn_suite.speed.against import BenchError
from timernn_suite.sweep.errors import SweepError

FINE, CHECK_FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

#: Mistakes of the user's or states of the machine, each with a message that says what to do: no traceback.
EXPECTED_ERRORS = (
    BackendUnavailable,
    UnknownBackend,
    CheckError,
    DocumentError,
    CorpusError,
    RecipeError,
    CheckpointError,
    ScoringError,
    TrainingError,
    SkeletonError,
    BenchError,
    SweepError,
    IncomparableError,
    ShapeError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    PermissionError,
)

app = typer.Typer(
    name="timernn",
    help="Judge, train and time recurrent layers on interchangeable backends.\n\n"
    "Exit codes: 0 fine, 1 a check failed, 2 wrong use, 130 stopped early with its work kept.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (run, check, bench, new_backend, backends, train, sweep, evaluate, score, baselines):
    app.command(name=module.NAME)(module.command)
app.add_typer(data.app, name=data.NAME)
app.add_typer(study.app, name=study.NAME)


def _version(asked: bool) -> None:
    if asked:
        print(f"timernn {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except EXPECTED_ERRORS as error:
        errors.print(f"[bold red]timernn:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(WRONG_USE)
    except KeyboardInterrupt:
        errors.print("[bold red]timernn:[/] interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away, as `timernn … | head` does
        sys.exit(FINE)
