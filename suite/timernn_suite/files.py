"""Writing files whole or not at all: beside, forced to the disk, and then moved into place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

#: What a file is called while it is being written.
PARTIAL = ".partial"


def replace_text(path: Path, text: str) -> None:
    """Put ``text`` in the place of a file, so that no reader and no interrupt ever finds half of it."""
    replace_bytes(path, text.encode("utf-8"))


def replace_bytes(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of a file, so that no reader and no interrupt ever finds half of it."""
    write_beside(path, data).replace(path)


def write_beside(path: Path, data: bytes) -> Path:
    """Write what is to become ``path`` under a name beside it, force it to the disk, and return where it is.

    Raises
    ------
    OSError
        If it can't be written; what was begun is removed.
    """
    beside = path.with_name(path.name + PARTIAL)
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    return beside


def sync_folder(folder: Path) -> None:
    """Force renames in a folder to the disk, where the system lets a folder be opened (Windows doesn't)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_partial(paths: Iterable[Path]) -> None:
    """Remove what a killed process had begun to write of some files; for who knows that no other is at work."""
    for path in paths:
        path.with_name(path.name + PARTIAL).unlink(missing_ok=True)
