"""The NumPy backend: kernels made fast by reused buffers, ``out=`` and one GEMM for all times.

Inside, arrays are time-major ``(T, N, ·)``: the rows of one time lie together, so each step works on
one contiguous block and all times together are one matrix of ``T·N`` rows without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import threadpoolctl

from timernn.base import ArrayBackend
from timernn.contract import Array
from timernn.layers import Workspace

#: Rows of softmax that are worked on together: few enough that a block of them stays in a core's cache.
_BLOCK_BYTES = 1024 * 1024
#: Elements of a parameter that an optimiser works on together, for the same reason.
_BLOCK_ELEMENTS = 16 * 1024
#: From so many steps on, a transposed copy of Wh pays: BLAS reads a transposed right operand at half speed for small N.
_STEPS_WORTH_A_TRANSPOSE = 4
#: From so many rows on, a step's product with Wx and Wh together is faster than projecting all inputs beforehand.
_ROWS_WORTH_ONE_PRODUCT = 64


class NumpyBackend(ArrayBackend):
    """NumPy with whatever BLAS it was built with."""

    name = "numpy"
    xp = np

    @property
    def array_type(self) -> type:
        """`numpy.ndarray`."""
        return np.ndarray

    def copy(self, array: Array) -> Array:
        """Return a C-contiguous copy in the machine's byte order."""
        return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")

    def quiet(self) -> AbstractContextManager[Any]:
        """Return a context in which NumPy's floating-point warnings are off."""
        return np.errstate(all="ignore")

    def describe(self) -> dict[str, Any]:
        """Return NumPy's version and each BLAS with its kernel and threads."""
        blas = [
            {key: pool.get(key) for key in ("internal_api", "version", "architecture", "num_threads")}
            for pool in threadpoolctl.threadpool_info()
            if pool.get("user_api") == "blas"
        ]
        return {"library": "numpy", "version": np.__version__, "device": "cpu", "blas": blas}

    # -- kernels of the recurrent layers -----------------------------------------------------------

    def time_rnn_forward(
        self, xs: Array, h_prev: Array, *, Wx: Array, Wh: Array, b: Array, workspace: Workspace
    ) -> tuple[Array, Any]:
        """Return ``(hs, cache)``: one GEMM projects the inputs of all times, then one small GEMM and tanh a step.

        Row t of the cache holds ``[x_t, h_{t-1}]`` side by side, as `time_rnn_backward` wants them. A step of many
        rows fills the cores by itself, so there a single product with Wx above Wh saves the pass in between, and
        all that belongs to one time is done while it is in the cache.
        """
        N, T, D = xs.shape
        H = Wh.shape[0]
        joined = workspace.buffer("joined", (T + 1, N, D + H), xs.dtype)
        states = joined[:, :, D:]
        states[0] = h_prev
        step = workspace.buffer("step", (N, H), xs.dtype)
        hs = np.empty((N, T, H), dtype=xs.dtype)
        if N >= _ROWS_WORTH_ONE_PRODUCT:
            W = np.concatenate((Wx, Wh))
            for t in range(T):
                joined[t, :, :D] = xs[:, t]
                np.dot(joined[t], W, out=step)
                np.add(step, b, out=step)
                np.tanh(step, out=step)
                states[t + 1] = step
                hs[:, t] = step
            return hs, joined
        np.copyto(joined[:T, :, :D], xs.transpose(1, 0, 2))
        Wh = _for_blas(Wh)
        projected = workspace.buffer("projected", (T, N, H), xs.dtype)
        np.dot(joined[:T].reshape(T * N, D + H)[:, :D], Wx, out=projected.reshape(T * N, H))
        projected += b
        for before, projection, state in zip(states, projected, states[1:], strict=False):
            np.dot(before, Wh, out=step)
            np.add(step, projection, out=step)
            np.tanh(step, out=state)
        np.copyto(hs, states[1:].transpose(1, 0, 2))
        return hs, joined

    def time_rnn_backward(
        self, dhs: Array, *, cache: Any, Wx: Array, Wh: Array, workspace: Workspace
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Return ``(dxs, dh_prev, dWx, dWh, db)``: one small GEMM a step, then one for both weights and one for dxs."""
        joined = cache
        N, T, H = dhs.shape
        D = joined.shape[2] - H
        states = joined[1:, :, D:]
        Wh_T = Wh.T
        if T >= _STEPS_WORTH_A_TRANSPOSE:
            Wh_T = workspace.buffer("Wh_T", (H, H), dhs.dtype)
            np.copyto(Wh_T, Wh.T)
        by_rows = N >= _ROWS_WORTH_ONE_PRODUCT
        dzs = (_dzs_time_by_time if by_rows else _dzs_of_few_rows)(dhs, states, Wh_T, workspace)
        flat = dzs.reshape(T * N, H)
        dW = workspace.buffer("dW", (D + H, H), dhs.dtype)  # dWx above dWh: one GEMM for both fills the cores better
        np.dot(joined[:T].reshape(T * N, D + H).T, flat, out=dW)
        db = workspace.buffer("db", (H,), dhs.dtype)
        np.add.reduce(flat, axis=0, out=db)
        dinputs = workspace.buffer("dinputs", (T, N, D), dhs.dtype)
        np.dot(flat, Wx.T, out=dinputs.reshape(T * N, D))
        dxs = np.array(dinputs.transpose(1, 0, 2), order="C")  # a copy even of one row, where the transpose is none
        return dxs, np.dot(dzs[0], Wh_T), dW[:D], dW[D:], db

    # -- kernels of the time layers ----------------------------------------------------------------

    def time_embedding_forward(self, ids: Array, *, W: Array) -> Array:
        """Return ``W[ids]``."""
        return W[ids]

    def time_embedding_backward(self, dxs: Array, *, ids: Array, V: int, workspace: Workspace) -> Array:
        """Return ``dW``: equal ids are sorted together and each run of them is summed, in order of occurrence."""
        D = dxs.shape[2]
        dW = workspace.buffer("dW", (V, D), dxs.dtype)
        dW[...] = 0
        flat = ids.reshape(-1)
        order = np.argsort(flat, kind="stable")
        ordered = flat[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        dW[ordered[starts]] = np.add.reduceat(dxs.reshape(-1, D)[order], starts, axis=0)
        return dW

    def time_affine_forward(self, xs: Array, *, W: Array, b: Array, workspace: Workspace) -> tuple[Array, Any]:
        """Return ``(zs, cache)``: one GEMM over all times."""
        N, T, H = xs.shape
        kept = workspace.buffer("xs", (N, T, H), xs.dtype)
        np.copyto(kept, xs)
        zs = np.dot(kept.reshape(N * T, H), W)
        zs += b
        return zs.reshape(N, T, -1), kept

    def time_affine_backward(
        self, dzs: Array, *, xs: Array, W: Array, workspace: Workspace
    ) -> tuple[Array, Array, Array]:
        """Return ``(dxs, dW, db)``: one GEMM each, the bias by a product with ones."""
        N, T, H = xs.shape
        V = W.shape[1]
        flat = np.ascontiguousarray(dzs).reshape(N * T, V)
        dW = workspace.buffer("dW", (H, V), dzs.dtype)
        np.dot(xs.reshape(N * T, H).T, flat, out=dW)
        db = workspace.buffer("db", (V,), dzs.dtype)
        np.dot(np.ones(N * T, dtype=dzs.dtype), flat, out=db)
        return np.dot(flat, W.T).reshape(N, T, H), dW, db

    def time_softmax_with_loss_forward(
        self, zs: Array, ts: Array, *, ignore_label: int, workspace: Workspace
    ) -> tuple[Array, Any]:
        """Return ``(loss, cache)``, a block of rows at a time so that each is read from memory once.

        The losses are summed in float64 and the mean is rounded once.
        """
        N, T, V = zs.shape
        exponentials = workspace.buffer("exponentials", (N * T, V), zs.dtype)
        totals = workspace.buffer("totals", (N * T,), zs.dtype)
        flat = zs.reshape(N * T, V)
        labels = ts.reshape(N * T)
        counts = labels != ignore_label
        columns = np.where(counts, labels, 0)
        scored = np.empty(N * T, dtype=zs.dtype)
        ones = np.ones(V, dtype=zs.dtype)
        rows_at_once = max(1, _BLOCK_BYTES // (V * zs.dtype.itemsize))
        for start in range(0, N * T, rows_at_once):
            rows = slice(start, start + rows_at_once)
            block = exponentials[rows]
            np.subtract(flat[rows], flat[rows].max(axis=1, keepdims=True), out=block)
            scored[rows] = block[np.arange(len(block)), columns[rows]]
            np.exp(block, out=block)
            np.dot(block, ones, out=totals[rows])
        losses = np.log(totals, dtype=np.float64) - scored
        count = max(1, int(np.count_nonzero(counts)))
        loss = zs.dtype.type(losses[counts].sum() / count)
        return loss, (exponentials, totals, counts, columns, count, zs.shape)

    def time_softmax_with_loss_backward(self, dloss: float, *, cache: Any) -> Array:
        """Return ``dzs``: the exponentials scaled to each row's share of the loss, less that share at the label."""
        exponentials, totals, counts, columns, count, shape = cache
        share = exponentials.dtype.type(dloss / count)
        dzs = np.multiply(exponentials, (share / totals)[:, None])
        dzs[np.arange(len(dzs)), columns] -= share
        dzs[~counts] = 0
        return dzs.reshape(shape)

    # -- optimiser kernels, in place ---------------------------------------------------------------

    def clip_gradients(self, grads: Sequence[Array], max_norm: float) -> tuple[list[Array], Array]:
        """Scale ``grads`` in place by ``min(1, max_norm / norm)``."""
        norm = float(np.sqrt(sum(float(np.dot(flat, flat)) for flat in (grad.reshape(-1) for grad in grads))))
        if norm > max_norm:
            for grad in grads:
                np.multiply(grad, max_norm / norm, out=grad)
        return list(grads), norm

    def sgd_update(self, param: Array, grad: Array, *, learning_rate: float) -> Array:
        """Subtract ``learning_rate * grad`` from ``param`` in place."""
        for p, g in _blocks(param, grad):
            np.subtract(p, learning_rate * g, out=p)
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
        """Take one step of Adam in place, a block of elements at a time so that each stays in the cache."""
        # learning_rate * m̂ / (sqrt(v̂) + epsilon), with the two bias corrections drawn out of the arrays
        root = (1 - beta2**step) ** 0.5
        rate = learning_rate * root / (1 - beta1**step)
        for p, g, m_part, v_part in _blocks(param, grad, m, v):
            np.multiply(m_part, beta1, out=m_part)
            scratch = (1 - beta1) * g
            np.add(m_part, scratch, out=m_part)
            np.multiply(v_part, beta2, out=v_part)
            np.multiply(g, g, out=scratch)
            scratch *= 1 - beta2
            np.add(v_part, scratch, out=v_part)
            np.sqrt(v_part, out=scratch)
            scratch += epsilon * root
            np.divide(m_part, scratch, out=scratch)
            scratch *= rate
            np.subtract(p, scratch, out=p)
        return param, m, v


def _dzs_of_few_rows(dhs: Array, states: Array, Wh_T: Array, workspace: Workspace) -> Array:
    """Return the gradients ``dzs (T, N, H)`` before tanh: all slopes at once, as few calls a step as can be."""
    N, T, H = dhs.shape
    slopes = workspace.buffer("projected", (T, N, H), dhs.dtype)  # tanh' = 1 - h²
    np.multiply(states, states, out=slopes)
    np.subtract(1, slopes, out=slopes)
    dzs = workspace.buffer("dzs", (T, N, H), dhs.dtype)
    np.copyto(dzs, dhs.transpose(1, 0, 2))
    step = workspace.buffer("step", (N, H), dhs.dtype)
    dzs[-1] *= slopes[-1]
    for after, dz, slope in zip(dzs[:0:-1], dzs[-2::-1], slopes[-2::-1], strict=True):
        np.dot(after, Wh_T, out=step)
        np.add(step, dz, out=step)
        np.multiply(step, slope, out=dz)
    return dzs


def _dzs_time_by_time(dhs: Array, states: Array, Wh_T: Array, workspace: Workspace) -> Array:
    """Return the same, all that belongs to one time done while it is in the cache: for many rows."""
    N, T, H = dhs.shape
    dzs = workspace.buffer("dzs", (T, N, H), dhs.dtype)
    step = workspace.buffer("step", (N, H), dhs.dtype)
    slope = workspace.buffer("slope", (N, H), dhs.dtype)
    step[...] = 0
    for t in reversed(range(T)):
        np.multiply(states[t], states[t], out=slope)
        np.subtract(1, slope, out=slope)
        np.add(step, dhs[:, t], out=step)
        np.multiply(step, slope, out=dzs[t])
        if t > 0:
            np.dot(dzs[t], Wh_T, out=step)
    return dzs


def _for_blas(matrix: Array) -> Array:
    """Return the matrix in a layout that BLAS reads as it is, so that no step of a loop copies it."""
    return matrix if matrix.flags.c_contiguous or matrix.flags.f_contiguous else np.ascontiguousarray(matrix)


def _blocks(*arrays: Array) -> list[tuple[Array, ...]]:
    """Cut arrays of one shape into matching flat views; a layout that can't be flattened stays whole."""
    if not all(array.flags.c_contiguous for array in arrays):
        return [arrays]
    flat = [array.reshape(-1) for array in arrays]
    starts = range(0, flat[0].size, _BLOCK_ELEMENTS)
    return [tuple(array[start : start + _BLOCK_ELEMENTS] for array in flat) for start in starts]
