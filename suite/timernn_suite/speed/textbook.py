"""The plain textbook loop, as a backend: the yardstick that speed is quoted against, and not an example to follow.

It is what an introduction to recurrent networks writes (the structure is that of the RNN language
model in K. Saitoh, "Deep Learning from Scratch 2", O'Reilly Japan, 2018, chapter 5): one layer
object a time step for the embedding and for the recurrence, every product inside the loop, gradients
added up step by step, softmax over the whole vocabulary at once. It checks nothing and does not keep
the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = Any


class RNN:
    """One step, as a layer object."""

    def __init__(self, Wx: Array, Wh: Array, b: Array) -> None:
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache: Any = None

    def forward(self, x: Array, h_prev: Array) -> Array:
        """Take one step."""
        Wx, Wh, b = self.params
        h_next = np.tanh(np.dot(h_prev, Wh) + np.dot(x, Wx) + b)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next: Array) -> tuple[Array, Array]:
        """Go back one step."""
        Wx, Wh, _ = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next**2)
        self.grads[0][...] = np.dot(x.T, dt)
        self.grads[1][...] = np.dot(h_prev.T, dt)
        self.grads[2][...] = np.sum(dt, axis=0)
        return np.dot(dt, Wx.T), np.dot(dt, Wh.T)


class TimeRNN:
    """T steps, each a new `RNN` on the same parameters."""

    def __init__(self, Wx: Array, Wh: Array, b: Array, *, stateful: bool = False) -> None:
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.layers: list[RNN] = []
        self.h: Array = None
        self.dh: Array = None
        self.stateful = stateful

    def forward(self, xs: Array) -> Array:
        """Run the loop forward."""
        Wx, Wh, b = self.params
        N, T, _ = xs.shape
        H = Wh.shape[0]
        self.layers = []
        hs = np.empty((N, T, H), dtype=xs.dtype)
        if not self.stateful or self.h is None:
            self.h = np.zeros((N, H), dtype=xs.dtype)
        for t in range(T):
            layer = RNN(Wx, Wh, b)
            self.h = layer.forward(xs[:, t, :], self.h)
            hs[:, t, :] = self.h
            self.layers.append(layer)
        return hs

    def backward(self, dhs: Array) -> Array:
        """Run the loop backward."""
        N, T, _ = dhs.shape
        dxs = np.empty((N, T, self.params[0].shape[0]), dtype=dhs.dtype)
        dh: Array = 0
        grads = [0, 0, 0]
        for t in reversed(range(T)):
            dx, dh = self.layers[t].backward(dhs[:, t, :] + dh)
            dxs[:, t, :] = dx
            for i, grad in enumerate(self.layers[t].grads):
                grads[i] += grad
        for i, grad in enumerate(grads):
            self.grads[i][...] = grad
        self.dh = dh
        return dxs

    def set_state(self, h: Array) -> None:
        """Start from ``h``."""
        self.h = h

    def reset_state(self) -> None:
        """Start from zeros."""
        self.h = None


class Embedding:
    """The rows of one time step, as a layer object with a gradient of the whole table."""

    def __init__(self, W: Array) -> None:
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.ids: Array = None

    def forward(self, ids: Array) -> Array:
        """Look rows up."""
        self.ids = ids
        return self.params[0][ids]

    def backward(self, dx: Array) -> None:
        """Add gradients up, a row at a time."""
        self.grads[0][...] = 0
        np.add.at(self.grads[0], self.ids, dx)


class TimeEmbedding:
    """T look-ups, each a new `Embedding` on the same table."""

    def __init__(self, W: Array) -> None:
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.layers: list[Embedding] = []

    def forward(self, ids: Array) -> Array:
        """Look every time's rows up."""
        N, T = ids.shape
        W = self.params[0]
        out = np.empty((N, T, W.shape[1]), dtype=W.dtype)
        self.layers = []
        for t in range(T):
            layer = Embedding(W)
            out[:, t, :] = layer.forward(ids[:, t])
            self.layers.append(layer)
        return out

    def backward(self, dxs: Array) -> None:
        """Add every time's gradient of the whole table up."""
        grad: Array = 0
        for t, layer in enumerate(self.layers):
            layer.backward(dxs[:, t, :])
            grad += layer.grads[0]
        self.grads[0][...] = grad


