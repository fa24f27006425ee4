"""A sweep's progress on the terminal: a live table by configuration, and lines for what should not be overlooked."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from timernn_suite.sweep.execute import SweepObserver
from timernn_suite.sweep.plan import Plan, PlannedCell


@dataclass
class _Row:
    """Where the cells of one configuration stand; perplexities by address, of the last epoch or the finished cell."""

    label: str
    backend: str
    cells: int = 0
    done: int = 0
    failed: int = 0
    running: set[str] = field(default_factory=set)
    valid: dict[str, float] = field(default_factory=dict)


class LiveTable(SweepObserver):
    """Shows what a sweep tells.

    Parameters
    ----------
    console : Console
        Where; on one that is no terminal, a line for each cell that is done stands in for the table.
    plan : Plan
        All cells.
    missing : sequence of PlannedCell
        Those that are run; the others are done.
    """

    def __init__(self, console: Console, plan: Plan, missing: Sequence[PlannedCell]) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._row_of: dict[str, _Row] = {}
        self._cells = {cell.address: cell for cell in plan.cells}
        todo = {cell.address for cell in missing}
        for cell in plan.cells:
            row = self._rows.setdefault(cell.configuration, _Row(cell.label, cell.backend))
            self._row_of[cell.address] = row
            row.cells += 1
            row.done += cell.address not in todo
        self._live = Live(get_renderable=self._table, console=console, transient=True, refresh_per_second=2)

    def __enter__(self) -> LiveTable:
        """Show the table."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the table away; the lines stay."""
        self._live.stop()

    def told(self, event: dict[str, Any]) -> None:
        """Note that a cell runs, and its perplexity so far; say so if it runs anew, because its worker died."""
        address = event["address"]
        with self._lock:
            row = self._row_of[address]
            again = event["event"] == "begun" and address in row.running
            row.running.add(address)
            if event.get("valid_perplexity") is not None:
                row.valid[address] = event["valid_perplexity"]
        if again:
            self._say(f"[yellow]a worker died:[/] {self._name(self._cells[address])} goes on in another")

    def done(self, cell: PlannedCell, record: dict[str, Any]) -> None:
        """Count the cell."""
        valid = record["result"]["valid"]
        with self._lock:
            row = self._row_of[cell.address]
            row.running.discard(cell.address)
            row.done += 1
            if valid is not None:
                row.valid[cell.address] = valid["perplexity"]
            finished = sum(row.done for row in self._rows.values())
        if not self._console.is_terminal:
            found = (
                ""
                if valid is None
                else f": valid {valid['perplexity']:.2f}, test {record['result']['test']['perplexity']:.2f}"
            )
            self._say(f"{finished} of {len(self._cells)}  {self._name(cell)}{found}")

    def failed(self, cell: PlannedCell, message: str) -> None:
        """Count the cell, and say why it failed."""
        with self._lock:
            row = self._row_of[cell.address]
            row.running.discard(cell.address)
            row.failed += 1
        self._say(f"[bold red]failed[/] {self._name(cell)}: {escape(message)}")

    def _name(self, cell: PlannedCell) -> str:
        return escape(f"{cell.label} on {cell.backend}, seed {cell.recipe.seed}")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        made = Table(caption="Ctrl-C stops and keeps what is done", caption_justify="left")
        for heading in ("configuration", "backend", "done", "running", "failed", "valid so far"):
            made.add_column(heading, justify="left" if heading in ("configuration", "backend") else "right")
        with self._lock:
            for row in self._rows.values():
                valid = f"{statistics.fmean(row.valid.values()):.2f}" if row.valid else "–"
                failed = f"[red]{row.failed}[/]" if row.failed else "0"
                done, running = f"{row.done} of {row.cells}", str(len(row.running))
                made.add_row(escape(row.label), escape(row.backend), done, running, failed, valid)
        return made
