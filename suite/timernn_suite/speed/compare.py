"""Times implementations against each other in interleaved rounds, so that a drift falls on all of them alike."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from timernn_suite.speed.shapes import Block, Step

#: Variables by which the usual thread pools are told how many threads to have; NPROC is XLA's.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC")

#: Told what is being timed: the shape, the implementation, the turn.
Progress = Callable[[str, str, int], None]
#: A median, the least and the most.
Spread = tuple[float, float, float]


@dataclass(frozen=True)
class Measurement:
    """One implementation on one shape: the median of each round in milliseconds, or why there is none."""

    implementation: str
    rounds: tuple[float, ...] = ()
    first_call: float | None = None
    peak_kib: int | None = None
    error: str | None = None

    @property
    def milliseconds(self) -> float:
        """The median over rounds; NaN where it failed."""
        return statistics.median(self.rounds) if self.rounds else float("nan")


@dataclass(frozen=True)
class Comparison:
    """All implementations on one shape."""

    shape: Block | Step
    measurements: tuple[Measurement, ...]

    def of(self, implementation: str) -> Measurement:
        """Return what was measured of an implementation; nothing, if it wasn't timed."""
        found = (measured for measured in self.measurements if measured.implementation == implementation)
        return next(found, Measurement(implementation, error="not timed"))

    def ratio(self, slow: str, fast: str) -> Spread | None:
        """Return how many times as fast ``fast`` is as ``slow``: median, least and most over the paired rounds."""
        pairs = zip(self.of(slow).rounds, self.of(fast).rounds, strict=False)
        ratios = [of_slow / of_fast for of_slow, of_fast in pairs]
        return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        return {
            **self.shape.as_request(),
            "measurements": {
                measured.implementation: {"error": measured.error}
                if measured.error
                else {
                    "milliseconds": round(measured.milliseconds, 5),
                    "rounds": [round(value, 5) for value in measured.rounds],
                    "first_call_milliseconds": measured.first_call and round(measured.first_call, 3),
                    "tokens_per_second": round(self.shape.tokens / measured.milliseconds * 1e3),
                    "peak_kib": measured.peak_kib,
                }
                for measured in self.measurements
            },
        }


@dataclass
class Worker:
    """A running worker process."""

    implementation: str
    threads: int
    variables: Mapping[str, str] = field(default_factory=dict)
    core: int | None = None  # the only one that it may run on
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        """Start the process."""
        self.start()

    def start(self) -> None:
        """Start a process, with the number of threads in its environment."""
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(self.threads)), **self.variables}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "timernn_suite.speed.worker", self.implementation],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=environment,
            start_new_session=True,  # Ctrl-C is for the one who asks; a worker ends when its input does
        )
        if self.core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, {self.core})

    def revive(self) -> None:
        """Start anew if the process died, so that a crash costs the shape on which it happened."""
        if self.process.poll() is not None:
            self.stop()
            self.start()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer; a process that died answers with an error."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            reply: dict[str, Any] = json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            return {"error": f"its process ended with {_ending(self.process.wait())}"}
        return reply

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def _ending(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def compare(
    implementations: Sequence[str],
    shapes: Sequence[Block | Step],
    *,
    rounds: int = 5,
    seconds: float = 0.3,
    threads: int | None = None,
    dtype: str = "float32",
    progress: Progress = lambda shape, implementation, turn: None,
) -> tuple[list[Comparison], dict[str, Any]]:
    """Time every implementation on every shape.

    Parameters
    ----------
    implementations : sequence of str
        Backends by name, ``module:Class`` or ``peer:NAME``; see `timernn_suite.speed.worker`.
    shapes : sequence of Block or Step
        What is timed.
    rounds : int
        How often each implementation gets its turn, in an order that turns round by one each time.
    seconds : float
        How long a turn lasts, in seconds; its result is the median of its calls.
    threads : int, optional
        Threads that each implementation may use; by default one a core.
    dtype : str
        Element type.
    progress : callable
        Told the shape, the implementation and the turn, of which the first builds and warms up.

    Returns
    -------
    comparisons : list of Comparison
        One a shape.
    descriptions : dict
        What each implementation says of itself.
    """
    threads = threads or os.cpu_count() or 1
    workers: list[Worker] = []
    try:
        for name in implementations:
            workers.append(Worker(name, threads))
        descriptions = {worker.implementation: worker.ask({"task": "describe"}) for worker in workers}
        comparisons = []
        for shape in shapes:
            for worker in workers:
                worker.revive()
            comparisons.append(_compare_on(workers, shape, rounds, seconds, dtype, progress))
        return comparisons, descriptions
    finally:
        for worker in workers:
            worker.stop()


def _compare_on(
    workers: Sequence[Worker], shape: Block | Step, rounds: int, seconds: float, dtype: str, progress: Progress
) -> Comparison:
    request = shape.as_request() | {"dtype": dtype, "seconds": seconds}
    request.pop("name")
    answers: dict[str, list[dict[str, Any]]] = {worker.implementation: [] for worker in workers}
    for turn in range(rounds + 1):  # the first builds and warms up
        shift = turn % len(workers)
        for worker in (*workers[shift:], *workers[:shift]):
            if any("error" in reply for reply in answers[worker.implementation]):
                continue
            progress(shape.name, worker.implementation, turn)
            answers[worker.implementation].append(worker.ask(request))
            time.sleep(0.02)  # a pool of threads may spin on for a while after its work; keep it out of the next turn
    return Comparison(shape, tuple(_measurement(name, replies) for name, replies in answers.items()))


def _measurement(name: str, replies: list[dict[str, Any]]) -> Measurement:
    for reply in replies:
        if "error" in reply:
            return Measurement(name, error=reply["error"])
    first, *timed = replies
    return Measurement(
        name,
        rounds=tuple(reply["milliseconds"] for reply in timed),
        first_call=first.get("first_call_milliseconds"),
        peak_kib=timed[-1]["peak_kib"] if timed else None,
    )
