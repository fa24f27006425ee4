"""The CuPy backend on the host executor, in a process of its own:

PYTHONPATH=impls:suite python -m pytest -p cuda_on_host.pytest_plugin suite/meta_tests/cupy_emulated
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import cuda_on_host

# Without the plugin the executor isn't in place, and a CuPy without a device can't run any of this.
collect_ignore_glob = [] if cuda_on_host.is_installed() else ["test_*.py"]

# What the tests share lies beside them and not in the package: nobody who installs timernn gets it.
sys.path.insert(0, str(Path(__file__).parent))

STRATEGIES = ("stepwise", "graph", "persistent", "by shape")


@pytest.fixture(autouse=True)
def settings_restored():
    """Leave the executor as it was: a test says itself which order it wants, and whether work waits."""
    kept = dict(vars(cuda_on_host.settings))
    cuda_on_host.set_lazy(False)
    cuda_on_host.set_order(0)
    yield
    cuda_on_host.set_lazy(kept["lazy"])
    for name, value in kept.items():
        setattr(cuda_on_host.settings, name, value)


_JUDGED = pytest.StashKey[dict[str, dict[str, object]]]()


@pytest.fixture
def judged(request):
    """Return where a mutant's end is put down for the table."""
    return request.config.stash.setdefault(_JUDGED, {})


def pytest_terminal_summary(terminalreporter, config):
    """Print each mutant of the kernels, and what killed it."""
    found = config.stash.get(_JUDGED, {})
    if not found:
        return
    terminalreporter.section("mutants of the CUDA sources")
    for name, row in found.items():
        killed_by = row["killed_by"] or "SURVIVED"
        line = f"{name:36} {row['file']:13} {row['seconds']:5.1f} s  {killed_by:18} {row['detail']}"
        terminalreporter.write_line(line[:200], red=row["killed_by"] is None)
    killed = sum(row["killed_by"] is not None for row in found.values())
    terminalreporter.write_line(f"{killed} of {len(found)} mutants killed", bold=True)


@pytest.fixture(params=STRATEGIES)
def kind(request):
    """Return each class of the backend in turn, one a strategy and the one that chooses."""
    from planned import KINDS  # noqa: PLC0415 - it imports CuPy, which may not be had

    return KINDS[request.param]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param
