"""The float32 functions of the Numba backend: at a sample of all numbers, or with TIMERNN_EVERY_FLOAT32 at each."""

from __future__ import annotations

import os

import numba
import numpy as np

from timernn.numba_kernels import functions

#: Steps between bit patterns. A prime meets every exponent and no pattern of bits.
STEP = 1 if os.environ.get("TIMERNN_EVERY_FLOAT32") else 4001
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


def positive():
    """Yield the numbers from 0 on, some millions at a time."""
    patterns = range(0, INFINITY, STEP)
    for start in range(0, len(patterns), CHUNK):
        some = patterns[start : start + CHUNK]
        yield np.arange(some.start, some.stop, STEP, dtype=np.uint32).view(np.float32)


def ulps(got, exact):
    """Distance in units of the last place of the exact value's float32."""
    return np.abs(got.astype(np.float64) - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)


def test_tanh_is_within_two_units_of_the_last_place():
    worst = 0.0
    for xs in positive():
        got = tangents(xs)
        worst = max(worst, ulps(got, np.tanh(xs.astype(np.float64))).max())
        np.testing.assert_array_equal(tangents(-xs), -got)
    print(f"tanh: at most {worst:.3f} units")
    assert 0 < worst <= 2


def test_tanh_of_what_is_not_finite_and_of_zero():
    got = tangents(np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], np.float32))
    np.testing.assert_array_equal(got, np.array([1, -1, np.nan, 0, -0.0], np.float32))
    assert np.signbit(got[4])


def test_exp_is_within_two_units_down_to_where_it_vanishes():
    worst = 0.0
    for xs in positive():
        got, normal = exponentials(-xs), xs <= np.float32(87.3)  # and at that very number it hasn't vanished yet
        assert not got[~normal].any()
        worst = max([worst, *ulps(got[normal], np.exp(-xs[normal].astype(np.float64))).max(keepdims=True, initial=0.0)])
    print(f"exp: at most {worst:.3f} units")
    assert 0 < worst <= 2
    assert np.isnan(exponentials(np.array([np.nan], np.float32)))[0]
