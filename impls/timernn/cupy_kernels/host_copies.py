"""What integers were like on the host before they went to the device, for as long as somebody holds the array."""

from __future__ import annotations

import weakref
from typing import Any

from timernn.contract import Array


class HostCopies:
    """Host copies by device array, without keeping the array alive.

    An array that is changed in place afterwards keeps the copy of what it was: kernels therefore trust no id.
    """

    def __init__(self) -> None:
        self._copies: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def keep(self, array: Array, host: Any) -> None:
        """Remember ``host``, which nobody else may change, as what ``array`` was made of."""
        key = id(array)
        self._copies[key] = weakref.ref(array, lambda _: self._copies.pop(key, None)), host

    def of(self, array: Array) -> Any:
        """Return what an array was made of; None if it was made otherwise."""
        reference, host = self._copies.get(id(array), (None, None))
        return host if reference is not None and reference() is array else None