class TimeAffine:
    """One product for all times."""

    def __init__(self, W: Array, b: Array) -> None:
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]
        self.xs: Array = None

    def forward(self, xs: Array) -> Array:
        """Map all times."""
        N, T, _ = xs.shape
        W, b = self.params
        self.xs = xs
        return (np.dot(xs.reshape(N * T, -1), W) + b).reshape(N, T, -1)

    def backward(self, dzs: Array) -> Array:
        """Go back through all times."""
        N, T, _ = dzs.shape
        dz, x = dzs.reshape(N * T, -1), self.xs.reshape(N * T, -1)
        self.grads[0][...] = np.dot(x.T, dz)
        self.grads[1][...] = np.sum(dz, axis=0)
        return np.dot(dz, self.params[0].T).reshape(*self.xs.shape)


class TimeSoftmaxWithLoss:
    """Softmax over all positions at once."""

    def __init__(self, ignore_label: int = -1) -> None:
        self.params: list[Array] = []
        self.grads: list[Array] = []
        self.ignore_label = ignore_label
        self.cache: Any = None

    def forward(self, zs: Array, ts: Array) -> Array:
        """Return the mean loss."""
        N, T, V = zs.shape
        labels = ts.reshape(N * T)
        mask = labels != self.ignore_label
        z = zs.reshape(N * T, V)
        z = z - z.max(axis=1, keepdims=True)
        ys = np.exp(z)
        ys /= ys.sum(axis=1, keepdims=True)
        losses = np.log(ys[np.arange(N * T), labels]) * mask
        self.cache = (labels, ys, mask, (N, T, V))
        return -np.sum(losses) / mask.sum()

    def backward(self, dloss: float = 1.0) -> Array:
        """Return the gradient of the scores."""
        labels, ys, mask, (N, T, V) = self.cache
        dz = ys
        dz[np.arange(N * T), labels] -= 1
        dz *= dloss
        dz /= mask.sum()
        dz *= mask[:, np.newaxis]
        return dz.reshape((N, T, V))


class TextbookBackend:
    """The textbook's layers under the contract's names, so that the same workload runs on them."""

    name = "textbook"
    dtypes: Sequence[str] = ("float32", "float64")
    known_failures: Mapping[str, str] = {}

    def asarray(self, data: Any, dtype: Any = None) -> Array:
        """Copy into a NumPy array."""
        return np.array(data, dtype=dtype)

    def to_numpy(self, array: Array) -> Array:
        """Copy out."""
        return np.array(array)

    def synchronize(self) -> None:
        """Nothing is queued."""

    def describe(self) -> dict[str, Any]:
        """Name the library."""
        return {"library": "numpy", "version": np.__version__, "code": "plain textbook loop"}

    def rnn(self, Wx: Array, Wh: Array, b: Array) -> RNN:
        """Build one step."""
        return RNN(Wx, Wh, b)

    def time_rnn(self, Wx: Array, Wh: Array, b: Array, *, stateful: bool = False) -> TimeRNN:
        """Build the loop."""
        return TimeRNN(Wx, Wh, b, stateful=stateful)

    def time_embedding(self, W: Array) -> TimeEmbedding:
        """Build the embedding."""
        return TimeEmbedding(W)

    def time_affine(self, W: Array, b: Array) -> TimeAffine:
        """Build the output layer."""
        return TimeAffine(W, b)

    def time_softmax_with_loss(self, *, ignore_label: int = -1) -> TimeSoftmaxWithLoss:
        """Build the loss."""
        return TimeSoftmaxWithLoss(ignore_label)

    def clip_gradients(self, grads: Sequence[Array], max_norm: float) -> tuple[list[Array], Array]:
        """Clip by the global norm."""
        norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
        if norm > max_norm:
            for grad in grads:
                grad *= max_norm / norm  # noqa: PLW2901 - in place, as the textbook has it
        return list(grads), norm

    def sgd_update(self, param: Array, grad: Array, *, learning_rate: float) -> Array:
        """Step against the gradient."""
        param -= learning_rate * grad
        return param

    def adam_update(
        self,
        param: Array,
        grad: Array,
        m: Array,
        v: Array,
        *,
        learning_rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
    ) -> tuple[Array, Array, Array]:
        """Take one step of Adam."""
        rate = learning_rate * np.sqrt(1 - beta2**step) / (1 - beta1**step)
        m += (1 - beta1) * (grad - m)
        v += (1 - beta2) * (grad**2 - v)
        param -= rate * m / (np.sqrt(v) + epsilon)
        return param, m, v
