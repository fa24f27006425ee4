"""Where output goes: results to standard output, messages and progress to standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

# No emoji codes: ":X:" in a backend's name or a path is meant as it stands.
#: Tables and text that a person asked for.
output = Console(emoji=False)
#: Messages and progress, so that ``timernn … --json`` can be piped.
errors = Console(stderr=True, emoji=False)


def print_json(record: Any) -> None:
    """Print a record as JSON and nothing else."""
    json.dump(record, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def progress_bar() -> Progress:
    """Return a progress display on standard error that leaves nothing behind."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
        console=errors,
        transient=True,
    )
