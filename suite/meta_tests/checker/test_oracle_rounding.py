"""The oracle's roundings, of which the tolerance is made: each operation that an implementation rounds is rounded."""

from __future__ import annotations

import numpy as np
import pytest

from timernn_suite.conformance.support import oracle


class Stored(oracle.Arithmetic):
    """Arithmetic that stores every result in float32, as an implementation in float32 does, and carries it in float64.

    +, -, *, / and the square root of two such numbers, taken in float64 and stored, are float32's own to the last
    bit. What reaches a product or tanh without having been stored is an operation that was never rounded.
    """

    def take(self, *arrays):
        return [array.astype(np.float32).astype(np.float64) for array in arrays]

    def rounded(self, values):
        return values.astype(np.float32).astype(np.float64)

    def dot(self, a, b):
        return (self.stored(a) @ self.stored(b)).astype(np.float64)

    def tanh(self, values):
        return np.tanh(self.stored(values)).astype(np.float64)

    def stored(self, values):
        narrow = values.astype(np.float32)
        np.testing.assert_array_equal(narrow, values, err_msg="used without having been rounded")
        return narrow


def single(*arrays):
    return tuple(array.astype(np.float32) for array in arrays)


def block_in_single_precision(xs, h0, Wx, Wh, b, dhs):
    (N, T, D), H = xs.shape, len(b)
    states, dzs, dxs, dh = [h0], np.zeros_like(dhs), np.zeros_like(xs), np.zeros_like(h0)
    for t in range(T):
        states.append(np.tanh(states[-1] @ Wh + xs[:, t] @ Wx + b))
    for t in reversed(range(T)):
        dzs[:, t] = (dhs[:, t] + dh) * (1 - states[t + 1] * states[t + 1])
        dh, dxs[:, t] = dzs[:, t] @ Wh.T, dzs[:, t] @ Wx.T
    rows, before = dzs.reshape(N * T, H), np.stack(states[:-1], axis=1).reshape(N * T, H)
    grads = {"dWx": xs.reshape(N * T, D).T @ rows, "dWh": before.T @ rows, "db": np.ones(N * T, np.float32) @ rows}
    return {"hs": np.stack(states[1:], axis=1), "dxs": dxs, "dh": dh} | grads


def affine_in_single_precision(xs, W, b, dzs):
    N, T, H = xs.shape
    rows, drows = xs.reshape(N * T, H), dzs.reshape(N * T, -1)
    back = {"dxs": (drows @ W.T).reshape(N, T, H), "dW": rows.T @ drows, "db": np.ones(N * T, np.float32) @ drows}
    return {"zs": (rows @ W + b).reshape(*dzs.shape)} | back


def loss_in_single_precision(zs, ts, share):
    """Return the mean loss over all labels; exp and log are taken in float64, as float32's may be off by a bit."""
    V = zs.shape[2]
    rows, places = zs.reshape(-1, V), (np.arange(ts.size), ts.reshape(-1))
    shifted = rows - rows.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted.astype(np.float64)).astype(np.float32)
    totals = exponentials @ np.ones(V, np.float32)
    losses = np.log(totals.astype(np.float64)).astype(np.float32) - shifted[places]
    gradient = (exponentials / totals[:, None]).astype(np.float64)
    gradient[places] -= 1  # not rounded by the oracle either: the tolerance is so much the stricter
    loss = (np.ones(ts.size, np.float32) @ losses) / np.float32(ts.size)
    return {"loss": loss, "dzs": (gradient * share).astype(np.float32).reshape(zs.shape)}


def adam_in_single_precision(param, grads, learning_rate, beta1, beta2, epsilon):
    m = v = np.zeros_like(param)
    for step, grad in enumerate(grads, start=1):
        m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * (grad * grad)
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        param = param - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return {"param": param, "m": m, "v": v}


def ask_the_block(ar):
    N, T, D, H = 3, 11, 4, 5
    random = np.random.default_rng(8)
    shapes = ((N, T, D), (N, H), (D, H), (H, H), (H,), (N, T, H))
    arrays = single(*(0.6 * random.normal(size=shape) for shape in shapes))
    return oracle.time_rnn(*arrays, ar), block_in_single_precision(*arrays)


def ask_the_affine_layer(ar):
    random = np.random.default_rng(9)
    arrays = single(*(random.normal(size=shape) for shape in ((3, 5, 4), (4, 6), (6,), (3, 5, 6))))
    return oracle.time_affine(*arrays, ar), affine_in_single_precision(*arrays)


def ask_the_loss(ar):
    """Ask for a mean over a number that is no power of two, and for single losses, which no mean blurs."""
    random, got, want = np.random.default_rng(10), {}, {}
    for index, shape in enumerate([(4, 7), *[(1, 1)] * 40]):
        (zs,), ts = single(3 * random.normal(size=(*shape, 7))), random.integers(0, 7, shape)
        answer = oracle.time_softmax_with_loss(zs, ts, dloss=0.75, ar=ar)
        got |= {f"{name} {index}": value for name, value in answer.items()}
        plain = loss_in_single_precision(zs, ts, 0.75 / ts.size)
        want |= {f"{name} {index}": value for name, value in plain.items()}
    return got, want


def ask_the_embedding(ar):
    random = np.random.default_rng(11)
    (W, dxs), ids = single(random.normal(size=(5, 3)), random.normal(size=(2, 9, 3))), random.integers(0, 5, (2, 9))
    sums = [np.ones(np.count_nonzero(ids == v), np.float32) @ dxs[ids == v] for v in range(5)]
    return oracle.time_embedding(W, ids, dxs, ar), {"xs": W[ids], "dW": np.stack(sums)}


def ask_clipping(ar):
    grads = single(*np.random.default_rng(12).normal(size=(4, 4, 9)))
    whole = np.concatenate([grad.reshape(-1) for grad in grads])
    norm = np.sqrt(whole @ whole)
    clipped = {str(index): grad * (np.float32(1.5) / norm) for index, grad in enumerate(grads)}
    return oracle.clip_gradients(grads, 1.5, ar), clipped | {"norm": norm}


def ask_gradient_descent(ar):
    param, grad = single(*np.random.default_rng(13).normal(size=(2, 4, 9)))
    return oracle.sgd_update(param, grad, 0.3125, ar), {"param": param - np.float32(0.3125) * grad}


def ask_adam(ar):
    """Ask with numbers that float32 holds, and steps beside which the parameters are small.

    The learning rate is a power of two: the oracle does not round its product, and the tolerance is so much stricter.
    """
    param, *grads = single(*np.random.default_rng(14).normal(size=(5, 12, 13)))
    rates = {"learning_rate": 4.0, "beta1": 0.8125, "beta2": 0.6875, "epsilon": 0.0625}
    return oracle.adam(param / 64, grads, ar=ar, **rates), adam_in_single_precision(param / 64, grads, **rates)


QUESTIONS = [
    ask_the_block, ask_the_affine_layer, ask_the_loss, ask_the_embedding, ask_clipping, ask_gradient_descent, ask_adam,
]  # fmt: skip


@pytest.mark.parametrize("ask", QUESTIONS)
def test_every_operation_that_an_implementation_rounds_is_rounded(ask):
    """The tolerance is made of these roundings: one that is left out makes it too narrow for a right answer."""
    got, want = ask(Stored())
    assert got.keys() == want.keys()
    for name, value in want.items():
        assert value.dtype == np.float32, name
        np.testing.assert_array_equal(got[name], value, err_msg=name)
