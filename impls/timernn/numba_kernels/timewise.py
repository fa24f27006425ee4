"""The layers that treat every time alike: affine products, softmax with loss in one pass each way, embedding."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from timernn.numba_kernels.compiling import helper, parallel_kernel
from timernn.numba_kernels.functions import exp
from timernn.numba_kernels.gemm import multiply, multiply_transposed, panels_of, sum_rows
from timernn.numba_kernels.simd import panel_width


@parallel_kernel
def affine_forward(parts, code, rows, H, V, xs, W, bias, kept, zs, scratch):
    """Fill ``zs (rows, V)`` and ``kept``, a copy of ``xs (rows, H)``; each thread has a part of the columns."""
    for part in prange(parts):
        _copy_part(part, parts, xs, kept)
    for part in prange(parts):
        _affine_columns(part, parts, code, rows, H, V, kept, W, bias, zs, scratch)


@helper
def _copy_part(part, parts, source, target):
    first, end = len(source) * part // parts, len(source) * (part + 1) // parts
    target[first:end] = source[first:end]


@helper
def _affine_columns(part, parts, code, rows, H, V, kept, W, bias, zs, scratch):
    first, last = panels_of(V, panel_width(zs), part, parts)
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
    first, last = panels_of(V, panel_width(dzs), part, parts)
    multiply_transposed(code, H, first, last, rows, kept, H, rows, dzs, V, zeros, dW, V, scratch, own)
    sum_rows(dzs, rows, V, first, last, db)


@parallel_kernel
def softmax_forward(parts, V, zs, labels, ignored, exponentials, totals, losses):
    """Fill each row's ``exp(z - max)``, their sum, and its loss, in float64; a row stays in the cache meanwhile."""
    for part in prange(parts):
        _softmax_rows(part, parts, V, zs, labels, ignored, exponentials, totals, losses)


@helper
def _softmax_rows(part, parts, V, zs, labels, ignored, exponentials, totals, losses):
    # As many running maxima and sums side by side: one alone would be a chain that LLVM may not take apart.
    lanes = 32
    whole = V // lanes * lanes
    largest, sums = np.empty(lanes, dtype=zs.dtype), np.empty(lanes, dtype=zs.dtype)
    for r in range(len(labels) * part // parts, len(labels) * (part + 1) // parts):
        row, out = zs[r * V : (r + 1) * V], exponentials[r * V : (r + 1) * V]
        largest[:] = row[0]
        for j in range(0, whole, lanes):
            some = row[j : j + lanes]
            for lane in range(lanes):
                largest[lane] = largest[lane] if largest[lane] > some[lane] else some[lane]
        top = row[0]
        for lane in range(lanes):
            top = top if top > largest[lane] else largest[lane]
        for j in range(whole, V):
            top = top if top > row[j] else row[j]
        for j in range(V):
            out[j] = exp(row[j] - top)
        sums[:] = 0
        for j in range(0, whole, lanes):
            some = out[j : j + lanes]
            for lane in range(lanes):
                sums[lane] += some[lane]
        total = zs.dtype.type(0)
        for lane in range(lanes):
            total += sums[lane]
        for j in range(whole, V):
            total += out[j]
        totals[r] = total
        losses[r] = 0.0
        if labels[r] != ignored:
            losses[r] = math.log(np.float64(total)) - np.float64(row[labels[r]] - top)


@parallel_kernel
def softmax_backward(parts, V, share, labels, ignored, exponentials, totals, dzs):
    """Fill ``dzs``: the exponentials scaled to each row's share of the loss, less that share at the label."""
    for part in prange(parts):
        _softmax_gradient(part, parts, V, share, labels, ignored, exponentials, totals, dzs)


@helper
def _softmax_gradient(part, parts, V, share, labels, ignored, exponentials, totals, dzs):
    for r in range(len(labels) * part // parts, len(labels) * (part + 1) // parts):
        row, out = exponentials[r * V : (r + 1) * V], dzs[r * V : (r + 1) * V]
        if labels[r] == ignored:
            out[:] = 0
            continue
        scale = share / totals[r]
        for j in range(V):
            out[j] = row[j] * scale
        out[labels[r]] -= share


@parallel_kernel
def embedding_backward(parts, D, dxs, ids, dW):
    """Fill ``dW (V, D)``: each thread has a part of the columns and goes through the ids in order."""
    for part in prange(parts):
        _zero_part(part, parts, dW)
    for part in prange(parts):
        _embedding_columns(part, parts, D, dxs, ids, dW)


@helper
def _zero_part(part, parts, target):
    target[len(target) * part // parts : len(target) * (part + 1) // parts] = 0


@helper
def _embedding_columns(part, parts, D, dxs, ids, dW):
    first, last = D * part // parts, D * (part + 1) // parts
    for r in range(len(ids)):
        source = dxs[r * D + first : r * D + last]
        target = dW[ids[r] * D + first : ids[r] * D + last]
        for d in range(last - first):
            target[d] += source[d]


@parallel_kernel
def sgd(parts, param, grad, rate):
    """Subtract ``rate`` times the gradient, in place."""
    for part in prange(parts):
        _sgd_part(part, parts, param, grad, rate)


@helper
def _sgd_part(part, parts, param, grad, rate):
    first, end = len(param) * part // parts, len(param) * (part + 1) // parts
    mine, slope = param[first:end], grad[first:end]
    for i in range(end - first):
        mine[i] -= rate * slope[i]
