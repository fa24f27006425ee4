"""What the tests of the checker share: backends written for one test, and the suite run on them from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def write_backend(tmp_path, monkeypatch):
    """Return a function that writes a module of backends where this process and those it starts can import it."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(HERE)]))

    def write(module: str, source: str) -> None:
        (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")

    return write


@pytest.fixture
def run_suite(tmp_path):
    """Return a function that runs the conformance suite by pytest itself, as a user would."""

    def run(backend: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "--pyargs", "timernn_suite.conformance", "--rnn-backend", backend]
        return subprocess.run(
            [*command, "-p", "no:cacheprovider", "-rxX", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,  # a busy machine takes its time
            check=False,
        )

    return run


@pytest.fixture
def helper_modules(monkeypatch) -> Path:
    """Make the modules of this folder importable, here and in processes that are started."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    return HERE
