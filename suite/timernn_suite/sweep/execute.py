"""Runs what a plan still lacks: one task a cell, and a file as soon as one is done."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from timernn_suite.lm.recipes import Recipe
from timernn_suite.provenance import without_folder
from timernn_suite.sweep.errors import SweepError
from timernn_suite.sweep.plan import Plan, PlannedCell
from timernn_suite.sweep.results import Results
from timernn_suite.sweep.worker import Job, run_cell, versions

#: Seconds between two looks at whether to stop.
_LOOK_EVERY = 0.2


class SweepObserver:
    """What a sweep tells of its cells; override what is of interest. `told` is called from another thread."""

    def told(self, event: dict[str, Any]) -> None:
        """Hear a worker: ``address``, and ``event``, which is ``begun`` or ``epoch`` with ``valid_perplexity``."""

    def done(self, cell: PlannedCell, record: dict[str, Any]) -> None:
        """Hear that a cell is done and its file written."""

    def failed(self, cell: PlannedCell, message: str) -> None:
        """Hear that a cell failed."""


def missing_cells(plan: Plan, results: Results) -> list[PlannedCell]:
    """Return the cells that aren't done, those that failed before included."""
    return [cell for cell in plan.cells if results.result(cell.address) is None]


def execute(
    client: Any,
    plan: Plan,
    cells: Sequence[PlannedCell],
    results: Results,
    *,
    data: Path | None,
    observer: SweepObserver,
    should_stop: Callable[[], bool],
) -> bool:
    """Run cells and keep what comes of each.

    Parameters
    ----------
    client : distributed.Client
        See `timernn_suite.sweep.cluster`.
    plan : Plan
        What the cells are of.
    cells : sequence of PlannedCell
        Those to run.
    results : Results
        Where to.
    data : Path, optional
        Where the Penn Treebank is.
    observer : SweepObserver
        Told of progress.
    should_stop : callable
        Asked several times a second; True lets the workers save and stop.

    Returns
    -------
    finished : bool
        Whether every cell was run; False if asked to stop before.

    Raises
    ------
    SweepError
        If the scheduler goes away; what is done is kept.
    """
    topic = f"timernn-sweep-{client.id}"
    client.subscribe_topic(topic, lambda event: observer.told(event[1]))
    needed = versions()
    waiting: dict[str, PlannedCell] = {}
    finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
    futures = []
    for place, cell in enumerate(cells):
        job = Job(
            address=cell.address,
            recipe=_with_absolute_text(cell.recipe),
            backend=cell.backend,
            corpus_sha256=dict(cell.corpus["sha256"]),
            folder=str(results.run_folder(cell.address).absolute()),
            data=None if data is None else str(data.absolute()),
            threads=plan.threads,
            timing=plan.timing,
            needed=needed,
            topic=topic,
        )
        key = f"timernn-cell-{client.id}-{place}"
        waiting[key] = cell
        futures.append(client.submit(run_cell, job, key=key, pure=False))
        futures[-1].add_done_callback(finished.put)
    while waiting:
        if should_stop():
            client.cancel(futures)
            return False
        try:
            future = finished.get(timeout=_LOOK_EVERY)
        except queue.Empty:
            continue
        _keep(future, waiting.pop(future.key), results, observer)
    return True


def _keep(future: Any, cell: PlannedCell, results: Results, observer: SweepObserver) -> None:
    if future.status in ("cancelled", "lost"):
        raise SweepError("the scheduler is gone; what is done is kept: the same command goes on from there")
    answer: dict[str, Any]
    if future.status == "error":  # `run_cell` catches what a cell raises, so that this is dask's: workers died on it
        answer = {"failed": f"{type(future.exception()).__name__}: {future.exception()}"}
    else:
        answer = future.result()
    if "done" in answer:
        results.keep(cell.address, _record(cell) | answer["done"])
        observer.done(cell, answer["done"])
    else:
        message = answer.get("failed", "it was stopped by somebody else")
        results.keep_failure(cell.address, message)
        observer.failed(cell, message)


def _with_absolute_text(recipe: Recipe) -> Recipe:
    """Return the recipe with the path of its text, if it has one, as a worker finds it that was started elsewhere."""
    return (
        recipe if recipe.corpus in ("markov", "ptb") else recipe.overridden(corpus=str(Path(recipe.corpus).absolute()))
    )


def _record(cell: PlannedCell) -> dict[str, Any]:
    recipe = cell.recipe.as_record() | {"corpus": without_folder(cell.recipe.corpus)}
    return {"recipe": recipe, "backend_name": cell.backend, "corpus": dict(cell.corpus)}
