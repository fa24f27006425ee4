"""Launches of the layers that treat every time alike: embedding, affine, softmax with loss."""

from __future__ import annotations

from typing import Any

import cupy as cp

from timernn.contract import Array
from timernn.cupy_kernels.blas import blas
from timernn.cupy_kernels.modules import NAMES, THREADS, elementwise, kernel
from timernn.cupy_kernels.recurrent import width_with_one
from timernn.layers import Workspace


def embedding_forward(ids: Array, W: Array) -> Array:
    """Return the rows ``W[ids] (N, T, D)`` of contiguous int64 ids."""
    N, T = ids.shape
    V, D = W.shape
    xs = cp.empty((N, T, D), dtype=W.dtype)
    kernel("timewise", "gather_rows", NAMES[W.dtype])((N * T,), (THREADS,), (W, ids, xs, V, D))
    return xs


def embedding_backward(dxs: Array, ids: Array, V: int, workspace: Workspace) -> Array:
    """Return ``dW (V, D)``, each row's gradients added in order of occurrence."""
    D = dxs.shape[2]
    dW = workspace.buffer("dW", (V, D), dxs.dtype)
    dW.data.memset_async(0, dW.nbytes)
    kernel("timewise", "sum_rows_by_id", NAMES[dxs.dtype])((ids.size,), (THREADS,), (dxs, ids, dW, ids.size, V, D))
    return dW


def affine_forward(xs: Array, W: Array, b: Array, workspace: Workspace) -> tuple[Array, Array]:
    """Return ``(zs (N, T, V), joined)``: one product of ``[xs, 1, zeros]``, which is kept, and W above b."""
    N, T, H = xs.shape
    V, dtype = W.shape[1], NAMES[xs.dtype]
    width = width_with_one(H)
    joined = workspace.buffer("joined", (N, T, width), xs.dtype)
    elementwise("steps", "join_inputs", dtype, joined.size, xs, 0, joined, N, T, H, 0, width)
    stacked = workspace.buffer("stacked", (width, V), xs.dtype)
    elementwise("steps", "stack_bias", dtype, stacked.size, W, b, stacked, H, V, width)
    zs = cp.empty((N, T, V), dtype=xs.dtype)
    blas().gemm(dtype, N * T, V, width, joined.data.ptr, width, stacked.data.ptr, V, zs.data.ptr, V)
    return zs, joined


def affine_backward(dzs: Array, joined: Array, W: Array, workspace: Workspace) -> tuple[Array, Array, Array]:
    """Return ``(dxs (N, T, H), dW, db)``; db is the row of the gradient that belongs to the 1."""
    N, T, width = joined.shape
    H, V = W.shape
    dtype, gemm = NAMES[dzs.dtype], blas().gemm
    dxs = cp.empty((N, T, H), dtype=dzs.dtype)
    gemm(dtype, N * T, H, V, dzs.data.ptr, V, W.data.ptr, V, dxs.data.ptr, H, transpose_b=True)
    dW = workspace.buffer("dW", (width, V), dzs.dtype)
    gemm(dtype, width, V, N * T, joined.data.ptr, width, dzs.data.ptr, V, dW.data.ptr, V, transpose_a=True)
    return dxs, dW[:H], dW[H]


def softmax_forward(zs: Array, labels: Array, ignore_label: int, workspace: Workspace) -> tuple[Array, Any]:
    """Return ``(loss, cache)`` of contiguous int64 labels; the loss, a scalar array, stays on the device."""
    N, T, V = zs.shape
    tokens, dtype = N * T, NAMES[zs.dtype]
    error = workspace.buffer("error", (N, T, V), zs.dtype)
    losses = workspace.buffer("losses", (tokens,), cp.float64)
    count = workspace.buffer("count", (1,), cp.float64)
    loss = cp.empty((), dtype=zs.dtype)
    rows = kernel("timewise", "softmax_rows", dtype)
    rows((tokens,), (THREADS,), (zs, labels, error, losses, V, ignore_label))
    mean = kernel("timewise", "mean_loss", dtype)
    mean((1,), (THREADS,), (losses, labels, loss, count, tokens, ignore_label))
    return loss, (error, count)


def softmax_backward(dloss: float, cache: Any) -> Array:
    """Return ``dzs (N, T, V)``."""
    error, count = cache
    dzs = cp.empty_like(error)
    elementwise(
        "timewise", "softmax_backward", NAMES[error.dtype], error.size, error, count, dzs, float(dloss), dzs.size
    )
    return dzs
