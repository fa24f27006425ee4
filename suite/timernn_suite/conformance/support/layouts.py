"""Unusual ways for an array to lie in memory, each with the values of a plain one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import Array

#: From a NumPy array, and what makes a backend array of one, to a backend array of the same values.
Layout = Callable[[NDArray[Any], Callable[[Any], Array]], Array]
#: What an array library without views, strides or flags raises when it is asked for one.
REFUSALS = (TypeError, ValueError, AttributeError, IndexError, RuntimeError)  # NotImplementedError among the last


def _read_only(values: NDArray[Any], array: Callable[[Any], Array]) -> Array:
    made = array(values)
    if hasattr(made, "setflags"):  # where it hasn't, either all arrays are read-only or none can be
        made.setflags(write=False)
    return made


def _swapped(made: Array, axis: int) -> Array:
    """Return a view with its first axis and another changed about, by NumPy's method or the array API's function."""
    if hasattr(made, "swapaxes"):
        return made.swapaxes(0, axis)
    axes = list(range(made.ndim))
    axes[0], axes[axis] = axes[axis], axes[0]
    return made.__array_namespace__().permute_dims(made, tuple(axes))


VIEWS: dict[str, Layout] = {
    "transposed": lambda values, array: _swapped(array(np.ascontiguousarray(values.swapaxes(0, -1))), -1),
    "time first": lambda values, array: _swapped(array(np.ascontiguousarray(values.swapaxes(0, 1))), 1),
    "every other": lambda values, array: array(np.repeat(values, 2, axis=-1))[..., ::2],
    "backwards": lambda values, array: array(np.ascontiguousarray(values[::-1]))[::-1, ...],
    "part of a larger one": lambda values, array: array(np.pad(values, [(1, 2)] * values.ndim))[
        (slice(1, -2),) * values.ndim
    ],
}
LAYOUTS: dict[str, Layout] = {
    "plain": lambda values, array: array(values),
    **VIEWS,
    "read-only": _read_only,
    "other byte order": lambda values, array: array(values.astype(values.dtype.newbyteorder(">"))),
}


class LayoutRefused(Exception):  # noqa: N818 - no mistake of anybody's
    """The library has no such array; the message is its own."""


def laid_out(values: NDArray[Any], layout: str, array: Callable[[Any], Array]) -> Array:
    """Return a backend array of that layout; one with a single axis has its times nowhere else than first.

    Raises
    ------
    LayoutRefused
        If the library has none such.
    """
    if layout == "time first" and values.ndim < 2:
        layout = "plain"
    try:
        return LAYOUTS[layout](values, array)
    except REFUSALS as refusal:
        raise LayoutRefused(f"{type(refusal).__name__}: {refusal}") from refusal
