"""``timernn`` in a process that dies, or whose disk fills up, at an exact place.

``dying.py HOW NUMBER FOLDER ARGUMENTS`` does what ``timernn ARGUMENTS`` does, until

``step N``: SIGKILL before the Nth time that a file in FOLDER is opened, linked, renamed or removed;
``byte N``: the kernel kills the process in the middle of a write, when a file has N bytes;
``full N``: no file can grow beyond N bytes; the write fails, as on a full disk.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

FILE_EVENTS = {"open", "os.link", "os.rename", "os.remove"}


def die_before(step: int, folder: str) -> None:
    """Kill this process before it touches a file in the folder for the ``step``-th time."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in FILE_EVENTS and os.path.dirname(os.path.abspath(str(arguments[0]))) == folder:  # noqa: PTH100, PTH120
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def limit_files(size: int, *, deadly: bool) -> None:
    """Let no file grow beyond so many bytes; who tries is killed, or else gets an error."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if deadly else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


if __name__ == "__main__":
    how, number, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if how == "step":
        die_before(number, folder)
    else:
        limit_files(number, deadly=how == "byte")
    sys.argv[1:] = sys.argv[4:]
    from timernn_suite.cli import main

    main()
