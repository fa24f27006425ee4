"""Ctrl-C as a request: the first ends the work cleanly, the second at once."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """Within this context, Ctrl-C (or SIGTERM) asks to stop instead of raising; so does a time limit.

    Parameters
    ----------
    time_limit : float, optional
        Seconds after which the work is asked to stop.
    """

    def __init__(self, time_limit: float | None = None) -> None:
        self._deadline = None if time_limit is None else time.monotonic() + time_limit
        self._before: dict[int, Any] = {}
        self.interrupted = False

    def __call__(self) -> bool:
        """Return whether to stop now."""
        return self.interrupted or (self._deadline is not None and time.monotonic() > self._deadline)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        self._restore()  # a second signal then does what it always does

    def __enter__(self) -> StopRequest:
        """Take the signals over; only a main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
