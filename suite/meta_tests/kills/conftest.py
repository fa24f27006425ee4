"""One unbroken run that all others are compared with, and the table of where the kills hit."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

# What the tests share lies beside them and not in the package: nobody who installs timernn gets it.
sys.path.insert(0, str(Path(__file__).parent))
from runs import Run

# Signals, resource limits and a kernel that kills: POSIX.
collect_ignore_glob = [] if os.name == "posix" else ["test_*.py"]

_PLACES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def timed(tmp_path_factory) -> tuple[Run, float]:
    """Return a run that nothing happened to, and how long it took with its start, in seconds."""
    run = Run(tmp_path_factory.mktemp("unbroken") / "run")
    started = time.monotonic()
    code, said = run.finish()
    assert code == 0, said
    return run, time.monotonic() - started


@pytest.fixture(scope="session")
def unbroken(timed) -> Run:
    return timed[0]


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path / "run")


@pytest.fixture
def places(request) -> list[str]:
    """Return where each kill is put down for the table."""
    return request.config.stash.setdefault(_PLACES, [])


def pytest_terminal_summary(terminalreporter, config):
    """Print how many kills hit where."""
    found = Counter(config.stash.get(_PLACES, []))
    if found:
        terminalreporter.section(f"{found.total()} kills")
        for place, times in found.most_common():
            terminalreporter.write_line(f"{times:6}  {place}")
