"""The oracle: what every layer must compute, written from the equations and sharing no code with a backend.

Each function takes an `Arithmetic`, the exact one by default. `timernn_suite.conformance.support.tolerance`
passes one that rounds at random instead, to learn how far a right answer may lie from the oracle's.
The exact one computes in the longest type of the machine, so that the oracle's own rounding is no
part of a float64 backend's score where there is one beyond float64 (80 bits on x86).
The forward functions accept complex input too, so that `complex_step` can differentiate them by a
road that has nothing in common with the backward functions here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Arithmetic:
    """Exact arithmetic: as exact as the machine's longest floating-point type."""

    def take(self, *arrays: Array) -> list[Array]:
        """Return the inputs in the type that is computed in."""
        return [np.asarray(array, dtype=np.result_type(array, np.longdouble)) for array in arrays]

    def dot(self, a: Array, b: Array) -> Array:
        """Return the matrix product."""
        return a @ b

    def rounded(self, values: Array) -> Array:
        """Return the result of one elementwise operation, as it would be stored."""
        return values

    def tanh(self, values: Array) -> Array:
        """Return the hyperbolic tangent."""
        return np.tanh(values)


EXACT = Arithmetic()


def time_rnn_forward(xs: Array, h0: Array, Wx: Array, Wh: Array, b: Array, ar: Arithmetic = EXACT) -> Array:
    """Return the states h_0 … h_T, stacked as (T+1, N, H), for ``xs (N, T, D)`` and ``h0 (N, H)``."""
    xs, h0, Wx, Wh, b = ar.take(xs, h0, Wx, Wh, b)
    states = [h0]
    for t in range(xs.shape[1]):
        total = ar.rounded(ar.dot(states[-1], Wh) + ar.dot(xs[:, t], Wx))
        states.append(ar.tanh(ar.rounded(total + b)))
    return np.stack(states)


def time_rnn_backward(
    dhs: Array, xs: Array, states: Array, Wx: Array, Wh: Array, ar: Arithmetic = EXACT
) -> dict[str, Array]:
    """Return the gradients ``dxs, dh, dWx, dWh, db`` of Σ dhs·hs, by the chain rule from the last step to the first."""
    dhs, xs, states, Wx, Wh = ar.take(dhs, xs, states, Wx, Wh)
    N, T, D = xs.shape
    H = len(Wh)
    dxs, dzs, dh = np.zeros_like(xs), np.zeros_like(dhs), np.zeros_like(states[0])
    for t in range(T - 1, -1, -1):
        h = states[t + 1]
        slope = ar.rounded(1.0 - ar.rounded(h * h))
        dzs[:, t] = ar.rounded(ar.rounded(dhs[:, t] + dh) * slope)
        dh = ar.dot(dzs[:, t], Wh.T)
        dxs[:, t] = ar.dot(dzs[:, t], Wx.T)
    rows = dzs.reshape(N * T, H)
    before = states[:-1].transpose(1, 0, 2).reshape(N * T, H)
    return {
        "dxs": dxs,
        "dh": dh,
        "dWx": ar.dot(xs.reshape(N * T, D).T, rows),
        "dWh": ar.dot(before.T, rows),
        "db": ar.dot(np.ones(N * T), rows),
    }


def time_rnn(
    xs: Array, h0: Array, Wx: Array, Wh: Array, b: Array, dhs: Array, ar: Arithmetic = EXACT
) -> dict[str, Array]:
    """Return ``hs (N, T, H)`` and all gradients of one block."""
    states = time_rnn_forward(xs, h0, Wx, Wh, b, ar)
    return {"hs": states[1:].transpose(1, 0, 2)} | time_rnn_backward(dhs, xs, states, Wx, Wh, ar)


def time_embedding(W: Array, ids: Array, dxs: Array, ar: Arithmetic = EXACT) -> dict[str, Array]:
    """Return ``xs`` and ``dW``; a row of ``dW`` is the sum over the places where its id stands."""
    W, dxs = ar.take(W, dxs)
    flat, rows = ids.ravel(), dxs.reshape(ids.size, W.shape[1])
    dW = np.zeros_like(W)
    for v in np.unique(flat):
        places = rows[flat == v]
        dW[v] = ar.dot(np.ones(len(places)), places)
    return {"xs": W[ids], "dW": dW}


