"""A training run's progress on the terminal: a bar an epoch, and a line for each one that is done."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from timernn_suite.cli.console import errors
from timernn_suite.lm.perplexity import perplexity_of
from timernn_suite.lm.trainer import Observer


class TrainingProgress(Observer):
    """Shows what a trainer tells, on standard error."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=errors,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None, note="")

    def __enter__(self) -> TrainingProgress:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away; the lines stay."""
        self._bar.stop()

    def iteration(self, epoch: int, iteration: int, iterations: int, losses: list[float]) -> None:
        """Move the bar on."""
        recent = losses[-100:]
        note = f"perplexity {perplexity_of(sum(recent) / len(recent)):.1f}" if recent else ""
        self._bar.update(self._task, description=f"epoch {epoch}", completed=iteration, total=iterations, note=note)

    def validating(self, epoch: int, done: int, total: int) -> None:
        """Move the bar on through the validation text."""
        self._bar.update(self._task, description=f"epoch {epoch}, validating", completed=done, total=total, note="")

    def epoch(self, record: dict[str, Any]) -> None:
        """Leave a line behind."""
        valid = record["valid_perplexity"]
        shown = "" if valid is None else f"  valid {valid:8.2f}"
        self._bar.console.print(
            f"epoch {record['epoch']:3d}  train {record['train_perplexity']:8.2f}{shown}  "
            f"rate {record['learning_rate']:.2g}  {record['tokens_per_second'] or 0:,} tokens/s",
            highlight=False,
        )
        self._bar.reset(self._task, total=None)

    def warning(self, text: str) -> None:
        """Say it in yellow."""
        self._bar.console.print(f"[yellow]warning:[/] {text}", highlight=False, soft_wrap=True)
