"""``timernn data``: which corpora are here, fetching the Penn Treebank, and adding text of any size by ``data add``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from timernn_suite.cli.console import errors, output, print_json
from timernn_suite.cli.options import Data, Json
from timernn_suite.corpus.added import added_corpora, corpus_of, place_of
from timernn_suite.corpus.cache import cache_folder
from timernn_suite.corpus.ptb import LICENCE, FileStatus, fetch_ptb, ptb_status
from timernn_suite.corpus.stream.compressed import Reading, suffixless
from timernn_suite.corpus.stream.encode import Options, Steps, add_text

NAME = "data"
DEFAULTS = Options()

app = typer.Typer(invoke_without_command=True)


@app.callback()
def command(
    context: typer.Context,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the Penn Treebank files that are missing.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Exit with 1 unless every file is here with the pinned hash.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show where the Penn Treebank text was found and whether its bytes are the pinned ones, and what was added.

    The corpus 'markov' needs no file: it is made on the spot from a seed.
    """
    if context.invoked_subcommand is not None:
        return
    if fetch:
        errors.print(LICENCE, highlight=False)
        fetch_ptb(progress=True)
    statuses = ptb_status(data)
    added = [folder.name for folder in added_corpora()]
    if as_json:
        print_json({"cache": str(cache_folder()), "ptb": [record(status) for status in statuses], "added": added})
    else:
        table = Table("file", "state", "bytes", "where")
        for status in statuses:
            table.add_row(status.expected.name, describe(status), *_found(status))
        output.print(table)
        output.print(f"cache: {escape(str(cache_folder()))}", highlight=False, soft_wrap=True)
        if added:
            output.print(f"added, for --corpus: {', '.join(added)}", highlight=False, soft_wrap=True)
        if not all(status.ok for status in statuses):
            output.print(
                "looked for in --data or TIMERNN_DATA, then in the cache; 'timernn data --fetch' downloads it",
                highlight=False,
                soft_wrap=True,
            )
    if verify and not all(status.ok for status in statuses):
        raise typer.Exit(1)


@app.command()
def add(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="UTF-8 text; .gz, .xz and .zst are decompressed.")
    ],
    valid: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="The validation text; then FILE is the training text. Repeatable."),
    ] = None,
    test: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="The test text, with --valid.")] = None,
    name: Annotated[
        str | None, typer.Option(help="For --corpus NAME.", show_default="the first file's, without suffix")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write there, for --corpus FOLDER.", show_default="the cache"),
    ] = None,
    vocabulary_size: Annotated[
        int, typer.Option(min=3, help="Types at most, <unk> and <eos> among them; the most frequent are kept.")
    ] = DEFAULTS.vocabulary_size,
    min_count: Annotated[
        int, typer.Option(min=1, help="Words that the training text has less often become <unk>.")
    ] = DEFAULTS.min_count,
    valid_share: Annotated[float, typer.Option(help="Of the text's bytes, near its end.")] = DEFAULTS.valid_share,
    test_share: Annotated[float, typer.Option(help="Of the text's bytes, at its end.")] = DEFAULTS.test_share,
    on_error: Annotated[
        str, typer.Option("--errors", help="Bytes that aren't UTF-8, and NUL: 'strict' refuses, 'replace' puts U+FFFD.")
    ] = DEFAULTS.errors,
    as_json: Json = False,
) -> None:
    """Make a corpus of any text, however large: two passes, memory that doesn't grow with it.

    White space separates words; each line end is one <eos>. Train, valid and test follow each other in the text.
    The same text with the same options is found and not encoded again.
    """
    if bool(valid) != bool(test):
        raise typer.BadParameter("name the files of both splits or of neither", param_hint="--valid and --test")
    try:
        options = Options(vocabulary_size, min_count, valid_share, test_share, on_error)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    splits = {"train": files} | ({"valid": valid, "test": test} if valid and test else {})
    called = name or (to.resolve().name if to is not None else suffixless(files[0]))
    place = place_of(called) if to is None else to
    with _steps() as steps:
        entry, new = add_text(place, splits, options, name=called, replace=to is None, steps=steps)
    corpus = corpus_of(entry)
    if as_json:
        print_json(corpus.describe() | {"path": str(place), "new": new})
    else:
        sizes = ", ".join(f"{split} {size:,}" for split, size in corpus.describe()["tokens"].items())
        output.print(
            f"{'added' if new else 'there already:'} {escape(called)}: {sizes} tokens of {len(corpus.vocabulary):,} "
            f"types, in {escape(str(place))}",
            highlight=False,
            soft_wrap=True,
        )
        output.print(f"use it by --corpus {escape(called if to is None else str(to))}", highlight=False, soft_wrap=True)


@contextmanager
def _steps() -> Iterator[Steps]:
    """Show on standard error how far each step is, how fast it goes and how long it will take."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description:9}"), *columns, console=errors, transient=True) as bar:

        def begin(step: str, total: int) -> Reading:
            task = bar.add_task(step, total=total)
            return lambda more: bar.advance(task, more)

        yield begin


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
