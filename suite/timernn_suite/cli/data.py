"""``timernn data``: which corpora are here, whether they are the pinned ones, and fetching what isn't."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from timernn_suite.cli.console import errors, output, print_json
from timernn_suite.cli.options import Data, Json
from timernn_suite.corpus.cache import cache_folder
from timernn_suite.corpus.ptb import LICENCE, FileStatus, fetch_ptb, ptb_status

NAME = "data"


def command(
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the Penn Treebank files that are missing.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Exit with 1 unless every file is here with the pinned hash.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show where the Penn Treebank text was found and whether its bytes are the pinned ones.

    The corpus 'markov' needs no file: it is made on the spot from a seed.
    """
    if fetch:
        errors.print(LICENCE, highlight=False)
        fetch_ptb(progress=True)
    statuses = ptb_status(data)
    if as_json:
        print_json({"cache": str(cache_folder()), "ptb": [record(status) for status in statuses]})
    else:
        table = Table("file", "state", "bytes", "where")
        for status in statuses:
            table.add_row(status.expected.name, describe(status), *_found(status))
        output.print(table)
        output.print(f"cache: {escape(str(cache_folder()))}", highlight=False, soft_wrap=True)
        if not all(status.ok for status in statuses):
            output.print(
                "looked for in --data or TIMERNN_DATA, then in the cache; 'timernn data --fetch' downloads it",
                highlight=False,
                soft_wrap=True,
            )
    if verify and not all(status.ok for status in statuses):
        raise typer.Exit(1)


def describe(status: FileStatus) -> str:
    """Say in a word or two what state a file is in."""
    if status.path is None:
        return "[yellow]not here"
    return "[green]right" if status.ok else "[red]other bytes"


def _found(status: FileStatus) -> tuple[str, str]:
    return (
        "" if status.bytes is None else f"{status.bytes:,}",
        "" if status.path is None else escape(str(status.path)),
    )


def record(status: FileStatus) -> dict[str, Any]:
    """Return a JSON-ready record of one file."""
    return {
        "file": status.expected.name,
        "path": None if status.path is None else str(status.path),
        "bytes": status.bytes,
        "sha256": status.sha256,
        "ok": status.ok,
    }
