"""The layers that treat every time alike: affine products, softmax with loss in one pass each way, embedding."""

from __future__ import annotations

import math

import numpy as np
from numba import carray

from timernn.numba_kernels.compiling import Code, Doubles, Labels, Value, Values, kernel, shared_out
from timernn.numba_kernels.functions import exp
from timernn.numba_kernels.gemm import SCRATCH, first_column, multiply, multiply_transposed, sum_rows
from timernn.numba_kernels.simd import at, copy


@kernel
def affine_forward(parts, code, rows, H, V, xs, W, bias, kept, zs, scratch):
    """Fill ``zs (rows, V)`` and ``kept``, a copy of ``xs (rows, H)``; each thread has a part of the columns."""
    _copy_part(parts, code, rows * H, xs, kept)
    _affine_columns(parts, code, rows, H, V, kept, W, bias, zs, scratch)


@shared_out
def _copy_part(part, parts, code: Code, size, source: Values, target: Values):
    first, end = size * part // parts, size * (part + 1) // parts
    copy(at(source, first), at(target, first), end - first)


@shared_out
def _affine_columns(
    part, parts, code: Code, rows, H, V, kept: Values, W: Values, bias: Values, zs: Values, scratch: Values
):  # fmt: skip
    first, last = first_column(zs, V, part, parts), first_column(zs, V, part + 1, parts)
    own, of_zs = at(scratch, part * SCRATCH), at(zs, first)
    multiply(code, rows, last - first, H, kept, H, at(W, first), V, 1, at(bias, first), 0, of_zs, V, own)


@kernel
def affine_backward(parts, code, rows, H, V, dzs, kept, W, zeros, dxs, dW, db, scratch):
    """Fill ``dxs (rows, H)``, each thread a part of the rows, and ``dW`` and ``db``, each a part of the columns."""
    _affine_gradients(parts, code, rows, H, V, dzs, kept, W, zeros, dxs, dW, db, scratch)


@shared_out
def _affine_gradients(
    part, parts, code: Code, rows, H, V, dzs: Values, kept: Values, W: Values, zeros: Values,
    dxs: Values, dW: Values, db: Values, scratch: Values,
):  # fmt: skip
    own = at(scratch, part * SCRATCH)
    row, end = rows * part // parts, rows * (part + 1) // parts
    multiply(code, end - row, H, V, at(dzs, row * V), V, W, 1, V, zeros, 0, at(dxs, row * H), H, own)
    first = first_column(dzs, V, part, parts)
    columns, of_dzs = first_column(dzs, V, part + 1, parts) - first, at(dzs, first)
    multiply_transposed(code, H, columns, rows, kept, H, rows, of_dzs, V, zeros, at(dW, first), V, own)
    sum_rows(code, of_dzs, rows, columns, V, at(db, first))


@kernel
def softmax_forward(parts, code, rows, V, zs, labels, ignored, exponentials, totals, losses):
    """Fill each row's ``exp(z - max)``, their sum, and its loss, in float64; a row stays in the cache meanwhile."""
    _softmax_rows(parts, code, rows, V, zs, labels, ignored, exponentials, totals, losses)


@shared_out
def _softmax_rows(
    part, parts, code: Code, rows, V, zs: Values, labels: Labels, ignored,
    exponentials: Values, totals: Values, losses: Doubles,
):  # fmt: skip
    # As many running maxima and sums side by side: one alone would be a chain that LLVM may not take apart.
    lanes = 32
    whole = V // lanes * lanes
    element = carray(zs, 1).dtype
    largest, sums = np.empty(lanes, dtype=element), np.empty(lanes, dtype=element)
    for r in range(rows * part // parts, rows * (part + 1) // parts):
        row, out = carray(at(zs, r * V), V), carray(at(exponentials, r * V), V)
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
        total = element.type(0)
        for lane in range(lanes):
            total += sums[lane]
        for j in range(whole, V):
            total += out[j]
        totals[r] = total
        losses[r] = 0.0
        if labels[r] != ignored:
            losses[r] = math.log(np.float64(total)) - np.float64(row[labels[r]] - top)


@kernel
def softmax_backward(parts, code, rows, V, share, labels, ignored, exponentials, totals, dzs):
    """Fill ``dzs``: the exponentials scaled to each row's share of the loss, less that share at the label."""
    _softmax_gradient(parts, code, rows, V, share, labels, ignored, exponentials, totals, dzs)


@shared_out
def _softmax_gradient(
    part, parts, code: Code, rows, V, share: Value, labels: Labels, ignored,
    exponentials: Values, totals: Values, dzs: Values,
):  # fmt: skip
    for r in range(rows * part // parts, rows * (part + 1) // parts):
        row, out = at(exponentials, r * V), at(dzs, r * V)
        if labels[r] == ignored:
            for j in range(V):
                out[j] = 0
        else:
            scale = share / totals[r]
            for j in range(V):
                out[j] = row[j] * scale
            out[labels[r]] -= share


@kernel
def embedding_backward(parts, code, rows, D, V, dxs, ids, dW):
    """Fill ``dW (V, D)``: each thread has a part of the columns and goes through the ids in order."""
    _zero_part(parts, code, V * D, dW)
    _embedding_columns(parts, code, rows, D, dxs, ids, dW)


@shared_out
def _zero_part(part, parts, code: Code, size, target: Values):
    for i in range(size * part // parts, size * (part + 1) // parts):
        target[i] = 0


@shared_out
def _embedding_columns(part, parts, code: Code, rows, D, dxs: Values, ids: Labels, dW: Values):
    first, last = D * part // parts, D * (part + 1) // parts
    for r in range(rows):
        source, target = at(dxs, r * D), at(dW, ids[r] * D)
        for d in range(first, last):
            target[d] += source[d]


@kernel
def sgd(parts, code, size, param, grad, rate):
    """Subtract ``rate`` times the gradient, in place."""
    _sgd_part(parts, code, size, param, grad, rate)


@shared_out
def _sgd_part(part, parts, code: Code, size, param: Values, grad: Values, rate: Value):
    for i in range(size * part // parts, size * (part + 1) // parts):
        param[i] -= rate * grad[i]
