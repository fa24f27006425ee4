"""``timernn check``: the conformance suite on backends by name, each in a process of its own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from timernn import backend_statuses
from timernn_suite.check import Document, Limits, Scorecard, Selection, judge, publish
from timernn_suite.check.compare import changes
from timernn_suite.cli.console import errors, output, print_json, progress_bar
from timernn_suite.cli.options import Json
from timernn_suite.cli.scorecards import show, show_changes
from timernn_suite.provenance import environment

NAME = "check"


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Registered names or module:Class; by default all that can run here."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds for all tests of a backend.")] = 600.0,
    test_timeout: Annotated[float, typer.Option(min=1.0, help="Seconds after which one test is said to hang.")] = 120.0,
    memory: Annotated[int, typer.Option(min=64, metavar="MIB", help="Memory that a backend may hold.")] = 4096,
    output_limit: Annotated[int, typer.Option(min=1, metavar="MIB", help="What one test may print.")] = 16,
    keyword: Annotated[
        str | None, typer.Option("-k", metavar="EXPRESSION", help="Only tests whose names match, as pytest's -k.")
    ] = None,
    cases: Annotated[
        int, typer.Option(min=1, metavar="N", help="Generated cases for each element type.")
    ] = Selection.cases,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the generated cases: another one draws others.")
    ] = Selection.seed,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Also write index.html, scorecard.json, junit.xml and badge.json there.",
            show_default=False,
        ),
    ] = None,
    diff: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also say what changed since an older check: its --out, its scorecard.json, or what --json printed.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check backends against the contract: scorecard by group, exit code 1 if anything fails.

    The score s is the largest distance from the oracle in units of what rounding explains; up to 8 passes.
    Each backend runs in processes of its own: a crash, a hang, a full memory or a flood of output costs one test.
    """
    limits = Limits(timeout, test_timeout, memory, output_limit)
    if diff is not None and diff.is_dir():  # what --out wrote
        diff = diff / "scorecard.json"
    older = None if diff is None else Document.read(diff)  # what is wrong with it is said before the long work
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    unable = [] if names else [status for status in backend_statuses() if not status.available]
    for status in unable:
        errors.print(f"[yellow]{status.name} can't run here:[/] {escape(str(status.reason))}", highlight=False)
    wanted = list(dict.fromkeys(names or [status.name for status in backend_statuses() if status.available]))
    selection = Selection(keyword, cases, seed)
    document = Document([check_one(name, limits, selection) for name in wanted], environment())
    if out is not None:
        publish(document, out)
        errors.print(f"wrote {escape(str(out / 'index.html'))}", highlight=False, soft_wrap=True)
    if as_json:
        print_json(document.as_record())
    else:
        for card in document.cards:
            show(card)
    if older is not None:
        show_changes(changes(older, document), str(diff), errors if as_json else output)
    if not document.passed or any(status.broken for status in unable):
        raise typer.Exit(1)


def check_one(name: str, limits: Limits | None = None, selection: Selection | None = None) -> Scorecard:
    """Check one backend with a progress bar."""
    selected = asdict(selection or Selection())
    with progress_bar() as bar:
        task = bar.add_task(f"checking {name}", total=None, note="")

        def tell(done: int, total: int, test: str) -> None:
            bar.update(task, completed=done, total=total, note=test.partition("[")[0])

        return judge(name, limits=limits, progress=tell, **selected)
