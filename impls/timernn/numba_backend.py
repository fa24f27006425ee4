"""The Numba backend: the layers' products and loops compiled, on one pool of threads, without BLAS."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from timernn.contract import Array
from timernn.layers import Workspace
from timernn.numba_kernels import gemm, recurrent, timewise
from timernn.numba_kernels.caching import compile_seconds
from timernn.numba_kernels.simd import PANEL_BYTES, VECTOR_BYTES
from timernn.numpy_backend import NumpyBackend

#: Multiply-adds below which a second thread costs more than it gives.
_WORTH_A_THREAD = 100_000


class NumbaBackend(NumpyBackend):
    """Numba on NumPy arrays."""

    name = "numba"

    def describe(self) -> dict[str, Any]:
        """Return versions, threads, the vectors' width, and the seconds that each kernel took to compile or to load."""
        return {
            "library": "numba",
            "version": numba.__version__,
            "numpy": np.__version__,
            "device": "cpu",
            "threads": numba.get_num_threads(),
            "vector_bytes": VECTOR_BYTES,
            "compile_seconds": {name: round(seconds, 3) for name, seconds in sorted(compile_seconds.items())},
        }

    # -- kernels of the recurrent layers -----------------------------------------------------------

    def rnn_forward(self, x: Array, h_prev: Array, *, Wx: Array, Wh: Array, b: Array) -> Array:
        """Return ``h_next``: a block of one step."""
        hs, _ = self.time_rnn_forward(x[:, None], h_prev, Wx=Wx, Wh=Wh, b=b, workspace=Workspace(self))
        return hs[:, 0]

    def rnn_backward(
        self, dh_next: Array, *, x: Array, h_prev: Array, h_next: Array, Wx: Array, Wh: Array
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Return ``(dx, dh_prev, dWx, dWh, db)``: those of a block of one step."""
        cache = x[:, None], np.stack((h_prev, h_next), axis=1)
        dxs, *others = self.time_rnn_backward(dh_next[:, None], cache=cache, Wx=Wx, Wh=Wh, workspace=Workspace(self))
        dh_prev, dWx, dWh, db = others
        return dxs[:, 0], dh_prev, dWx, dWh, db

    def time_rnn_forward(
        self, xs: Array, h_prev: Array, *, Wx: Array, Wh: Array, b: Array, workspace: Workspace
    ) -> tuple[Array, Any]:
        """Return ``(hs, cache)``; see `timernn.numba_kernels.recurrent`."""
        N, T, D = xs.shape
        H, dtype = Wh.shape[0], xs.dtype
        kept = workspace.buffer("kept", (N, T, D), dtype)
        states = workspace.buffer("states", (N, T + 1, H), dtype)
        states[:, 0] = h_prev
        bias = workspace.buffer("bias", (H + PANEL_BYTES,), dtype)  # with room behind it for a panel
        bias[:H] = b
        hs = np.empty((N, T, H), dtype=dtype)
        parts = _parts(N * T * H * (D + H))
        inputs, memory = (_c(xs), _c(Wx), _c(Wh), bias), _memory(H, parts, dtype, workspace)
        recurrent.forward(parts, dtype, N, T, D, H, *inputs, kept, states, hs, *memory)
        return hs, (kept, states)

    def time_rnn_backward(
        self, dhs: Array, *, cache: Any, Wx: Array, Wh: Array, workspace: Workspace
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Return ``(dxs, dh_prev, dWx, dWh, db)``."""
        kept, states = cache
        N, T, D = kept.shape
        H, dtype = Wh.shape[0], dhs.dtype
        dxs, dh_prev = np.empty((N, T, D), dtype=dtype), np.empty((N, H), dtype=dtype)
        dWx, dWh = workspace.buffer("dWx", (D, H), dtype), workspace.buffer("dWh", (H, H), dtype)
        db, dzs = workspace.buffer("db", (H,), dtype), workspace.buffer("dzs", (N, T, H), dtype)
        zeros = np.zeros(max(D, H) + PANEL_BYTES, dtype=dtype)
        parts = _parts(N * T * H * (D + H))
        inputs, memory = (_c(dhs), _c(Wx), _c(Wh), zeros, _c(kept), _c(states)), _memory(H, parts, dtype, workspace)
        recurrent.backward(parts, dtype, N, T, D, H, *inputs, dzs, dxs, dh_prev, dWx, dWh, db, *memory)
        return dxs, dh_prev, dWx, dWh, db

    # -- kernels of the time layers ----------------------------------------------------------------

    def time_embedding_backward(self, dxs: Array, *, ids: Array, V: int, workspace: Workspace) -> Array:
        """Return ``dW``."""
        D = dxs.shape[2]
        dW = workspace.buffer("dW", (V, D), dxs.dtype)
        ids = _c(ids).astype(np.intp, copy=False)
        timewise.embedding_backward(_parts(V * D), dxs.dtype, ids.size, D, V, _c(dxs), ids, dW)
        return dW

    def time_affine_forward(self, xs: Array, *, W: Array, b: Array, workspace: Workspace) -> tuple[Array, Any]:
        """Return ``(zs, cache)``."""
        N, T, H = xs.shape
        V, dtype = W.shape[1], xs.dtype
        kept = workspace.buffer("xs", (N, T, H), dtype)
        bias = workspace.buffer("bias", (V + PANEL_BYTES,), dtype)
        bias[:V] = b
        zs = np.empty((N, T, V), dtype=dtype)
        parts = _parts(N * T * H * V)
        scratch = workspace.buffer("scratch", (parts * gemm.SCRATCH,), dtype)
        timewise.affine_forward(parts, dtype, N * T, H, V, _c(xs), _c(W), bias, kept, zs, scratch)
        return zs, kept

    def time_affine_backward(
        self, dzs: Array, *, xs: Array, W: Array, workspace: Workspace
    ) -> tuple[Array, Array, Array]:
        """Return ``(dxs, dW, db)``."""
        N, T, H = xs.shape
        V, dtype = W.shape[1], dzs.dtype
        dxs = np.empty((N, T, H), dtype=dtype)
        dW, db = workspace.buffer("dW", (H, V), dtype), workspace.buffer("db", (V,), dtype)
        zeros = np.zeros(max(H, V) + PANEL_BYTES, dtype=dtype)
        parts = _parts(N * T * H * V)
        scratch = workspace.buffer("scratch", (parts * gemm.SCRATCH,), dtype)
        timewise.affine_backward(parts, dtype, N * T, H, V, _c(dzs), _c(xs), _c(W), zeros, dxs, dW, db, scratch)
        return dxs, dW, db

    def time_softmax_with_loss_forward(
        self, zs: Array, ts: Array, *, ignore_label: int, workspace: Workspace
    ) -> tuple[Array, Any]:
        """Return ``(loss, cache)``; the losses are summed in float64 and the mean is rounded once."""
        N, T, V = zs.shape
        exponentials = workspace.buffer("exponentials", (N * T * V,), zs.dtype)
        totals = workspace.buffer("totals", (N * T,), zs.dtype)
        losses = workspace.buffer("losses", (N * T,), np.float64)
        labels = _c(ts).reshape(-1).astype(np.intp)
        kept = (exponentials, totals, losses)
        timewise.softmax_forward(_parts(16 * zs.size), zs.dtype, N * T, V, _c(zs), labels, ignore_label, *kept)
        count = max(1, int(np.count_nonzero(labels != ignore_label)))
        loss = zs.dtype.type(losses.sum() / count)
        return loss, (exponentials, totals, labels, ignore_label, count, zs.shape)

    def time_softmax_with_loss_backward(self, dloss: float, *, cache: Any) -> Array:
        """Return ``dzs``."""
        exponentials, totals, labels, ignore_label, count, shape = cache
        dtype, V = exponentials.dtype, shape[2]
        dzs, share = np.empty(shape, dtype=dtype), dtype.type(dloss / count)
        kept = (exponentials, totals)
        timewise.softmax_backward(_parts(4 * dzs.size), dtype, labels.size, V, share, labels, ignore_label, *kept, dzs)
        return dzs

    # -- optimiser kernels, in place ---------------------------------------------------------------

    def sgd_update(self, param: Array, grad: Array, *, learning_rate: float) -> Array:
        """Subtract ``learning_rate * grad`` from ``param`` in place."""
        same = param.dtype == grad.dtype and param.shape == grad.shape
        if not (same and param.flags.carray and grad.flags.c_contiguous):  # carray: contiguous, aligned, writeable
            return super().sgd_update(param, grad, learning_rate=learning_rate)
        timewise.sgd(_parts(param.size), param.dtype, param.size, param, grad, param.dtype.type(learning_rate))
        return param


def _parts(multiply_adds: int) -> int:
    """Return among how many threads to share out a piece of work."""
    threads: int = numba.get_num_threads()
    return max(1, min(threads, multiply_adds // _WORTH_A_THREAD))


#: Kernels take an array for its elements one after another; only one that isn't contiguous is copied.
_c = np.ascontiguousarray


def _memory(H: int, parts: int, dtype: Any, workspace: Workspace) -> tuple[Array, Array]:
    """Return room for Wh in panels, and for the blocks that each thread packs."""
    packed = workspace.buffer("packed", (gemm.packed_elements(H, H, dtype.itemsize),), dtype)
    return packed, workspace.buffer("scratch", (parts * gemm.SCRATCH,), dtype)
