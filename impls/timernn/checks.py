"""Argument checks that every layer shares, so that every backend says the same of the same mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timernn.contract import FLOAT_DTYPES, Array, DTypeError, LabelError, ShapeError

if TYPE_CHECKING:
    from timernn.base import ArrayBackend

#: One axis of a needed shape: its letter, and its size where that is fixed.
Axis = tuple[str, int | None]


def floats(backend: ArrayBackend, argument: str, value: Any, *axes: Axis, dtype: str | None = None) -> Array:
    """Return ``value`` in native byte order if it is a float array of the needed shape and element type.

    Parameters
    ----------
    backend : ArrayBackend
        Whose arrays are asked for.
    argument : str
        The argument's name, for the message.
    value
        What the caller passed.
    *axes : (str, int or None)
        Letter and needed size of each axis; None takes any size of 1 or more.
    dtype : str, optional
        The element type that the layer's parameters have; by default any of the backend's own.

    Raises
    ------
    DTypeError, ShapeError
        Naming the argument, what it was and what it must be.
    """
    _require_array(backend, argument, value)
    allowed = [dtype] if dtype is not None else [name for name in FLOAT_DTYPES if name in backend.dtypes]
    got = backend.dtype_name(value)
    if got not in allowed:
        why = " like the layer's parameters" if dtype is not None else ""
        raise DTypeError(f"{argument}: dtype must be {' or '.join(allowed)}{why}, got {got}")
    _require_shape(argument, value, axes)
    return backend.native(value)


def integers(backend: ArrayBackend, argument: str, value: Any, *axes: Axis) -> Array:
    """Return ``value`` in native byte order if it is an integer array of the needed shape."""
    _require_array(backend, argument, value)
    got = backend.dtype_name(value)
    if not got.startswith(("int", "uint")):
        raise DTypeError(f"{argument}: dtype must be an integer type, got {got}")
    _require_shape(argument, value, axes)
    return backend.native(value)


def labels_in_range(argument: str, lowest: int, highest: int, size: int, ignored: int | None = None) -> None:
    """Raise `LabelError` unless ``0 <= lowest`` and ``highest < size``."""
    if lowest < 0 or highest >= size:
        outside = lowest if lowest < 0 else highest
        ignoring = f" (or the ignored label {ignored})" if ignored is not None else ""
        raise LabelError(f"{argument}: every id must lie in 0 … {size - 1}{ignoring}, got {outside}")


def _require_array(backend: ArrayBackend, argument: str, value: Any) -> None:
    if not isinstance(value, backend.array_type):
        needed = f"{backend.array_type.__module__}.{backend.array_type.__qualname__}"
        raise DTypeError(f"{argument}: must be an array of type {needed}, got {type(value).__name__}")


def _require_shape(argument: str, value: Any, axes: tuple[Axis, ...]) -> None:
    shape = tuple(value.shape)
    fits = len(shape) == len(axes) and all(
        got >= 1 and size in (None, got) for got, (_, size) in zip(shape, axes, strict=False)
    )
    if not fits:
        needed = ", ".join(letter if size is None else f"{letter}={size}" for letter, size in axes)
        raise ShapeError(f"{argument}: shape must be ({needed}) with every size at least 1, got {shape}")
