"""What a wrong tensor looks like, and what that usually means: hints for whoever has to mend a backend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: The line behind which the message of a generated case has code: an import and a call.
REPLAY = "To see it again:"
#: Tensors whose second axis is time.
TIMED = ("hs", "dxs", "xs", "zs", "dzs")
_HALF = "numbers of 11 bits, as float16 and TF32 have: is something inside computed in them?"
_SINGLE = "float32: is something inside computed in single precision?"
#: Errors between these, as parts of the largest element, are of the size that numbers of so many bits make.
_PRECISIONS = {
    "float32": [(2.0**-17, 2.0**-9, _HALF)],
    "float64": [(2.0**-17, 2.0**-9, _HALF), (2.0**-29, 2.0**-20, _SINGLE)],
}


def hints(name: str, got: Array, want: Array, wrong: NDArray[np.bool_], dtype: str) -> list[str]:
    """Return what a wrong tensor looks like, the most telling first; nothing where it looks like nothing known.

    Parameters
    ----------
    name : str
        The tensor's name, such as ``dxs``.
    got, want : array
        The backend's and the oracle's, of one shape.
    wrong : bool array
        Which elements are too far off.
    dtype : str
        The element type that the backend claims to compute in.
    """
    if not np.isfinite(got).all():
        return [f"{np.mean(~np.isfinite(got)):.1%} of it is not finite: a division by zero, or memory never written to"]
    if not got.any():
        return ["it is zero throughout: is it ever computed, and is it this call's?"]
    found = [*_by_time(name, want, wrong), *_by_factor(got, want, wrong)] or _by_row(wrong)
    if found:
        return found
    size = float(np.median(np.abs(got - want)[wrong]) / np.abs(want).max()) if want.any() else np.inf
    return [f"errors of the size of {meaning}" for low, high, meaning in _PRECISIONS[dtype] if low < size < high]


def _by_row(wrong: NDArray[np.bool_]) -> list[str]:
    """Say which rows are wrong, if not all are."""
    if wrong.ndim < 2:
        return []
    rows = np.asarray(wrong.reshape(wrong.shape[0], -1).any(axis=1)).tolist()
    return [] if all(rows) else [f"only rows {[n for n, bad in enumerate(rows) if bad]} of {len(rows)} are wrong"]


def _by_time(name: str, want: Array, wrong: NDArray[np.bool_]) -> list[str]:
    """Say at which times a tensor is wrong, if it isn't at all of them."""
    if name not in TIMED or wrong.ndim != 3:
        return []
    times: NDArray[np.bool_] = np.asarray(wrong.any(axis=(0, 2)))
    T = len(times)
    first, last = int(np.argmax(times)), T - 1 - int(np.argmax(times[::-1]))
    if times.all() or not times.any():
        return []
    # Later times that are right because nothing comes back from them say nothing of how far a gradient goes.
    if name == "dxs" and first == 0 and last < T - 1 and want[:, last + 1 :].any():
        if last == T - 2:  # a step back that is lost and one that is wrong look the same from here
            return [
                f"it is right at time {T - 1} alone: what goes back from one time to the one before is wrong or lost"
            ]
        return [
            f"it is right at times {last + 1} to {T - 1} and wrong before: the gradient doesn't go back "
            f"over more than {T - 1 - last} steps"
        ]
    if first > 0 and last == T - 1:
        return [f"it is right up to time {first - 1} and wrong from time {first} on"]
    return [f"it is wrong only at times {np.flatnonzero(times).tolist()} of {T}"]


def _by_factor(got: Array, want: Array, wrong: NDArray[np.bool_]) -> list[str]:
    """Say by which factor the wrong elements are off, if it is about the same for all that aren't small."""
    clear = wrong & (np.abs(want) > 0.05 * np.abs(want).max())
    if np.count_nonzero(clear) < max(4, wrong.size // 2):  # of two or three numbers, some factor always fits
        return []
    factors = got[clear] / want[clear]
    low, middle, high = (float(value) for value in np.quantile(factors, [0.05, 0.5, 0.95]))
    larger = float(np.mean(factors > 1))
    if abs(middle - 1) < 0.01 and not 0.2 < larger < 0.8:  # rounding would make about half of them larger
        way = "large" if larger > 0.5 else "small"
        return [
            f"most of its elements are a little too {way}, by {abs(middle - 1):.1e} in the middle: "
            f"a derivative or a constant is slightly off"
        ]
    if abs(high - low) > 0.1 * abs(middle - 1):
        return []
    return [f"it is the oracle's times {middle:.6g}: a wrong divisor, a sum taken twice, or a mean where a sum belongs"]


def summary(wrong: Iterable[str], right: Sequence[str]) -> list[str]:
    """Say in a line which of a test's tensors are wrong and which right, and where that puts the fault."""
    wrong = list(wrong)
    said = f"wrong: {', '.join(wrong)}; right: {', '.join(right) or 'none'}"
    if "hs" in right:
        return [f"{said}: the forward pass is right, so the fault is in backward"]
    if "hs" in wrong and len(wrong) > 1:
        return [f"{said}: begin with the forward pass, gradients follow from it"]
    return [said]
