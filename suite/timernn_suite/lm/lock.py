"""One process in a run's folder: a lock of the kernel's, which ends with the process, however that ends.

The system's call is used as it is. The library ``filelock`` falls back, where a file system has no locks, on a file
that outlives a killed process: the one thing that must not happen here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

LOCK = "run.lock"

#: The system says so if another process has the lock; the second is Windows' word for it.
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)
#: And this if the file system has no locks, as some that are shared in a network.
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
#: The byte that is locked on Windows, where nobody else can read a locked byte: far behind the text.
_LOCKED_BYTE = 1 << 20


class LockedError(RuntimeError):
    """Another process is at work in the folder."""


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def only_process_in(folder: Path) -> Iterator[str | None]:
    """Hold the lock of a folder that is there.

    The file ``run.lock`` stays when the lock ends; it says who had it last, and its being there means nothing.

    Yields
    ------
    warning : str or None
        What to tell the user where the file system has no locks.

    Raises
    ------
    LockedError
        If another process holds it; the message names the folder and that process.
    OSError
        If the folder can't be written to.
    """
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        warning = None
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in _TAKEN:
                raise LockedError(
                    f"{folder}: {_holder(handle)} is at work there; wait for it, stop it, or name another folder"
                ) from None
            if error.errno not in _NO_LOCKS:
                raise
            warning = f"{folder}: its file system has no locks, so nothing keeps a second run out"
        os.ftruncate(handle, 0)
        started = datetime.now().astimezone().isoformat(" ", "seconds")
        os.write(handle, f"process {os.getpid()} on {platform.node()} (since {started})".encode())
        yield warning
    finally:
        os.close(handle)  # which releases it


def _holder(handle: int) -> str:
    """Return what the holder wrote of itself."""
    return os.read(handle, 1000).decode("utf-8", "replace") or "another process"
