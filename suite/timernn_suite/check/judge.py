"""Judges one backend from outside: whatever it does costs the test in which it does it, and no other."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timernn_suite.check.scorecard import Outcome, Scorecard
from timernn_suite.check.worker import Limits, Selection, Worker

#: pytest's own exit codes for a run that took place, the last one for a run that had no test left.
_RAN = (0, 1, 5)
#: What stands in for a test's id when the process dies before the first test or after the last.
COLLECTION, EXIT = "import and collection", "exit of the process"
_POLL = 0.03

Progress = Callable[[int, int, str], None]


class CheckError(RuntimeError):
    """The check could not take place: the backend is unknown or can't run here, or the suite is broken."""


def judge(
    backend: str,
    *,
    limits: Limits | None = None,
    keyword: str | None = None,
    cases: int = Selection.cases,
    seed: int = Selection.seed,
    progress: Progress = lambda done, total, test: None,
) -> Scorecard:
    """Check one backend.

    A process that dies, hangs, fills the memory or floods its output is ended; the test that was running is
    recorded with what happened and where, and a new process goes on with the tests that are left.

    Parameters
    ----------
    backend : str
        A registered name, or ``module:Class``; modules are also looked for in the current folder.
    limits : Limits, optional
        When to end a process.
    keyword : str, optional
        Only tests whose names match, as pytest's ``-k``.
    cases : int
        How many generated cases there are for each element type.
    seed : int
        Of the generated cases.
    progress : callable
        Told after each test how many are done, how many there are, and the test's id.

    Raises
    ------
    CheckError
        If the check could not take place.
    """
    limits, selection = limits or Limits(), Selection(keyword, cases, seed)
    start = time.monotonic()
    record = _Record(progress)
    with tempfile.TemporaryDirectory(prefix="timernn-check-") as folder:
        for turn in range(10_000):
            worker = Worker(backend, Path(folder) / str(turn), list(record.done), selection)
            try:
                end = _watch(worker, record, limits, start + limits.total_seconds)
            finally:
                worker.stop()
            if not record.take_end(end):
                break
    return Scorecard(backend, record.outcomes(), time.monotonic() - start, limits, selection, record.about)


class _Record:
    """What is known so far, over all processes."""

    def __init__(self, progress: Progress) -> None:
        self.collected: list[str] = []
        self.done: dict[str, Outcome] = {}
        self.about: dict[str, Any] | None = None
        self._progress = progress
        self.begin()

    def begin(self) -> None:
        """Begin with a new process."""
        self._done_before = len(self.done)
        self._run(COLLECTION)
        self.finished = False
        self.exitstatus: int | None = None

    def _run(self, what: str) -> None:
        self.running, self._since = what, time.monotonic()

    def take(self, event: dict[str, Any]) -> None:
        """Take up one event of the process."""
        kind = event.pop("event")
        if kind != "begin":
            self._run(event["test"] if kind == "start" else EXIT)
        if kind == "collected":
            self.collected = self.collected or event["tests"]
        elif kind == "backend":
            self.about = event["about"]
        elif kind == "outcome":
            self._put(Outcome(**event))
        elif kind == "finish":
            self.finished, self.exitstatus = True, event["exitstatus"]

    def take_end(self, end: _End) -> bool:
        """Take up how a process ended; return whether another one should go on with what is left."""
        if end.how == "ran":
            return False
        self._put(Outcome(self.running, end.how, round(time.monotonic() - self._since, 2), end.message))
        got_on = len(self.done) > self._done_before
        left = any(test not in self.done for test in self.collected)
        self.begin()
        return left and got_on and not end.time_is_up

    def _put(self, outcome: Outcome) -> None:
        before = self.done.get(outcome.test)
        if before is not None and before.bad:
            return  # a tear-down that fails weighs no more than the call before it
        self.done[outcome.test] = outcome
        if before is None:
            self._progress(len(self.done), max(len(self.collected), len(self.done)), outcome.test)

    def outcomes(self) -> list[Outcome]:
        """Return every collected test's outcome, those that were never reached included."""
        missing = [test for test in self.collected if test not in self.done]
        return [
            *self.done.values(),
            *(Outcome(test, "not run", message="the check ended before it") for test in missing),
        ]


class _End:
    """How a process ended: ``ran`` to its end, or an outcome for the test that was running, with a message."""

    def __init__(self, how: str, message: str = "", *, time_is_up: bool = False) -> None:
        self.how, self.message, self.time_is_up = how, message, time_is_up


def _watch(worker: Worker, record: _Record, limits: Limits, deadline: float) -> _End:
    """Follow a process to its end, or put an end to it."""
    events = _Events(worker.events)
    since, printed_before = time.monotonic(), 0
    while True:
        ended = worker.ended
        news = events.read()
        for event in news:
            record.take(event)
        if ended:
            return _natural_end(worker, record, events.orderly)
        if news:
            since, printed_before = time.monotonic(), worker.printed
        stopped = _limit_passed(worker, limits, since, printed_before, deadline)
        if stopped is not None:
            worker.abort()
            for event in events.read():
                record.take(event)
            stopped.message = _with_stack(stopped.message, worker)
            return stopped
        time.sleep(_POLL)


class _Events:
    """The lines that the process wrote since they were last read."""

    def __init__(self, path: Path) -> None:
        self._path, self._position = path, 0
        self.orderly = False  # pytest itself came to an end, whatever it was

    def read(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if not self._path.exists():
            return found
        with self._path.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # half a line: the rest comes next time
                self._position += len(line)
                event = json.loads(line)
                if event["event"] == "end":
                    self.orderly = True
                else:
                    found.append(event)
        return found


def _limit_passed(worker: Worker, limits: Limits, since: float, printed_before: int, deadline: float) -> _End | None:
    now = time.monotonic()
    if worker.memory_mib > limits.memory_mib:
        return _End("out of memory", f"OOM: it held more than {limits.memory_mib:,} MiB")
    if worker.printed - printed_before > limits.output_mib * 1024 * 1024:
        return _End("flooded", f"FLOOD: it printed more than {limits.output_mib:,} MiB")
    if now - since > limits.test_seconds:
        return _End("hung", f"HANG: no end after {limits.test_seconds:g} s")
    if now > deadline:
        return _End(
            "hung", f"HANG: still running when the check's {limits.total_seconds:g} s were over", time_is_up=True
        )
    return None


def _natural_end(worker: Worker, record: _Record, orderly: bool) -> _End:
    """Say how a process ended that nobody stopped."""
    if record.finished and record.exitstatus in _RAN:
        if worker.exitcode == record.exitstatus:
            if record.exitstatus == _RAN[-1] and not record.done:
                raise CheckError("no test matches, so nothing was checked")
            return _End("ran")
    elif record.finished or orderly or not worker.events.exists():
        raise CheckError(_reason(worker.output, worker.died_of))
    return _End("crashed", _with_stack(f"CRASH({worker.died_of}): the process died", worker))


def _with_stack(message: str, worker: Worker) -> str:
    stack = worker.stack
    return f"{message}, in\n{stack}" if stack else message


def _reason(output: str, died_of: str) -> str:
    """Pick what a person needs out of pytest's output."""
    lines = [line.strip("! ").removeprefix("_pytest.outcomes.Exit: ") for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "--rnn-backend" in line or "known_failures" in line]
    if telling:
        return telling[-1].removeprefix("--rnn-backend: ")  # an option of pytest's, which nobody gave here
    return f"the suite ended with {died_of}:\n" + "\n".join(lines[-15:])
