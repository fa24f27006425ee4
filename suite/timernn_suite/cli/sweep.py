"""``timernn sweep``: a grid of recipes, backends and seeds, trained on a cluster of workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from timernn import BackendUnavailable, load_backend
from timernn_suite.cli.console import errors, output, print_json
from timernn_suite.cli.options import Data, Json
from timernn_suite.lm.interrupt import StopRequest
from timernn_suite.sweep import cluster
from timernn_suite.sweep.execute import execute, missing_cells
from timernn_suite.sweep.grid import Grid, load_grid
from timernn_suite.sweep.live import LiveTable
from timernn_suite.sweep.plan import Plan, PlannedCell, backends_of, make_plan
from timernn_suite.sweep.results import Results
from timernn_suite.sweep.table import failures, markdown, merge, summary, table

NAME = "sweep"
INTERRUPTED = 130


def command(
    grid: Annotated[
        Path | None,
        typer.Argument(metavar="GRID.toml", help="Recipe, overrides, backends and seeds.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The sweep's folder.", show_default="runs/sweep-GRID")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Processes on this machine.", show_default="cores / threads of a cell"),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the workers of this dask scheduler instead: tcp://HOST:8786."),
    ] = None,
    table_of: Annotated[
        Path | None,
        typer.Option("--table", metavar="OUT", help="Make the table of a sweep's folder again, and run nothing."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Train every recipe of a grid on every backend with every seed, and merge the results into one table.

    A cell that is done is never run again; the same command goes on after Ctrl-C, a crash, or with more cells
    in the grid. A worker that dies costs what it did since the cell's last epoch. Exit code 1 if a cell failed.

    With 'timing = true' in the grid only one cell at a time runs on a machine, and the table has tokens/s.
    """
    if table_of is not None:
        if grid is not None or out is not None or workers is not None or scheduler is not None:
            raise typer.BadParameter("it runs nothing: leave everything but --json out", param_hint="--table")
        _finish(Results(table_of).plan(), Results(table_of), as_json)
        return
    if grid is None:
        raise typer.BadParameter("give a grid, or --table OUT", param_hint="GRID.toml")
    if scheduler is not None and workers is not None:
        raise typer.BadParameter("a scheduler has its own workers; leave it out", param_hint="--workers")
    cluster.require_distributed()
    checked = load_grid(grid)
    _check_backends(checked, here=scheduler is None)
    plan = make_plan(checked, data)
    results = Results(out if out is not None else Path("runs") / f"sweep-{checked.name}")
    results.begin(plan)
    missing = missing_cells(plan, results)
    counts = f"{len(plan.cells)} cells, {len(plan.cells) - len(missing)} of them done"
    errors.print(f"sweep {escape(plan.name)}: {counts}, in {escape(str(results.folder))}", soft_wrap=True)
    finished = not missing or _run(plan, missing, results, workers, scheduler, data)
    _finish(plan, results, as_json, finished=finished)


def _check_backends(grid: Grid, *, here: bool) -> None:
    """See that the backends are known, and that they can run if they have to run here."""
    for name in dict.fromkeys(cell.backend for cell in grid.cells):
        try:
            load_backend(name)
        except BackendUnavailable:
            if here:
                raise


def _run(
    plan: Plan,
    missing: list[PlannedCell],
    results: Results,
    workers: int | None,
    scheduler: str | None,
    data: Path | None,
) -> bool:
    """Run the missing cells; return whether it came to its end."""
    if scheduler is not None:
        connection = cluster.remote_client(scheduler, backends_of(missing), plan.threads)
    else:
        fitting = max(1, (os.cpu_count() or 1) // plan.threads)
        number = 1 if plan.timing else min(workers or fitting, len(missing))
        connection = cluster.local_client(number, plan.threads)
    with StopRequest() as stop, results.alone(), LiveTable(errors, plan, missing) as observer, connection as client:
        return execute(client, plan, missing, results, data=data, observer=observer, should_stop=stop)


def _finish(plan: Plan, results: Results, as_json: bool, *, finished: bool = True) -> None:
    """Write the merged result, show it, and exit with the code that it deserves."""
    record: dict[str, Any] = merge(plan, results)
    results.write_table(record, markdown(record))
    if as_json:
        print_json(record)
    else:
        output.print(table(record))
        for line in failures(record):
            output.print(f"[red]failed[/] {escape(line)}", highlight=False, soft_wrap=True)
        where = escape(str(results.folder / "sweep.md"))
        output.print(f"{summary(record)}; table: {where}", highlight=False, soft_wrap=True)
    if not finished:
        errors.print("stopped early; what is done is kept, and the same command goes on from there", soft_wrap=True)
        raise typer.Exit(INTERRUPTED)
    if record["failed"]:
        raise typer.Exit(1)
