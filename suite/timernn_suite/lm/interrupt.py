"""When to stop or to pause: Ctrl-C as a request, time limits, and when a checkpoint is due."""

from __future__ import annotations

import re
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

_NUMBER = r"\d+(?:\.\d+)?"
_DURATION = re.compile(rf"(?:(?P<h>{_NUMBER})h)?(?:(?P<m>{_NUMBER})m)?(?:(?P<s>{_NUMBER})s)?")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def seconds_of(duration: str) -> float:
    """Return the seconds of a duration: ``90`` or ``90m`` (minutes), ``1h30m``, ``45s``, ``1.5h``.

    Raises
    ------
    ValueError
        If it isn't one, or is no time at all.
    """
    parts = _DURATION.fullmatch(f"{duration}m" if re.fullmatch(_NUMBER, duration) else duration)
    seconds = sum(_SECONDS[unit] * float(value) for unit, value in parts.groupdict("0").items()) if parts else 0.0
    if seconds <= 0:
        raise ValueError(f"{duration!r}: must be minutes, such as 90, or a time such as 90m, 1h30m or 45s; more than 0")
    return seconds


class StopRequest:
    """Within this context, Ctrl-C (or SIGTERM) asks to stop instead of raising; so does a time limit.

    Parameters
    ----------
    time_limit : float, optional
        Seconds from now, after which the work is asked to stop.
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


class Due:
    """Whether so many seconds have passed since the last time.

    Parameters
    ----------
    interval : float
        Seconds.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self.restart()

    def __call__(self) -> bool:
        """Return whether it is time."""
        return time.monotonic() >= self._next

    def restart(self) -> None:
        """Count from now."""
        self._next = time.monotonic() + self._interval
