"""Says what became slower or faster between two commits, from processes that take turns, or that it can't be told.

Run it as ``nox -s bench-compare -- A B``; without B the working tree is compared with A. Exit code 1 if something
became slower.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from timernn_suite.cli.console import errors, progress_bar
from timernn_suite.files import replace_text
from timernn_suite.provenance import environment
from timernn_suite.speed.change_text import change_line, change_table
from timernn_suite.speed.shapes import shape_named
from timernn_suite.speed.verdict import Verdict
from timernn_suite.speed.versions import compare_versions

USUAL_SHAPES = ("toy", "small", "stream", "small model")


def main(
    old: Annotated[str, typer.Argument(metavar="A", help="A commit, branch or tag.")],
    new: Annotated[str | None, typer.Argument(metavar="[B]", help="Another; by default the working tree.")] = None,
    backend: Annotated[list[str] | None, typer.Option(help="Repeatable; by default numpy and numba.")] = None,
    shape: Annotated[list[str] | None, typer.Option(help="Of the table of shapes, or N,T,D,H. Repeatable.")] = None,
    pairs: Annotated[int, typer.Option(min=5, help="So many processes of each version, one of each at a time.")] = 8,
    threshold: Annotated[float, typer.Option(min=1.001, help="The smallest ratio that matters.")] = 1.1,
    seconds: Annotated[float, typer.Option(min=0.0, help="Length of a turn.")] = 0.03,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each process.")] = 5,
    # As many threads as cores wait for each other whenever anything else wants one: the spread is several times that.
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process.")] = 1,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    record: Annotated[
        Path | None, typer.Option("--json", help="Also write everything there.", show_default=False)
    ] = None,
) -> None:
    """Compare the package timernn of two commits under the yardstick and the libraries that are installed."""
    try:
        names, shapes = backend or ["numpy", "numba"], [shape_named(name) for name in shape or USUAL_SHAPES]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shape") from error
    if record is not None:
        record.parent.mkdir(parents=True, exist_ok=True)
    before = environment()  # and its load, before the work is all of it
    folders = [source_of(old), source_of(new) if new else root() / "impls"]
    with progress_bar() as bar:
        task = bar.add_task("comparing", total=len(names) * pairs * len(shapes), note="")
        changes = compare_versions(
            folders[0],
            folders[1],
            names,
            shapes,
            threshold=threshold,
            pairs=pairs,
            rounds=rounds,
            seconds=seconds,
            threads=threads,
            dtype=dtype,
            progress=lambda shape, name, pair: bar.update(
                task, advance=1, note=f"{name}, {shape}, pair {pair + 1} of {pairs}"
            ),
        )
    if record is not None:
        settings = {"pairs": pairs, "rounds": rounds, "seconds": seconds, "threads": threads, "dtype": dtype}
        made = {"old": described(old), "new": described(new), "threshold": threshold, "settings": settings}
        made |= {"environment": before, "changes": [change.as_record() for change in changes]}
        replace_text(record, json.dumps(made, indent=1) + "\n")
    shown = {(change.shape, change.implementation): change.change or change.error or "" for change in changes}
    Console().print(change_table(f"{new or 'working tree'} against {old}", shown))
    print(change_line(shown, threshold))
    if any(change.error for change in changes):
        sys.exit(2)
    if any(change.change and change.change.verdict is Verdict.SLOWER for change in changes):
        sys.exit(1)


def root() -> Path:
    """Return the root of the repository that the command is run in."""
    return Path(git("rev-parse", "--show-toplevel").decode().strip())


def source_of(version: str) -> Path:
    """Return a folder with the package of a commit, written there if it wasn't; what it compiles stays there too."""
    commit = git("rev-parse", "--verify", "--quiet", f"{version}^{{commit}}", wrong=f"{version!r} is no commit here")
    name = commit.decode().strip()
    folder = root() / "runs" / "versions" / name[:12]
    if not folder.exists():
        archive = git("archive", name, "impls", wrong=f"{version} has no folder impls")
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(unfinished, filter="data")
        unfinished.rename(folder)
    return folder / "impls"


def described(version: str | None) -> str | None:
    """Return a version's commit; None for the working tree."""
    return git("rev-parse", f"{version}^{{commit}}").decode().strip() if version else None


def git(*arguments: str, wrong: str | None = None) -> bytes:
    """Return what git prints."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    if done.returncode:
        errors.print(f"[red]error:[/] {escape(wrong or done.stderr.decode().strip())}", highlight=False)
        sys.exit(2)
    return done.stdout


if __name__ == "__main__":
    typer.run(main)
