"""A pytest plugin that writes what happens to a file as JSON lines, each flushed, so that a crash loses nothing.

`timernn_suite.check.judge` loads it in the process that it starts, and reads the file.
"""

from __future__ import annotations

import faulthandler
import json
import os
from pathlib import Path
from typing import Any

import pytest

import timernn
from timernn.registry import backend_origin
from timernn_suite import conformance
from timernn_suite.check.hearsay import fit_text, fit_value
from timernn_suite.conformance.support.judged import JUDGED, Judged

#: The environment variables that name the file, the one for the stack of a crash, and the list of tests to leave out.
EVENTS_VARIABLE = "TIMERNN_CHECK_EVENTS"
STACKS_VARIABLE = "TIMERNN_CHECK_STACKS"
DONE_VARIABLE = "TIMERNN_CHECK_DONE"
#: The folder of the suite's tests.
_SUITE = Path(conformance.__file__).parent
#: What stands in for a test's id while the backend is asked what it is: it may die of the question.
DESCRIPTION = "description of the backend"


def _write(event: str, **details: Any) -> None:
    with Path(os.environ[EVENTS_VARIABLE]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, **details}) + "\n")


def _test_id(nodeid: str) -> str:
    """Return the id without the folders before the file's name."""
    path, separator, rest = nodeid.partition("::")
    return Path(path).name + separator + rest


def _done() -> set[str]:
    """Return the ids of what a process before this one has done."""
    listed = os.environ.get(DONE_VARIABLE)
    return set() if listed is None else set(Path(listed).read_text(encoding="utf-8").splitlines())


def pytest_configure() -> None:
    """Write down that the process has begun, and have the stack of whatever kills it written to a file."""
    _write("begin")
    if STACKS_VARIABLE in os.environ:
        faulthandler.enable(Path(os.environ[STACKS_VARIABLE]).open("w", encoding="utf-8"))  # noqa: SIM115 - to the end


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that a process before this one has done."""
    done = _done()
    left_out = [item for item in items if _test_id(item.nodeid) in done]
    if left_out:
        items[:] = [item for item in items if _test_id(item.nodeid) not in done]
        config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down which tests are going to run, and on what: the backend is asked here, where alone it is loaded."""
    _write("collected", tests=[_test_id(item.nodeid) for item in session.items])
    if DESCRIPTION in _done():
        return
    for judged in session.config.stash.get(JUDGED, []):
        _write("start", test=DESCRIPTION)
        _write("backend", about=_about(judged))


def pytest_runtest_logstart(nodeid: str) -> None:
    """Write down which test runs now: if the process dies, this one did it."""
    _write("start", test=_test_id(nodeid))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write down a test's outcome: of its call, or of a set-up or tear-down that didn't pass."""
    if report.when != "call" and report.passed:
        return
    expected = hasattr(report, "wasxfail")
    outcome = {"skipped": "known failure" if expected else "skipped"}.get(report.outcome, report.outcome)
    _write(
        "outcome",
        test=_test_id(report.nodeid),
        outcome=outcome,
        seconds=round(report.duration, 4),
        scores={name[2:]: value for name, value in report.user_properties if name.startswith("s:")},
        message=_message(report),
        cases=dict(report.user_properties).get("cases"),
    )


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Write down what could not even be collected."""
    if report.failed:
        _write(
            "outcome", test=_test_id(report.nodeid), outcome="failed", seconds=0, scores={}, message=_message(report)
        )


def pytest_sessionfinish(exitstatus: int) -> None:
    """Write down that the end was reached."""
    _write("finish", exitstatus=int(exitstatus))


def pytest_unconfigure() -> None:
    """Write down that pytest itself came to an end, be it by an error of use."""
    _write("end")


def _about(judged: Judged) -> Any:
    """Return what the backend says of itself; where that fails, a test of the contract fails too."""
    backend = judged.backend
    assert backend is not None  # it was asked for by name, so the suite has ended if it can't run
    try:
        said = {"name": str(backend.name), "dtypes": list(map(str, backend.dtypes)), "describe": backend.describe()}
    except Exception as error:
        said = {"name": judged.name, "dtypes": [], "describe": {"error": repr(error)}}
    return fit_value(said | {"from": backend_origin(judged.name)})


def _message(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return the reason for what didn't pass, or for a failure that was expected."""
    if report.passed:
        return None
    if hasattr(report, "wasxfail"):
        return fit_text(report.wasxfail.removeprefix("reason: "))
    if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
        return fit_text(report.longrepr[2].removeprefix("Skipped: "))
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return fit_text(str(report.longrepr).removeprefix("Failed: "))
    # A test of the suite tells by itself what is wrong; of anything else one wants to know where it came from.
    inside = Path(crash.path).is_relative_to(_SUITE)
    where = "" if inside else f" (raised in {_place(crash.path, crash.lineno)}{_caller(report.longrepr, crash.path)})"
    said, newline, more = str(crash.message).removeprefix("Failed: ").partition("\n")
    return fit_text(said + where + newline + more)


def _place(path: str, line: int) -> str:
    return f"{'/'.join(Path(path).parts[-2:])}:{line}"


def _caller(longrepr: Any, raised_in: str) -> str:
    """Return the innermost line that is neither a library's nor ours, where that isn't the one that raised."""
    entries = getattr(getattr(longrepr, "reprtraceback", None), "reprentries", [])
    lines = [found for entry in entries if (found := getattr(entry, "reprfileloc", None)) is not None]
    own = [line for line in lines if not _is_installed(line.path)]
    if not own or Path(own[-1].path).resolve() == Path(raised_in).resolve():
        return ""
    return f", called from {_place(own[-1].path, own[-1].lineno)}"


def _is_installed(path: str) -> bool:
    """Whether a file is part of a library or of ours, however that was installed."""
    ours = {_SUITE.parent, Path(timernn.__file__).parent}
    absolute = Path(path).absolute()
    return "site-packages" in absolute.parts or any(absolute.is_relative_to(folder) for folder in ours)
