"""Keeps the workload's tests off the network, off the user's cache, and off this machine's settings."""

from __future__ import annotations

from pathlib import Path

import pooch
import pytest


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory, monkeypatch) -> Path:
    """Return this test's own cache folder, which is the default one meanwhile; downloads fail as without a network."""

    def offline(*_args, **_options):
        raise ConnectionError("no network in tests")

    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(pooch, "retrieve", offline)
    monkeypatch.setenv("TIMERNN_CACHE", str(cache))
    monkeypatch.delenv("TIMERNN_DATA", raising=False)
    return cache


@pytest.fixture
def write_text(tmp_path):
    """Return a function that writes a file of text below the test's folder, as UTF-8 or bytes."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
