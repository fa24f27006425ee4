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
from rich.table import Table

from timernn_suite.cli.console import errors, progress_bar
from timernn_suite.provenance import environment
from timernn_suite.speed.shapes import shape_named
from timernn_suite.speed.verdict import Verdict
from timernn_suite.speed.versions import VersionChange, compare_versions

USUAL_SHAPES = ("toy", "small", "stream", "small model")
COLOURS = {Verdict.SLOWER: "red", Verdict.FASTER: "green", Verdict.SAME: "dim", Verdict.UNSURE: "yellow"}


def main(
    old: Annotated[str, typer.Argument(metavar="A", help="A commit, branch or tag.")],
    new: Annotated[str | None, typer.Argument(metavar="[B]", help="Another; by default the working tree.")] = None,
    backend: Annotated[list[str] | None, typer.Option(help="Repeatable; by default numpy and numba.")] = None,
    shape: Annotated[list[str] | None, typer.Option(help="Of the table of shapes, or N,T,D,H. Repeatable.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="So many processes of each version, one of each at a time.")] = 8,
    threshold: Annotated[float, typer.Option(min=1.001, help="The smallest ratio that matters.")] = 1.1,
    seconds: Annotated[float, typer.Option(min=0.0, help="Length of a turn.")] = 0.03,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each process.")] = 5,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    record: Annotated[Path | None, typer.Option("--json", help="Also write everything there.")] = None,
) -> None:
    """Compare the package timernn of two commits under the yardstick and the libraries that are installed."""
    names, shapes = backend or ["numpy", "numba"], [shape_named(name) for name in shape or USUAL_SHAPES]
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
            dtype=dtype,
            progress=lambda shape, name, pair: bar.update(
                task, advance=1, note=f"{name}, {shape}, pair {pair + 1} of {pairs}"
            ),
        )
    if record is not None:
        made = {"old": described(old), "new": described(new), "threshold": threshold, "environment": environment()}
        record.write_text(json.dumps(made | {"changes": [c.as_record() for c in changes]}, indent=1) + "\n")
    show(changes, old, new or "working tree", threshold)
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


def show(changes: list[VersionChange], old: str, new: str, threshold: float) -> None:
    """Print the table, and what it comes to."""
    table = Table(title=f"{new} against {old}")
    for heading in ("shape", "backend", "verdict"):
        table.add_column(heading)
    for heading in ("ratio", "from", "to", "old ms", "new ms"):
        table.add_column(heading, justify="right")
    for change in changes:
        if change.change is None:
            table.add_row(change.shape, change.implementation, f"[red]failed[/] {escape(change.error or '')}")
            continue
        verdict, (low, high) = change.change.verdict, change.change.interval
        figures = [f"{change.change.ratio:.2f}", f"{low:.2f}", f"{high:.2f}", f"{change.old:.3f}", f"{change.new:.3f}"]
        table.add_row(change.shape, change.implementation, f"[{COLOURS[verdict]}]{verdict}[/]", *figures)
    Console().print(table)
    found = {verdict: sum(1 for c in changes if c.change and c.change.verdict is verdict) for verdict in Verdict}
    said = ", ".join(f"{number} {verdict}" for verdict, number in found.items() if number)
    print(f"{said}. Ratios are new over old; one of {threshold} or more matters. Milliseconds are no result.")
    if found[Verdict.UNSURE]:
        print("Can't tell: the spread is wider than the change. More --pairs, or a quieter machine, may tell.")


if __name__ == "__main__":
    typer.run(main)
