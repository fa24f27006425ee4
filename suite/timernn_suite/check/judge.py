"""Runs the conformance suite on one backend in a process of its own, and survives whatever becomes of it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timernn_suite.check.events import EVENTS_VARIABLE
from timernn_suite.check.scorecard import Outcome, Scorecard

#: pytest's own exit codes for a run that took place.
_RAN = (0, 1)


class CheckError(RuntimeError):
    """The check could not take place: the backend is unknown or can't run here, or the suite is broken."""


def judge(
    backend: str,
    *,
    timeout: float = 600.0,
    keyword: str | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, test: None,
) -> Scorecard:
    """Check one backend.

    Parameters
    ----------
    backend : str
        A registered name, or ``module:Class``; modules are also looked for in the current folder.
    timeout : float
        Seconds after which the process is ended; the test that was running is then said to hang.
    keyword : str, optional
        Only tests whose names match, as pytest's ``-k``.
    progress : callable
        Told after each test how many are done, how many there are, and the test's id.

    Raises
    ------
    CheckError
        If the check could not take place.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="timernn-check-") as folder:
        events, output = Path(folder) / "events.jsonl", Path(folder) / "output.txt"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                _command(backend, keyword, Path(folder)),
                cwd=folder,
                env=_environment(events),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
            try:
                log, hung = _follow(process, events, start + timeout, progress)
            finally:
                process.kill()
                process.wait()
        if not log.finished and not log.collected:
            raise CheckError(_reason(output.read_text(errors="replace"), process.returncode))
        if log.finished and log.exitstatus not in _RAN:
            raise CheckError(_reason(output.read_text(errors="replace"), process.returncode))
    return Scorecard(backend, log.outcomes(process.returncode, hung), time.monotonic() - start)


class _Log:
    """What the events said so far."""

    def __init__(self) -> None:
        self.collected: list[str] = []
        self.done: dict[str, Outcome] = {}
        self.running: str | None = None
        self.finished = False
        self.exitstatus: int | None = None

    def take(self, event: dict[str, Any]) -> None:
        kind = event.pop("event")
        if kind == "collected":
            self.collected = event["tests"]
        elif kind == "start":
            self.running = event["test"]
        elif kind == "outcome":
            before = self.done.get(event["test"])
            if before is None or not before.bad:  # a tear-down that fails weighs more than a call that passed
                self.done[event["test"]] = Outcome(**event)
            self.running = None
        elif kind == "finish":
            self.finished, self.exitstatus = True, event["exitstatus"]

    def outcomes(self, returncode: int, hung: bool) -> list[Outcome]:
        """Return every collected test's outcome, those of a run that was cut short included."""
        outcomes = list(self.done.values())
        if self.finished:
            return outcomes
        if self.running is not None:
            how = "hung" if hung else "crashed"
            why = "still running when the time was up" if hung else f"its process died: {_died_of(returncode)}"
            outcomes.append(Outcome(self.running, how, message=why))
        missing = [test for test in self.collected if test not in self.done and test != self.running]
        return outcomes + [Outcome(test, "not run", message="the run ended before it") for test in missing]


def _command(backend: str, keyword: str | None, folder: Path) -> list[str]:
    # No settings of the user's own project may have a say. Where its environment lies inside the project, pytest
    # would find them above the suite: so it gets empty ones, and looks for no conftest above the suite's own.
    settings = folder / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", str(settings), f"--confcutdir={_suite_folder()}"]
    command += ["--pyargs", "timernn_suite.conformance", "--rnn-backend", backend]
    command += ["-p", "timernn_suite.conformance.plugin", "-p", "timernn_suite.check.events"]
    command += ["-p", "no:cacheprovider", "-q", "--tb=short"]
    return command if keyword is None else [*command, "-k", keyword]


def _suite_folder() -> Path:
    found = importlib.util.find_spec("timernn_suite.conformance")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _environment(events: Path) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    environment[EVENTS_VARIABLE] = str(events)
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # whatever else is installed must not change the verdict
    environment["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    return environment


def _follow(
    process: subprocess.Popen[bytes], events: Path, deadline: float, progress: Callable[[int, int, str], None]
) -> tuple[_Log, bool]:
    """Read events until the process ends or the time is up; return them, and whether the time was up."""
    log, position = _Log(), 0
    while True:
        ended = process.poll() is not None
        if events.exists():
            with events.open("rb") as file:
                file.seek(position)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # half a line: the rest comes next time
                    position += len(line)
                    before = len(log.done)
                    log.take(json.loads(line))
                    if len(log.done) > before:
                        progress(len(log.done), len(log.collected), next(reversed(log.done)))
        if ended:
            return log, False
        if time.monotonic() > deadline:
            return log, True
        time.sleep(0.05)


def _died_of(returncode: int) -> str:
    return signal.Signals(-returncode).name if returncode < 0 else f"exit code {returncode}"


def _reason(output: str, returncode: int) -> str:
    """Pick what a person needs out of pytest's output."""
    lines = [line.strip("! ").removeprefix("_pytest.outcomes.Exit: ") for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "--rnn-backend" in line or "known_failures" in line]
    if telling:
        return telling[-1]
    return f"the suite ended with exit code {returncode}:\n" + "\n".join(lines[-15:])
