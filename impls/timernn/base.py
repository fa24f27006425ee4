"""Every kernel once, over an array namespace ``xp``: subclass `ArrayBackend` and override what is slow.

The kernels here read like the equations and write to no array in place, so that they serve any
library with NumPy's names, immutable arrays included. They are pure: every input is named, nothing
is kept but what goes through ``cache`` (made by a forward kernel for its backward kernel) and
``workspace`` (buffers that an override may reuse). They return fresh arrays; only parameter
gradients may live in the workspace. Arguments are checked before, in `timernn.layers`.

In each gradient below, ``dA`` is the derivative of the loss with respect to ``A``, of A's shape.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import numpy as np

from timernn import checks
from timernn.contract import FLOAT_DTYPES, Array
from timernn.layers import RNN, TimeAffine, TimeEmbedding, TimeRNN, TimeSoftmaxWithLoss, Workspace


@functools.cache  # NumPy makes the name anew each time, which takes longer than a small layer's arithmetic
def _native_name(dtype: Any) -> str:
    return str(np.dtype(dtype).newbyteorder("=").name)


class ArrayBackend:
    """A backend over the array library ``xp``.

    A subclass sets ``name`` and ``xp``; a constructor that raises `timernn.contract.BackendUnavailable`
    (or an import that fails) says why it can't run here.
    """

    name: str
    xp: ModuleType
    dtypes: Sequence[str] = FLOAT_DTYPES
    known_failures: Mapping[str, str] = {}

    # -- arrays ------------------------------------------------------------------------------------

    @property
    def array_type(self) -> type:
        """The type that this library's arrays are instances of."""
        return type(self.xp.zeros(1))

    def asarray(self, data: Any, dtype: Any = None) -> Array:
        """Copy ``data`` into an array of this library; ``dtype`` None keeps that of ``data``."""
        return self.xp.asarray(data, dtype=dtype, copy=True)

    def to_numpy(self, array: Array) -> Any:
        """Return a NumPy copy of an array or scalar."""
        return np.array(array)

    def copy(self, array: Array) -> Array:
        """Return a copy that shares no memory."""
        return self.xp.asarray(array, copy=True)

    def dtype_name(self, array: Array) -> str:
        """Return the element type's name, the same for either byte order."""
        return _native_name(array.dtype)

    def native(self, array: Array) -> Array:
        """Return the array in the machine's byte order: itself where it is so already."""
        if np.dtype(array.dtype).isnative:
            return array
        return self.xp.asarray(array, dtype=self.dtype_name(array))

    def quiet(self) -> AbstractContextManager[Any]:
        """Return a context without floating-point warnings: NaN and Inf spread as mathematics says, in silence."""
        return nullcontext()

    def synchronize(self) -> None:
        """Wait until all queued work is done; a library that computes at once has nothing to wait for."""

    def describe(self) -> dict[str, Any]:
        """Return the library's name and version."""
        return {"library": self.xp.__name__, "version": getattr(self.xp, "__version__", "unknown")}

    def check_labels(self, argument: str, ids: Array, *, size: int, ignored: int | None = None) -> None:
        """Raise `timernn.contract.LabelError` if an id is outside ``0 … size-1`` and is not ``ignored``."""
        if ignored is not None:
            ids = self.xp.where(ids == ignored, 0, ids)
        checks.labels_in_range(argument, int(ids.min()), int(ids.max()), size, ignored)

    # -- factories ---------------------------------------------------------------------------------

    def rnn(self, Wx: Array, Wh: Array, b: Array) -> RNN:
        """Build the single step."""
        return RNN(self, Wx, Wh, b)

    def time_rnn(self, Wx: Array, Wh: Array, b: Array, *, stateful: bool = False) -> TimeRNN:
        """Build the block of T steps."""
        return TimeRNN(self, Wx, Wh, b, stateful=stateful)

    def time_embedding(self, W: Array) -> TimeEmbedding:
        """Build the embedding."""
        return TimeEmbedding(self, W)

    def time_affine(self, W: Array, b: Array) -> TimeAffine:
        """Build the affine layer."""
        return TimeAffine(self, W, b)

    def time_softmax_with_loss(self, *, ignore_label: int = -1) -> TimeSoftmaxWithLoss:
        """Build softmax with cross-entropy."""
        return TimeSoftmaxWithLoss(self, ignore_label=ignore_label)

    # -- kernels of the recurrent layers -----------------------------------------------------------

    def rnn_forward(self, x: Array, h_prev: Array, *, Wx: Array, Wh: Array, b: Array) -> Array:
        """Return ``h_next = tanh(h_prev Wh + x Wx + b)`` (N, H)."""
        return self.xp.tanh(h_prev @ Wh + x @ Wx + b)

    def rnn_backward(
        self, dh_next: Array, *, x: Array, h_prev: Array, h_next: Array, Wx: Array, Wh: Array
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Return ``(dx, dh_prev, dWx, dWh, db)``; tanh' is ``1 - h_next²``."""
        dz = dh_next * (1 - h_next * h_next)
        return dz @ Wx.T, dz @ Wh.T, x.T @ dz, h_prev.T @ dz, self.xp.sum(dz, axis=0)

    def time_rnn_forward(
        self, xs: Array, h_prev: Array, *, Wx: Array, Wh: Array, b: Array, workspace: Workspace
    ) -> tuple[Array, Any]:
        """Return ``(hs (N, T, H), cache)`` for ``xs (N, T, D)``, starting from ``h_prev (N, H)``."""
        N, T, D = xs.shape
        states = [self.copy(h_prev)]
        projected = self.xp.reshape(self.xp.reshape(xs, (N * T, D)) @ Wx + b, (N, T, -1))
        for t in range(T):
            states.append(self.xp.tanh(states[-1] @ Wh + projected[:, t]))
        return self.xp.stack(states[1:], axis=1), (self.copy(xs), states)

    def last_state(self, hs: Array, cache: Any) -> Array:
        """Return the state (N, H) after the last step of `time_rnn_forward`, which nothing else holds."""
        return self.copy(hs[:, -1])

    def time_rnn_backward(
        self, dhs: Array, *, cache: Any, Wx: Array, Wh: Array, workspace: Workspace
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Return ``(dxs (N, T, D), dh_prev (N, H), dWx, dWh, db)`` for ``dhs (N, T, H)``."""
        xs, states = cache
        N, T, D = xs.shape
        dh, steps = self.xp.zeros_like(states[0]), []
        for t in reversed(range(T)):
            dz = (dhs[:, t] + dh) * (1 - states[t + 1] * states[t + 1])
            dh = dz @ Wh.T
            steps.append(dz)
        dzs = self.xp.reshape(self.xp.stack(steps[::-1], axis=1), (N * T, -1))
        before = self.xp.reshape(self.xp.stack(states[:-1], axis=1), (N * T, -1))
        dWx = self.xp.reshape(xs, (N * T, D)).T @ dzs
        return self.xp.reshape(dzs @ Wx.T, (N, T, D)), dh, dWx, before.T @ dzs, self.xp.sum(dzs, axis=0)

    # -- kernels of the time layers ----------------------------------------------------------------

    def time_embedding_forward(self, ids: Array, *, W: Array) -> Array:
        """Return the rows ``W[ids]`` (N, T, D)."""
        N, T = ids.shape
        return self.xp.reshape(self.xp.take(W, self.xp.reshape(ids, (-1,)), axis=0), (N, T, -1))

    def time_embedding_backward(self, dxs: Array, *, ids: Array, V: int, workspace: Workspace) -> Array:
        """Return ``dW (V, D)``: the sum of the gradients of each token's occurrences, by a one-hot product."""
        one_hot = self.xp.arange(V)[:, None] == self.xp.reshape(ids, (1, -1))
        return self.xp.where(one_hot, 1, 0).astype(dxs.dtype) @ self.xp.reshape(dxs, (-1, dxs.shape[2]))

    def time_affine_forward(self, xs: Array, *, W: Array, b: Array, workspace: Workspace) -> tuple[Array, Any]:
        """Return ``(zs (N, T, V), cache)``; the cache is a copy of ``xs``, with its shape."""
        N, T, H = xs.shape
        kept = self.copy(xs)
        return self.xp.reshape(self.xp.reshape(kept, (N * T, H)) @ W + b, (N, T, -1)), kept

    def time_affine_backward(
        self, dzs: Array, *, xs: Array, W: Array, workspace: Workspace
    ) -> tuple[Array, Array, Array]:
        """Return ``(dxs (N, T, H), dW, db)``."""
        N, T, H = xs.shape
        flat = self.xp.reshape(dzs, (N * T, -1))
        dW = self.xp.reshape(xs, (N * T, H)).T @ flat
        return self.xp.reshape(flat @ W.T, (N, T, H)), dW, self.xp.sum(flat, axis=0)

    def time_softmax_with_loss_forward(
        self, zs: Array, ts: Array, *, ignore_label: int, workspace: Workspace
    ) -> tuple[Array, Any]:
        """Return ``(loss, cache)``: the mean of ``logsumexp(z) - z[t]`` over the labels that count."""
        xp, V = self.xp, zs.shape[2]
        flat, labels = xp.reshape(zs, (-1, V)), xp.reshape(ts, (-1, 1))
        counts = labels != ignore_label
        is_label = counts & (xp.arange(V)[None, :] == labels)
        shifted = flat - xp.max(flat, axis=1, keepdims=True)
        exponentials = xp.exp(shifted)
        total = xp.sum(exponentials, axis=1, keepdims=True)
        scored = xp.sum(xp.where(is_label, shifted, xp.zeros_like(shifted)), axis=1, keepdims=True)
        losses = xp.where(counts, xp.log(total) - scored, xp.zeros_like(total))
        divisor = xp.sum(xp.where(counts, xp.ones_like(total), xp.zeros_like(total)))
        divisor = xp.where(divisor > 0, divisor, xp.ones_like(divisor))
        return xp.sum(losses) / divisor, (exponentials / total, counts, is_label, divisor, zs.shape)

    def time_softmax_with_loss_backward(self, dloss: float, *, cache: Any) -> Array:
        """Return ``dzs = dloss · (softmax - one-hot label) / count`` (N, T, V), 0 where the label is ignored."""
        probabilities, counts, is_label, divisor, shape = cache
        zeros = self.xp.zeros_like(probabilities)
        dzs = (probabilities - self.xp.where(is_label, zeros + 1, zeros)) * (dloss / divisor)
        return self.xp.reshape(self.xp.where(counts, dzs, zeros), shape)

    # -- optimiser kernels -------------------------------------------------------------------------

    def clip_gradients(self, grads: Sequence[Array], max_norm: float) -> tuple[list[Array], Array]:
        """Scale all of ``grads`` by ``min(1, max_norm / norm)``; return them and the norm of all together."""
        squared = sum(self.xp.sum(grad * grad) for grad in grads)
        norm = squared**0.5
        scale = max_norm / self.xp.where(norm > max_norm, norm, max_norm)
        return [grad * scale for grad in grads], norm

    def sgd_update(self, param: Array, grad: Array, *, learning_rate: float) -> Array:
        """Return ``param - learning_rate * grad``."""
        return param - learning_rate * grad

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
        """Return ``(param, m, v)`` after one step of Adam (Kingma and Ba, ICLR 2015, algorithm 1)."""
        m = beta1 * m + (1 - beta1) * grad
        v = beta2 * v + (1 - beta2) * grad * grad
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        return param - learning_rate * m_hat / (v_hat**0.5 + epsilon), m, v
