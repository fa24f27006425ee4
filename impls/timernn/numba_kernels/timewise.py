"""The layers that treat every time alike: affine products, softmax with loss in one pass each way, embedding."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from timernn.numba_kernels.compiling import helper, parallel_kernel
from timernn.numba_kernels.functions import exp
from timernn.numba_kernels.gemm import multiply, multiply_transposed, panels_of
from timernn.numba_kernels.simd import PANEL_BYTES


@parallel_kernel
def affine_forward(parts, code, rows, H, V, xs, W, bias, kept, zs, scratch):
    """Fill ``zs (rows, V)`` and ``kept``, a copy of ``xs (rows, H)``; each thread has a part of the columns."""
    for part in prange(parts):
        _copy_part(part, parts, xs, kept)
    for part in prange(parts):
        _affine_columns(part, parts, code, rows, H, V, kept, W, bias, zs, scratch)


@helper
def _copy_part(part, parts, source, target):
    for i in range(len(source) * part // parts, len(source) * (part + 1) // parts):
        target[i] = source[i]


@helper
def _affine_columns(part, parts, code, rows, H, V, kept, W, bias, zs, scratch):
    first, last = panels_of(V, PANEL_BYTES // zs.itemsize, part, parts)
    multiply(code, 0, rows, first, last, H, kept, H, W, V, 1, bias, 0, zs, V, scratch, part * len(scratch) // parts)


@parallel_kernel
def affine_backward(parts, code, rows, H, V, dzs, kept, W, zeros, dxs, dW, db, scratch):
    """Fill ``dxs (rows, H)``, each thread a part of the rows, and ``dW`` and ``db``, each a part of the columns."""
    for part in prange(parts):
        _affine_gradients(part, parts, code, rows, H, V, dzs, kept, W, zeros, dxs, dW, db, scratch)


@helper
def _affine_gradients(part, parts, code, rows, H, V, dzs, kept, W, zeros, dxs, dW, db, scratch):
    own = part * len(scratch) // parts
    row, end = rows * part // parts, rows * (part + 1) // parts
    multiply(code, row, end, 0, H, V, dzs, V, W, 1, V, zeros, 0, dxs, H, scratch, own)
    first, last = panels_of(V, PANEL_BYTES // dzs.itemsize, part, parts)
    multiply_transposed(code, H, first, last, rows, kept, H, rows, dzs, V, zeros, dW, V, scratch, own)
    for j in range(first, last):
        db[j] = 0
    for r in range(rows):
        for j in range(first, last):
            db[j] += dzs[r * V + j]


@parallel_kernel
def softmax_forward(parts, V, zs, labels, ignored, exponentials, totals, losses):
    """Fill each row's ``exp(z - max)``, their sum, and its loss, in float64; a row stays in the cache meanwhile."""
    for part in prange(parts):
        _softmax_rows(part, parts, V, zs, labels, ignored, exponentials, totals, losses)


@helper
def _softmax_rows(part, parts, V, zs, labels, ignored, exponentials, totals, losses):
    rows = len(labels)
    lanes = 32
    largest, sums = np.empty(lanes, dtype=zs.dtype), np.empty(lanes, dtype=zs.dtype)
    for r in range(rows * part // parts, rows * (part + 1) // parts):
        at = r * V
        for lane in range(lanes):
            largest[lane] = zs[at]
            sums[lane] = 0
        whole = V // lanes * lanes
        for j in range(0, whole, lanes):
            for lane in range(lanes):
                z = zs[at + j + lane]
                largest[lane] = largest[lane] if largest[lane] > z else z
        top = zs[at]
        for lane in range(lanes):
            top = top if top > largest[lane] else largest[lane]
        for j in range(whole, V):
            top = top if top > zs[at + j] else zs[at + j]
        for j in range(V):
            exponentials[at + j] = exp(zs[at + j] - top)
        for j in range(0, whole, lanes):
            for lane in range(lanes):
                sums[lane] += exponentials[at + j + lane]
        total = zs.dtype.type(0)
        for lane in range(lanes):
            total += sums[lane]
        for j in range(whole, V):
            total += exponentials[at + j]
        totals[r] = total
        losses[r] = 0.0
        if labels[r] != ignored:
            losses[r] = math.log(np.float64(total)) - np.float64(zs[at + labels[r]] - top)


@parallel_kernel
def softmax_backward(parts, V, share, labels, ignored, exponentials, totals, dzs):
    """Fill ``dzs``: the exponentials scaled to each row's share of the loss, less that share at the label."""
    for part in prange(parts):
        _softmax_gradient(part, parts, V, share, labels, ignored, exponentials, totals, dzs)


@helper
def _softmax_gradient(part, parts, V, share, labels, ignored, exponentials, totals, dzs):
    rows = len(labels)
    for r in range(rows * part // parts, rows * (part + 1) // parts):
        at = r * V
        if labels[r] == ignored:
            for j in range(V):
                dzs[at + j] = 0
            continue
        scale = share / totals[r]
        for j in range(V):
            dzs[at + j] = exponentials[at + j] * scale
        dzs[at + labels[r]] -= share


@parallel_kernel
def embedding_backward(parts, D, dxs, ids, dW):
    """Fill ``dW (V, D)``: each thread has a part of the columns and goes through the ids in order."""
    for part in prange(parts):
        _zero_part(part, parts, dW)
    for part in prange(parts):
        _embedding_columns(part, parts, D, dxs, ids, dW)


@helper
def _zero_part(part, parts, target):
    for i in range(len(target) * part // parts, len(target) * (part + 1) // parts):
        target[i] = 0


@helper
def _embedding_columns(part, parts, D, dxs, ids, dW):
    first, last = D * part // parts, D * (part + 1) // parts
    for r in range(len(ids)):
        source, target = r * D, ids[r] * D
        for d in range(first, last):
            dW[target + d] += dxs[source + d]


@parallel_kernel
def sgd(parts, param, grad, rate):
    """Subtract ``rate`` times the gradient, in place."""
    for part in prange(parts):
        _sgd_part(part, parts, param, grad, rate)


@helper
def _sgd_part(part, parts, param, grad, rate):
    for i in range(len(param) * part // parts, len(param) * (part + 1) // parts):
        param[i] -= rate * grad[i]
