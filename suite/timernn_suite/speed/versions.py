"""Times two versions of the implementations against each other, under the same yardstick and the same libraries.

Only the package ``timernn`` is taken from each version; shapes, loops and clock are those that are installed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timernn_suite.speed.compare import Worker
from timernn_suite.speed.shapes import Block, Step
from timernn_suite.speed.verdict import Change

#: Told the shape, the implementation and the pair.
Progress = Callable[[str, str, int], None]


@dataclass(frozen=True)
class VersionChange:
    """What became of one implementation on one shape: medians in milliseconds and the change, or why there is none."""

    implementation: str
    shape: str
    old: float | None = None
    new: float | None = None
    change: Change | None = None
    error: str | None = None

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        record: dict[str, Any] = {"implementation": self.implementation, "shape": self.shape}
        if self.change is None:
            return record | {"error": self.error}
        low, high = self.change.interval
        return record | {
            "old_milliseconds": self.old,
            "new_milliseconds": self.new,
            "ratio": round(self.change.ratio, 4),
            "interval": [round(low, 4), round(high, 4)],
            "ratios": [round(ratio, 4) for ratio in self.change.ratios],
            "verdict": str(self.change.verdict),
        }


def compare_versions(
    old: Path,
    new: Path,
    implementations: Sequence[str],
    shapes: Sequence[Block | Step],
    *,
    threshold: float,
    pairs: int = 8,
    rounds: int = 6,
    seconds: float = 0.03,
    threads: int | None = None,
    dtype: str = "float32",
    progress: Progress = lambda shape, implementation, pair: None,
) -> list[VersionChange]:
    """Time each implementation of two source folders on each shape.

    Parameters
    ----------
    old, new : Path
        Folders with a package ``timernn`` in each.
    implementations : sequence of str
        Backends by name, or ``module:Class``.
    shapes : sequence of Block or Step
        What is timed.
    threshold : float
        The smallest ratio that matters, above 1.
    pairs : int
        How often a process for each version is started. Where its memory happens to lie makes a process faster or
        slower for all of its life, so one pair alone, however long, proves nothing.
    rounds, seconds : int, float
        How often the two of a pair take turns, and how long a turn lasts, in seconds.
    threads : int, optional
        Threads of each process; by default one a core.
    dtype : str
        Element type.
    progress : callable
        Told the shape, the implementation and the pair.

    Returns
    -------
    list of VersionChange
        One for each implementation and shape.
    """
    threads = threads or os.cpu_count() or 1
    found = []
    for implementation in implementations:
        times: dict[str, list[tuple[float, float]]] = {shape.name: [] for shape in shapes}
        wrong: dict[str, str] = {}
        for pair in range(pairs):
            workers = [Worker(implementation, threads, {"PYTHONPATH": str(folder)}) for folder in (old, new)]
            try:
                for shape in shapes:
                    if shape.name not in wrong:
                        progress(shape.name, implementation, pair)
                        taken = _take_turns(workers, shape, rounds, seconds, dtype, first=pair % 2)
                        if isinstance(taken, str):
                            wrong[shape.name] = taken
                        else:
                            times[shape.name].append(taken)
            finally:
                for worker in workers:
                    worker.stop()
        for shape in shapes:
            found.append(_change(implementation, shape.name, times[shape.name], wrong.get(shape.name), threshold))
    return found


def _take_turns(
    workers: Sequence[Worker], shape: Block | Step, rounds: int, seconds: float, dtype: str, *, first: int
) -> tuple[float, float] | str:
    """Return the least milliseconds of either version over the rounds, or what went wrong.

    The least of a process: what it can do when nothing else wants its core. Noise only ever adds.
    """
    request = shape.as_request() | {"dtype": dtype, "seconds": seconds}
    request.pop("name")
    least = [float("inf"), float("inf")]
    for turn in range(rounds + 1):  # the first builds and warms up
        for which in (0, 1) if (turn + first) % 2 == 0 else (1, 0):
            reply = workers[which].ask(request)
            if "error" in reply:
                return f"{('old', 'new')[which]}: {reply['error']}"
            if turn > 0:
                least[which] = min(least[which], reply["milliseconds"])
            time.sleep(0.005)  # a pool of threads may spin on for a while after its work
    return least[0], least[1]


def _change(
    implementation: str, shape: str, times: Sequence[tuple[float, float]], wrong: str | None, threshold: float
) -> VersionChange:
    if wrong is not None:
        return VersionChange(implementation, shape, error=wrong)
    change = Change([new / old for old, new in times], threshold)
    middle = sorted(times)[len(times) // 2]
    return VersionChange(implementation, shape, old=round(middle[0], 5), new=round(middle[1], 5), change=change)
