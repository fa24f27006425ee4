"""The executor's own tests. They need a process of their own, in which it is installed before anything imports CuPy:

PYTHONPATH=suite python -m pytest -p cuda_on_host.pytest_plugin suite/meta_tests/cuda_on_host
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import cuda_on_host

# Without the plugin the executor isn't in place, and a CuPy without a device can't run any of this.
collect_ignore_glob = [] if cuda_on_host.is_installed() else ["test_*.py"]


@pytest.fixture(autouse=True)
def settings_restored() -> Iterator[None]:
    """Leave the executor as it was: whatever a test chose, and whatever it left in a queue."""
    kept = dict(vars(cuda_on_host.settings))
    # A test says itself what it wants, whatever the command line says.
    cuda_on_host.set_lazy(False)
    cuda_on_host.set_order(0)
    yield
    cuda_on_host.set_lazy(kept["lazy"])
    for name, value in kept.items():
        setattr(cuda_on_host.settings, name, value)
