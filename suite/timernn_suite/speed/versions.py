"""Times two versions of the implementations against each other, under the same yardstick and the same libraries.

Only the package ``timernn`` is taken from each version; shapes, loops and clock are those that are installed.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timernn_suite.speed.compare import Worker
from timernn_suite.speed.shapes import Block, Step
from timernn_suite.speed.verdict import Change

#: Milliseconds of the old version and of the new one.
Times = tuple[float, float]
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
    threads: int = 1,
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
        How often a process for each version is started: one may be faster than another for all of its life, so a
        pair alone, however long, proves nothing.
    rounds, seconds : int, float
        How often the two of a pair take turns, and how long a turn lasts, in seconds.
    threads : int
        Threads of each process. With one, the two of a pair share a core, and the next pair has another: of two
        cores one may be slower for minutes, when others use what they have in common.
    dtype : str
        Element type.
    progress : callable
        Told the shape, the implementation and the pair.

    Returns
    -------
    list of VersionChange
        One for each implementation and shape.
    """
    found = []
    for implementation in implementations:
        times: dict[str, list[list[Times]]] = {shape.name: [] for shape in shapes}
        wrong: dict[str, str] = {}
        for pair in range(pairs):
            core = _cores()[pair % len(_cores())] if threads == 1 and _cores() else None
            workers = [Worker(implementation, threads, {"PYTHONPATH": str(folder)}, core) for folder in (old, new)]
            try:
                for shape in shapes:
                    if shape.name not in wrong:
                        progress(shape.name, implementation, pair)
                        for worker in workers:
                            worker.revive()
                        taken = _take_turns(workers, shape, rounds, seconds, dtype, first=pair)
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


def _cores() -> list[int]:
    """Return the cores that this process may run on; none where the system doesn't say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _take_turns(
    workers: Sequence[Worker], shape: Block | Step, rounds: int, seconds: float, dtype: str, *, first: int
) -> list[Times] | str:
    """Return the milliseconds of either version in each round, or what went wrong.

    Each round builds anew: where arrays happen to lie makes a difference that would stay for all of a process' life.
    """
    request = shape.as_request() | {"dtype": dtype, "seconds": seconds}
    request.pop("name")
    taken = []
    for turn in range(rounds):
        milliseconds = [0.0, 0.0]
        for timing in (False, True):
            for which in (0, 1) if (turn + first) % 2 == 0 else (1, 0):
                reply = workers[which].ask(request | {"build": turn})
                if "error" in reply:
                    return f"{('old', 'new')[which]}: {reply['error']}"
                if timing:
                    milliseconds[which] = reply["milliseconds"]
                    time.sleep(0.005)  # a pool of threads may spin on for a while after its work
        taken.append((milliseconds[0], milliseconds[1]))
    return taken


def _change(
    implementation: str, shape: str, times: Sequence[list[Times]], wrong: str | None, threshold: float
) -> VersionChange:
    if wrong is not None:
        return VersionChange(implementation, shape, error=wrong)
    ratios = [statistics.median(new / old for old, new in rounds) for rounds in times]
    old, new = (round(statistics.median(rounds[which] for pair in times for rounds in pair), 5) for which in (0, 1))
    return VersionChange(implementation, shape, old=old, new=new, change=Change(ratios, threshold))
