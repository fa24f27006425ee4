"""The float32 functions of the Numba backend at every float32 there is: half a minute to some minutes, no sample."""

from __future__ import annotations

import numba
import numpy as np

from timernn.numba_kernels import functions

#: Bit patterns that are looked at together: memory for a few arrays of float64.
CHUNK = 2**24
INFINITY = 0x7F800000


@numba.njit
def tangents(xs):
    out = np.empty_like(xs)
    for i in range(len(xs)):
        out[i] = functions.tanh(xs[i])
    return out


@numba.njit
def exponentials(xs):
    out = np.empty_like(xs)
    for i in range(len(xs)):
        out[i] = functions.exp(xs[i])
    return out


def worst_ulps(got, exact):
    unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    return (np.abs(got.astype(np.float64) - exact) / unit).max()


def every_finite_float32():
    for start in range(0, INFINITY, CHUNK):
        yield np.arange(start, min(start + CHUNK, INFINITY), dtype=np.uint32).view(np.float32)


def test_tanh_is_within_two_units_of_the_last_place(record_property):
    worst = 0.0
    for xs in every_finite_float32():
        got = tangents(xs)
        worst = max(worst, worst_ulps(got, np.tanh(xs.astype(np.float64))))
        np.testing.assert_array_equal(tangents(-xs), -got)
    record_property("largest error in units of the last place", worst)
    print(f"tanh: at most {worst:.3f} units")
    assert worst <= 2


def test_exp_is_within_two_units_down_to_where_it_vanishes(record_property):
    worst = 0.0
    for xs in every_finite_float32():
        got, normal = exponentials(-xs), xs < 87.3
        assert not got[~normal].any()
        if normal.any():
            worst = max(worst, worst_ulps(got[normal], np.exp(-xs[normal].astype(np.float64))))
    record_property("largest error in units of the last place", worst)
    print(f"exp: at most {worst:.3f} units")
    assert worst <= 2
