"""Folders that results go to: a new one every time, so that no run ever writes over another's results."""

from __future__ import annotations

from itertools import count
from pathlib import Path


def fresh_folder(stem: str, parent: Path = Path("runs")) -> Path:
    """Make and return the first of ``parent/stem-001``, ``parent/stem-002``, … that isn't there yet."""
    for number in count(1):
        folder = parent / f"{stem}-{number:03d}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable: counting has no end")
