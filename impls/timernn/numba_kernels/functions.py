"""Exponential and hyperbolic tangent: in float32 without branches, so that loops over them become vector code.

The float32 forms follow Cephes (S. Moshier, `expf.c` and `tanhf.c`): a polynomial after reduction by powers of two,
and for the tangent of small arguments an odd polynomial. In float64 the C library's functions are used.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from timernn.numba_kernels.compiling import inlined

_LOG2_E = np.float32(1.44269504088896341)
#: ln 2 in two parts, the first exact in few bits, so that n times it is exact.
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
#: Added to a float32 it rounds it to an integer, which then stands in the lowest bits.
_ROUNDER = np.float32(12582912.0)
_ONE_BITS = np.int32(127)
_SIGN = np.int32(-(2**31))
_HALF, _ONE, _TWO = np.float32(0.5), np.float32(1), np.float32(2)
_E5, _E4, _E3, _E2, _E1, _E0 = (
    np.float32(c)
    for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
)
_T4, _T3, _T2, _T1, _T0 = (
    np.float32(c) for c in (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
)
#: Below it the odd polynomial is nearer, above it the exponential.
_SMALL = np.float32(0.625)
#: From here on the tangent rounds to 1.
_SATURATED = np.float32(9.5)
#: Below it the exponential is taken for 0; it is less than the smallest normal number.
_VANISHING = np.float32(-87.3)


@intrinsic
def _bits(_typing, x):
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@intrinsic
def _from_bits(_typing, n):
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@inlined
def _exp32(x):
    """Return e^x for x from -87.3 to 88; elsewhere anything, but NaN for NaN."""
    rounded = x * _LOG2_E + _ROUNDER
    n = rounded - _ROUNDER
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = ((((_E5 * r + _E4) * r + _E3) * r + _E2) * r + _E1) * r + _E0
    scale = _from_bits(np.int32((_bits(rounded) + _ONE_BITS) << np.int32(23)))
    return (p * (r * r) + r + _ONE) * scale


@inlined
def _tanh32(x):
    size = abs(x)
    limited = _SATURATED if size > _SATURATED else size
    large = _ONE - _TWO / (_exp32(limited + limited) + _ONE)
    square = x * x
    small = ((((_T4 * square + _T3) * square + _T2) * square + _T1) * square + _T0) * square * size + size
    value = small if size < _SMALL else large
    return _from_bits(np.int32(_bits(value) | (_bits(x) & _SIGN)))


@inlined
def _exp_or_zero32(x):
    limited = _VANISHING if x < _VANISHING else x
    value = _exp32(limited)
    return np.float32(0) if x < _VANISHING else value


def tanh(x: float) -> float:
    """Return the hyperbolic tangent."""
    return math.tanh(x)


def exp(x: float) -> float:
    """Return e^x for x ≤ 0; 0 where it would be less than the smallest normal number."""
    return math.exp(x)


@overload(tanh, jit_options={"error_model": "numpy"}, inline="always")
def _tanh_of(x):
    if x == types.float32:
        return lambda x: _tanh32(x)  # noqa: PLW0108
    return lambda x: math.tanh(x)  # noqa: PLW0108 - Numba needs a function with this argument's name


@overload(exp, jit_options={"error_model": "numpy"}, inline="always")
def _exp_of(x):
    if x == types.float32:
        return lambda x: _exp_or_zero32(x)  # noqa: PLW0108
    return lambda x: math.exp(x)  # noqa: PLW0108