def time_affine(xs: Array, W: Array, b: Array, dzs: Array, ar: Arithmetic = EXACT) -> dict[str, Array]:
    """Return ``zs`` and the gradients ``dxs, dW, db``."""
    xs, W, b, dzs = ar.take(xs, W, b, dzs)
    N, T, H = xs.shape
    V = len(b)
    rows, drows = xs.reshape(N * T, H), dzs.reshape(N * T, V)
    return {
        "zs": ar.rounded(ar.dot(rows, W) + b).reshape(N, T, V),
        "dxs": ar.dot(drows, W.T).reshape(N, T, H),
        "dW": ar.dot(rows.T, drows),
        "db": ar.dot(np.ones(N * T), drows),
    }


def time_softmax_with_loss(
    zs: Array, ts: Array, ignore_label: int = -1, dloss: float = 1.0, ar: Arithmetic = EXACT
) -> dict[str, Array]:
    """Return ``loss`` (mean over the labels that count) and its gradient ``dzs``, times ``dloss``.

    The maximum that is taken off is that of the real part, so that a complex step passes through.
    """
    (zs,) = ar.take(zs)
    V = zs.shape[2]
    rows, labels = zs.reshape(ts.size, V), ts.ravel()
    counted = np.flatnonzero(labels != ignore_label)
    dzs = np.zeros_like(rows)
    if len(counted) == 0:
        return {"loss": np.zeros(()), "dzs": dzs.reshape(zs.shape)}
    kept, targets = rows[counted], labels[counted]
    shifted = ar.rounded(kept - kept.real.max(axis=1, keepdims=True))
    exponentials = ar.rounded(np.exp(shifted))
    totals = ar.dot(exponentials, np.ones(V))
    picked = shifted[np.arange(len(counted)), targets]
    losses = ar.rounded(ar.rounded(np.log(totals)) - picked)
    gradient = ar.rounded(exponentials / totals[:, None])
    gradient[np.arange(len(counted)), targets] -= 1.0
    dzs[counted] = ar.rounded(gradient * (dloss / len(counted)))
    return {"loss": ar.rounded(ar.dot(np.ones(len(counted)), losses) / len(counted)), "dzs": dzs.reshape(zs.shape)}


def clip_gradients(grads: Sequence[Array], max_norm: float, ar: Arithmetic = EXACT) -> dict[str, Array]:
    """Return the clipped gradients as ``0``, ``1``, …, and ``norm``, the l2 norm over all of them before clipping."""
    taken = ar.take(*grads)
    whole = np.concatenate([grad.ravel() for grad in taken])
    norm = ar.rounded(np.sqrt(ar.dot(whole, whole)))
    scale = ar.rounded(max_norm / norm) if norm > max_norm else 1.0
    return {str(index): ar.rounded(grad * scale) for index, grad in enumerate(taken)} | {"norm": norm}


def sgd_update(param: Array, grad: Array, learning_rate: float, ar: Arithmetic = EXACT) -> dict[str, Array]:
    """Return ``param`` after one step of gradient descent."""
    param, grad = ar.take(param, grad)
    return {"param": ar.rounded(param - ar.rounded(learning_rate * grad))}


def adam(
    param: Array,
    grads: Sequence[Array],
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    ar: Arithmetic = EXACT,
) -> dict[str, Array]:
    """Return ``param``, ``m`` and ``v`` after one step of Adam for each of ``grads``, from moments of zero.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.
    """
    param, *taken = ar.take(param, *grads)
    m, v = np.zeros_like(param), np.zeros_like(param)
    for step, grad in enumerate(taken, start=1):
        m = ar.rounded(ar.rounded(beta1 * m) + ar.rounded((1 - beta1) * grad))
        v = ar.rounded(ar.rounded(beta2 * v) + ar.rounded((1 - beta2) * ar.rounded(grad * grad)))
        m_hat, v_hat = ar.rounded(m / (1 - beta1**step)), ar.rounded(v / (1 - beta2**step))
        change = ar.rounded(learning_rate * m_hat / ar.rounded(ar.rounded(np.sqrt(v_hat)) + epsilon))
        param = ar.rounded(param - change)
    return {"param": param, "m": m, "v": v}


def complex_step(function: Callable[[Array], Array], at: Array, step: float = 1e-30) -> Array:
    """Return the gradient of a real scalar ``function`` by Im f(x + ih) / h: exact to rounding, nothing cancels.

    Source: W. Squire and G. Trapp, "Using Complex Variables to Estimate Derivatives of Real
    Functions", SIAM Review 40(1), 1998.
    """
    gradient = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        moved = at.astype(complex)
        moved[place] += 1j * step
        gradient[place] = np.imag(function(moved)) / step
    return gradient
