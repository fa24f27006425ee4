"""The tolerance: what right arithmetic scores, and how far above the limit each small fault lies."""

from __future__ import annotations

import numpy as np
import pytest

from timernn_suite.conformance.support import answers
from timernn_suite.conformance.support.cases import LARGEST_JACOBIAN_PRODUCT, SIZES, Sizes, draw
from timernn_suite.conformance.support.tolerance import LIMIT, Expected

LONG = (Sizes(7, 35, 13, 19, 101), Sizes(20, 35, 32, 48, 64))


def block(case, *, slope_error=0.0, rounded_to=None, cut_at=None, from_state=True):
    """Compute a block step by step in the case's own element type, with a fault if one is asked for.

    ``slope_error`` is a relative error of tanh', ``rounded_to`` the type that each state is stored in,
    ``cut_at`` the number of steps that the gradient goes back.
    """
    xs, Wx, Wh, b, dhs = case.xs, case.Wx, case.Wh, case.b, case.dhs
    T = xs.shape[1]
    one = xs.dtype.type(1)
    states = [case.h0 if from_state else np.zeros_like(case.h0)]
    for t in range(T):
        h = np.tanh(states[-1] @ Wh + xs[:, t] @ Wx + b)
        states.append(h if rounded_to is None else h.astype(rounded_to).astype(h.dtype))
    dxs, dh = np.empty_like(xs), np.zeros_like(case.h0)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    for t in reversed(range(T)):
        if cut_at is not None and T - 1 - t == cut_at:
            dh = np.zeros_like(dh)
        dz = (dhs[:, t] + dh) * (one - states[t + 1] * states[t + 1]) * xs.dtype.type(1 + slope_error)
        dxs[:, t], dh = dz @ Wx.T, dz @ Wh.T
        dWx += xs[:, t].T @ dz
        dWh += states[t].T @ dz
        db += dz.sum(axis=0)
    return {"hs": np.stack(states[1:], axis=1), "dxs": dxs, "dh": dh, "dWx": dWx, "dWh": dWh, "db": db}


def worst(expected, got):
    assert got.keys() == expected.values.keys()
    return max(expected.score(name, value) for name, value in got.items())


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_arithmetic_stays_within_the_limit(sizes, dtype):
    expected = answers.block(draw(sizes, dtype))
    assert worst(expected, block(draw(sizes, dtype))) < LIMIT


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_right_single_precision_scores_below_4(sizes):
    assert worst(answers.block(draw(sizes, "float32")), block(draw(sizes, "float32"))) < 4


FAULTS = {
    "tanh' off by 1e-4": ({"slope_error": 1e-4}, 70),
    "states in float16": ({"rounded_to": np.float16}, 400),
    "gradient cut at 20 of 35 steps": ({"cut_at": 20}, 1e5),
    "initial state lost": ({"from_state": False}, 1e5),
}


@pytest.mark.parametrize("sizes", LONG, ids=str)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_small_fault_scores_far_above_the_limit(fault, sizes):
    how, least = FAULTS[fault]
    expected = answers.block(draw(sizes, "float32"))
    assert worst(expected, block(draw(sizes, "float32"), **how)) > least > LIMIT


def test_single_precision_passed_off_as_double_scores_millions():
    sizes = LONG[0]
    wide = draw(sizes, "float64")
    names = ("xs", "h0", "Wx", "Wh", "b", "dhs")
    narrow = type(wide)(**{**vars(wide), **{name: getattr(wide, name).astype(np.float32) for name in names}})
    got = {name: value.astype(np.float64) for name, value in block(narrow).items()}
    assert worst(answers.block(draw(sizes, "float64")), got) > 1e6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_element_that_is_not_finite_scores_infinity(bad):
    expected = answers.block(draw(SIZES[1], "float64"))
    spoilt = expected.values["dxs"].astype(np.float64)
    assert expected.score("dxs", spoilt) < 1.0
    spoilt[0, 3, 1] = bad
    assert expected.score("dxs", spoilt) == np.inf


@pytest.mark.parametrize("change", [np.ravel, lambda a: a[None], lambda a: a[:, :-1], lambda a: a.swapaxes(0, 1)])
def test_another_shape_scores_infinity(change):
    expected = answers.block(draw(SIZES[1], "float64"))
    assert expected.score("dxs", change(expected.values["dxs"])) == np.inf


def test_a_shape_that_would_broadcast_scores_infinity():
    expected = Expected(lambda ar: {"loss": np.ones((2, 3))}, "float64")
    assert expected.score("loss", np.ones((1, 3))) == np.inf
    assert expected.score("loss", np.ones(())) == np.inf


def test_an_exact_cancellation_is_no_infinite_demand():
    """The oracle has an exact zero whose spread is none; a right answer may be off by a rounding of its neighbours."""
    a = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    b = np.array([[1.0], [-1.0], [1.0]])
    exact = Expected(lambda ar: {"y": a @ b}, "float32")
    assert exact.values["y"][0, 0] == 0.0
    assert exact.score("y", a @ b + 2.0**-24) < LIMIT
    assert exact.score("y", a @ b + 1e-4) > LIMIT


def test_a_tensor_of_zeros_passes_only_as_zeros():
    zeros = Expected(lambda ar: {"y": ar.dot(np.zeros((2, 2)), np.ones((2, 2)))}, "float32")
    assert zeros.score("y", np.zeros((2, 2))) == 0.0
    assert zeros.score("y", np.full((2, 2), 1e-12)) > LIMIT


def test_the_same_question_has_the_same_spread():
    case, ask = draw(SIZES[1], "float32"), answers.block.__wrapped__
    one, same = ask(case), ask(case)
    for name, spread in one.spread.items():
        np.testing.assert_array_equal(same.spread[name], spread)
        assert (spread > 0).all()


def test_the_message_says_where_it_is_worst_and_by_how_much():
    expected = answers.block(draw(SIZES[1], "float64"))
    spoilt = expected.values["dxs"].copy()
    spoilt[0, 3, 1] += 0.5
    message = expected.explain("dxs", spoilt)
    assert message.startswith("dxs: s = ")
    assert "worst at [0, 3, 1], where it is" in message
    assert "it is wrong only at times [3] of 7" in message
    assert "shape (7, 3), must be (1, 7, 3)" in expected.explain("dxs", spoilt[0])


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_no_draw_is_chaotic(sizes, gain):
    """Two runs that start 1e-8 apart end no further apart than the largest product of Jacobians allows."""
    case = draw(sizes, "float64", gain)
    moved = type(case)(**{**vars(case), "h0": case.h0 + 1e-8})
    apart = np.linalg.norm((block(moved)["hs"] - block(case)["hs"])[:, -1], axis=1).max()
    assert apart <= 1.01 * LARGEST_JACOBIAN_PRODUCT * 1e-8 * np.sqrt(sizes.H)
