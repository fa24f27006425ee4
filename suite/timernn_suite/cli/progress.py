"""A training run's progress on the terminal: a bar an epoch, and a line for each one that is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from timernn_suite.cli.console import errors
from timernn_suite.lm.perplexity import perplexity_of
from timernn_suite.lm.trainer import Observer


class TrainingProgress(Observer):
    """Shows what a trainer tells, on standard error.

    Parameters
    ----------
    after_epoch : callable
        Called after each epoch, when its checkpoint is written.
    """

    def __init__(self, after_epoch: Callable[[], None]) -> None:
        self._after_epoch = after_epoch
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=errors,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None, note="")
        self._epochs = self._block = 0
        self._time_left = TimeLeft()

    def expect(self, epochs: int, block: int) -> None:
        """Take note of what is to come: at most so many epochs, in iterations over so many tokens."""
        self._epochs, self._block = epochs, block

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
        self._time_left.update((epoch - 1) * iterations + iteration, self._epochs * iterations, time.monotonic())
        recent = losses[-100:]
        speed = self._bar.tasks[0].speed
        notes = [
            f"perplexity {perplexity_of(sum(recent) / len(recent)):.1f}" if recent else "",
            f"{speed * self._block:,.0f} tokens/s" if speed else "",
            str(self._time_left),
        ]
        self._bar.update(
            self._task,
            description=f"epoch {epoch}/{self._epochs}",
            completed=iteration,
            total=iterations,
            note="  ".join(filter(None, notes)),
        )

    def validating(self, epoch: int, done: int, total: int) -> None:
        """Move the bar on through the validation text."""
        self._bar.update(self._task, description=f"epoch {epoch}, validating", completed=done, total=total, note="")

    def epoch(self, record: dict[str, Any]) -> None:
        """Leave a line behind."""
        valid = record["valid_perplexity"]
        shown = "" if valid is None else f"  valid {valid:8.2f}"
        self._bar.console.print(
            f"epoch {record['epoch']:3d}  train {record['train_perplexity']:8.2f}{shown}  "
            f"rate {record['learning_rate']:.2g}  {record['tokens_per_second'] or 0:,} tokens/s  {self._time_left}",
            highlight=False,
            soft_wrap=True,
        )
        self._bar.reset(self._task, total=None)
        self._after_epoch()

    def warning(self, text: str) -> None:
        """Say it in yellow."""
        self._bar.console.print(f"[yellow]warning:[/] {escape(text)}", highlight=False, soft_wrap=True)


class TimeLeft:
    """How long a run will take yet, at the pace of this command so far; validation and checkpoints count in."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._seconds: float | None = None

    def update(self, done: int, total: int, now: float) -> None:
        """Hear that so many iterations of all are done at a time in seconds."""
        if self._first is None:
            self._first = (done, now)  # a resumed run has some behind it
        done_before, began = self._first
        if done > done_before:
            self._seconds = (now - began) / (done - done_before) * (total - done)

    def __str__(self) -> str:
        """Return such as ``0:12:03 left``; early stopping may end a run sooner."""
        return f"{timedelta(seconds=round(self._seconds))} left" if self._seconds else ""
