"""What the tests of large text share: a cache of their own, and the command as a user calls it."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

from timernn_suite.cli import main


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    """Return this test's own cache folder, which is the default one meanwhile."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TIMERNN_CACHE", str(folder))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("TIMERNN_DATA", raising=False)
    return folder


@pytest.fixture
def write_text(tmp_path):
    """Return a function that writes a file of text below the test's folder, as UTF-8 or bytes."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def timernn(monkeypatch):
    """Return a function that runs the command in this process; it returns exit code, output and messages."""

    def call(*arguments):
        said, complaints = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["timernn", *map(str, arguments)])
        ended = pytest.raises(SystemExit)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints), ended as exit_info:
            main()
        return exit_info.value.code or 0, said.getvalue(), " ".join(complaints.getvalue().split())

    return call


@pytest.fixture
def add(timernn):
    """Return a function that adds text by the command, which must succeed, and returns its JSON record."""

    def call(*arguments):
        code, said, complaints = timernn("data", "add", *arguments, "--json")
        assert code == 0, complaints
        return json.loads(said)

    return call


@pytest.fixture
def refused(timernn, cache):
    """Return a function that adds text by the command, which must refuse it and leave nothing; returns the message."""

    def call(*arguments):
        code, said, complaints = timernn("data", "add", *arguments)
        assert (code, said) == (2, "")
        assert list(cache.glob("corpora/*")) == []
        return complaints

    return call
