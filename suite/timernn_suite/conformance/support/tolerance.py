"""How far a right answer may lie from the oracle's: derived from shape and data, not picked by hand.

Rounding errors behave like independent random numbers, so the error of a sum of n products grows
like √n·u and not like the worst case n·u (N. J. Higham and T. Mary, "A New Approach to Probabilistic
Rounding Error Analysis", SIAM J. Sci. Comput. 41(5), 2019). `RandomRounding` injects such errors
into the oracle, several times over; their spread σ is what rounding can do to each element. The
score ``s = max |got - oracle| / σ`` is then a figure of merit of an implementation, and a value
passes up to `LIMIT`: right implementations score below 4, a derivative that is off by 1e-4 above 70.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from timernn_suite.conformance.support.diagnosis import hints
from timernn_suite.conformance.support.oracle import EXACT, Arithmetic, Array

#: The largest score that passes.
LIMIT = 8.0
#: How often the oracle is run with random rounding.
REPLICATES = 12
#: The unit roundoff of each element type.
UNIT_ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}


class RandomRounding(Arithmetic):
    """Arithmetic with an independent random error of about the unit roundoff at every operation."""

    def __init__(self, unit: float, seed: int) -> None:
        self._unit = unit
        self._random = np.random.default_rng(seed)

    def take(self, *arrays: Array) -> list[Array]:
        """Return the inputs in a type whose own rounding is small beside what is put in."""
        kind = np.float64 if self._unit > UNIT_ROUNDOFF["float64"] else np.longdouble
        return [np.asarray(array, dtype=np.result_type(array, kind)) for array in arrays]

    def _noise(self, like: Array) -> Array:
        return np.asarray(self._random.standard_normal(np.shape(like)))

    def dot(self, a: Array, b: Array) -> Array:
        """Return the product, each element off by u·√(n/3·Σ(aₖbₖ)²) for a sum of n terms."""
        product = a @ b
        spread = self._unit * np.sqrt(a.shape[-1] / 3 * ((a * a) @ (b * b)))
        return np.asarray(product + spread * self._noise(product))

    def rounded(self, values: Array) -> Array:
        """Return the values, each off by a relative u/√3."""
        return np.asarray(values * (1 + self._unit / np.sqrt(3) * self._noise(values)))

    def tanh(self, values: Array) -> Array:
        """Return the hyperbolic tangent, off by a relative 2u: libraries differ by a unit or two in the last place."""
        result = np.tanh(values)
        return np.asarray(result * (1 + 2 * self._unit * self._noise(result)))


class Expected:
    """The oracle's answer to one question, and the spread that rounding may give each element of it.

    Parameters
    ----------
    ask : callable
        Takes an `Arithmetic` and returns the oracle's tensors by name.
    dtype : str
        The element type that the judged implementation claims to compute in.
    """

    def __init__(self, ask: Callable[[Arithmetic], Mapping[str, Array]], dtype: str) -> None:
        self.dtype, unit = dtype, UNIT_ROUNDOFF[dtype]
        self.values = dict(ask(EXACT))
        squares = {name: np.zeros(np.shape(value)) for name, value in self.values.items()}
        for seed in range(REPLICATES):
            for name, noisy in ask(RandomRounding(unit, seed)).items():
                squares[name] += (noisy - self.values[name]) ** 2
        self.spread = {}
        for name, value in self.values.items():
            variance = squares[name] / REPLICATES
            # Twelve replicates say little of a single element, and an exact cancellation says nothing at all,
            # so no element's spread is below the tensor's own, nor below one rounding of its largest element.
            floor = max(np.sqrt(variance.mean()), unit * np.abs(value).max(), np.finfo(np.float64).tiny)
            self.spread[name] = np.maximum(np.sqrt(variance), floor)

    def score(self, name: str, got: Array) -> float:
        """Return s for the tensor ``name``; infinity where it isn't finite or has another shape."""
        want = self.values[name]
        got = np.asarray(got, dtype=np.float64)
        if got.shape != want.shape or not np.isfinite(got).all():
            return float("inf")
        return float(np.max(np.abs(got - want) / self.spread[name], initial=0.0))

    def apart(self, name: str, one: Array, other: Array, at: Any = ...) -> float:
        """Return how far two answers for a part of tensor ``name`` lie apart, in units of what rounding explains.

        Infinity where they differ in shape, or where one of them isn't finite.
        """
        one, other = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
        spread = np.sqrt(2) * self.spread[name][at]  # the errors of two answers add up like independent ones
        if not one.shape == other.shape == spread.shape or not (np.isfinite(one) & np.isfinite(other)).all():
            return float("inf")
        return float(np.max(np.abs(one - other) / spread, initial=0.0))

    def explain(self, name: str, got: Array) -> str:
        """Say where the tensor ``name`` is worst, for a failure's message."""
        want = self.values[name]
        got = np.asarray(got, dtype=np.float64)
        if got.shape != want.shape:
            swapped = sorted(got.shape) == sorted(want.shape)
            return f"{name}: shape {got.shape}, must be {want.shape}" + (": are its axes in order?" if swapped else "")
        off = np.nan_to_num(np.abs(got - want) / self.spread[name], nan=np.inf)
        place = np.unravel_index(int(np.argmax(off)), want.shape)
        at = tuple(int(index) for index in place)
        said = (
            f"{name}: s = {off[place]:.3g}, and up to {LIMIT:g} passes: worst at {list(at)}, where it is "
            f"{float(got[place])!r} and the oracle {float(want[place])!r}; "
            f"{np.mean(off > LIMIT):.1%} of the elements are too far off"
        )
        meant = hints(name, got, want.astype(np.float64), off > LIMIT, self.dtype)
        return "\n".join([said, *(f"    {hint}" for hint in meant)])
