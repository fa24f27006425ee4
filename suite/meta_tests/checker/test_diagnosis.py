"""What a failure says: which tensor, how far off, where, and what that usually means."""

from __future__ import annotations

import numpy as np
import pytest

from timernn_suite.check import judge
from timernn_suite.conformance.support.diagnosis import hints

FAULTS = """
import numpy as np

from timernn.base import ArrayBackend


class Loops(ArrayBackend):
    name, xp = "loops", np
    slope_error, cut_at, rounded_to, bias_factor = 0.0, None, None, 1

    def time_rnn_forward(self, xs, h_prev, *, Wx, Wh, b, workspace):
        states = [h_prev.copy()]
        for t in range(xs.shape[1]):
            h = np.tanh(states[-1] @ Wh + xs[:, t] @ Wx + b)
            states.append(h if self.rounded_to is None else h.astype(self.rounded_to).astype(h.dtype))
        return np.stack(states[1:], axis=1), (xs.copy(), states)

    def time_rnn_backward(self, dhs, *, cache, Wx, Wh, workspace):
        xs, states = cache
        T = xs.shape[1]
        dxs, dh = np.empty_like(xs), np.zeros_like(states[0])
        dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wx[0])
        for t in reversed(range(T)):
            if self.cut_at is not None and T - 1 - t == self.cut_at:
                dh = 0 * dh
            slope = (1 - states[t + 1] ** 2) * dhs.dtype.type(1 + self.slope_error)
            dz = (dhs[:, t] + dh) * slope
            dh, dxs[:, t] = dz @ Wh.T, dz @ Wx.T
            dWx += xs[:, t].T @ dz
            dWh += states[t].T @ dz
            db += self.bias_factor * dz.sum(axis=0)
        return dxs, dh, dWx, dWh, db


class Half(Loops):
    rounded_to = np.float16


class Single(Loops):
    rounded_to = np.float32


class Slope(Loops):
    slope_error = 1e-4


class Cut(Loops):
    cut_at = 20


class Bias(Loops):
    bias_factor = 2


class Zero(Loops):
    def time_rnn_backward(self, dhs, **rest):
        dxs, dh, *grads = super().time_rnn_backward(dhs, **rest)
        return 0 * dxs, dh, *grads


class Rows(Loops):
    def time_rnn_forward(self, xs, h_prev, **rest):
        hs, cache = super().time_rnn_forward(xs, h_prev, **rest)
        hs[2] *= 1 + np.arange(hs.shape[-1], dtype=hs.dtype)
        return hs, cache


class Swapped(Loops):
    def time_rnn_forward(self, xs, h_prev, **rest):
        hs, cache = super().time_rnn_forward(xs, h_prev, **rest)
        return hs, cache

    def time_rnn_backward(self, dhs, **rest):
        dxs, *others = super().time_rnn_backward(dhs, **rest)
        return dxs.swapaxes(0, 1), *others
"""
FIRST_LINES = {
    "Half": "wrong: hs, dxs, dh, dWx, dWh, db; right: none: begin with the forward pass, gradients follow from it",
    "Slope": "wrong: dxs, dh, dWx, dWh, db; right: hs: the forward pass is right, so the fault is in backward",
    "Cut": "wrong: dxs, dh, dWx, dWh, db; right: hs: the forward pass is right, so the fault is in backward",
    "Bias": "wrong: db; right: hs, dxs, dh, dWx, dWh: the forward pass is right, so the fault is in backward",
}
MEANINGS = {
    "Half": "errors of the size of numbers of 11 bits, as float16 and TF32 have",
    "Slope": "a derivative or a constant is slightly off",
    "Cut": "it is right at times 15 to 34 and wrong before: the gradient doesn't go back over more than 20 steps",
    "Bias": "it is the oracle's times 2: a wrong divisor, a sum taken twice, or a mean where a sum belongs",
    "Zero": "it is zero throughout",
    "Rows": "only rows [2] of 7 are wrong",
    "Swapped": "dxs: shape (35, 7, 13), must be (7, 35, 13): are its axes in order?",
}


@pytest.fixture
def message(write_backend):
    """Return a function that judges a faulty backend on one shape and returns what the failure says."""
    write_backend("diagnosed", FAULTS)

    def judged(backend, dtype="float32"):
        card = judge(f"diagnosed:{backend}", keyword=f"test_time_rnn and 7x35x13x19x101 and {dtype}")
        (failure,) = card.failures
        return failure.message

    return judged


@pytest.mark.parametrize("backend", MEANINGS)
def test_a_failure_says_what_it_usually_means(message, backend):
    said = message(backend)
    assert MEANINGS[backend] in said
    if backend in FIRST_LINES:
        assert said.splitlines()[0] == FIRST_LINES[backend]


def test_a_failure_says_which_tensor_how_far_off_and_where(message):
    lines = message("Cut").splitlines()
    (line,) = [line for line in lines if line.startswith("dxs:")]
    assert "s = 2.6" in line
    assert "e+06, and up to 8 passes: worst at [2, 14, 11], where it is -0.187" in line
    assert "and the oracle 0.865" in line


def test_single_precision_inside_a_double_is_recognised(message):
    assert "errors of the size of float32" in message("Single", "float64")


def test_what_is_not_finite_is_counted():
    got = np.ones((2, 5))
    got[0, 0] = np.nan
    (said,) = hints("dWh", got, np.ones((2, 5)), ~np.isfinite(got), "float32")
    assert said.startswith("10.0% of it is not finite")


def test_times_from_which_no_gradient_comes_are_no_sign_of_a_cut():
    want = np.zeros((2, 5, 3))
    want[:, :3] = np.random.default_rng(0).normal(size=(2, 3, 3))
    wrong = np.zeros_like(want, dtype=bool)
    wrong[:, :3] = True
    assert not any("doesn't go back" in said for said in hints("dxs", 1.5 * want, want, wrong, "float32"))
    want[:, 3:] = 1.0
    assert any("doesn't go back" in said for said in hints("dxs", 1.5 * want, want, wrong, "float32"))
