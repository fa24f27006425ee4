"""The block of the recurrent layer: one product for the inputs of all times, then the recurrence, rows by thread.

The rows of a batch don't know of each other, forward or backward, so each thread runs through all times with its
rows and never waits for another. Wh is packed once a call, and read from the caches by every step.

Kept between forward and backward are a copy of ``xs`` and ``states (N, T + 1, H)``: the initial state and those
after each step. All arrays are batch first.
"""

from __future__ import annotations

from timernn.numba_kernels.compiling import Code, Values, kernel, shared_out
from timernn.numba_kernels.functions import tanh
from timernn.numba_kernels.gemm import (
    SCRATCH,
    first_column,
    multiply,
    multiply_transposed,
    pack_panels,
    rows_by_panels,
    sum_rows,
)
from timernn.numba_kernels.simd import at, copy, panel_width


@kernel
def forward(parts, code, N, T, D, H, xs, Wx, Wh, bias, kept, states, hs, packed, scratch):
    """Fill ``hs (N, T, H)``, ``kept``, a copy of ``xs (N, T, D)``, and ``states`` but for the initial state."""
    _project(parts, code, N, T, D, H, xs, Wx, Wh, bias, kept, hs, packed, scratch)
    _run(parts, code, N, T, H, states, hs, packed)


@shared_out
def _project(
    part, parts, code: Code, N, T, D, H, xs: Values, Wx: Values, Wh: Values, bias: Values,
    kept: Values, hs: Values, packed: Values, scratch: Values,
):  # fmt: skip
    first, last = first_column(Wh, H, part, parts), first_column(Wh, H, part + 1, parts)
    pack_panels(code, at(Wh, first), H, 1, H, last - first, at(packed, first * H))
    row, end = N * T * part // parts, N * T * (part + 1) // parts
    own_kept = at(kept, row * D)
    copy(at(xs, row * D), own_kept, (end - row) * D)
    own_scratch = at(scratch, part * SCRATCH)
    multiply(code, end - row, H, D, own_kept, D, Wx, H, 1, bias, 0, at(hs, row * H), H, own_scratch)


@shared_out
def _run(part, parts, code: Code, N, T, H, states: Values, hs: Values, packed: Values):
    panel = panel_width(hs) * H
    n0, n1 = N * part // parts, N * (part + 1) // parts
    for t in range(T):
        zs, before = at(hs, (n0 * T + t) * H), at(states, (n0 * (T + 1) + t) * H)
        rows_by_panels(code, n1 - n0, H, H, before, (T + 1) * H, packed, panel, zs, T * H, zs, T * H)
        for n in range(n0, n1):
            out, state = at(hs, (n * T + t) * H), at(states, (n * (T + 1) + t + 1) * H)
            for j in range(H):
                value = tanh(out[j])
                out[j] = value
                state[j] = value


@kernel
def backward(
    parts, code, N, T, D, H, dhs, Wx, Wh, zeros, kept, states, dzs, dxs, dh_prev, dWx, dWh, db, packed, scratch
):
    """Fill ``dxs``, ``dh_prev`` and the weights' gradients; ``dzs (N, T, H)`` holds the gradients before tanh."""
    _pack_transposed_weights(parts, code, H, Wh, packed)
    _run_back(parts, code, N, T, H, dhs, zeros, states, dzs, dh_prev, packed)
    _gradients(parts, code, N, T, D, H, Wx, zeros, kept, states, dzs, dxs, dWx, dWh, db, scratch)


@shared_out
def _pack_transposed_weights(part, parts, code: Code, H, Wh: Values, packed: Values):
    first, last = first_column(Wh, H, part, parts), first_column(Wh, H, part + 1, parts)
    pack_panels(code, at(Wh, first * H), 1, H, H, last - first, at(packed, first * H))


@shared_out
def _run_back(
    part, parts, code: Code, N, T, H, dhs: Values, zeros: Values, states: Values,
    dzs: Values, dh_prev: Values, packed: Values,
):  # fmt: skip
    panel = panel_width(dzs) * H
    n0, n1 = N * part // parts, N * (part + 1) // parts
    for t in range(T - 1, -1, -1):
        for n in range(n0, n1):
            place = (n * T + t) * H
            dz, state = at(dzs, place), at(states, place + (n + 1) * H)
            if t == T - 1:
                copy(at(dhs, place), dz, H)
            for j in range(H):
                dz[j] *= 1 - state[j] * state[j]
            if t > 0:
                copy(at(dhs, place - H), at(dz, -H), H)
        of_rows = at(dzs, (n0 * T + t) * H)
        target, stride = (at(of_rows, -H), T * H) if t > 0 else (at(dh_prev, n0 * H), H)
        begin, begin_stride = (target, stride) if t > 0 else (zeros, 0)
        rows_by_panels(code, n1 - n0, H, H, of_rows, T * H, packed, panel, begin, begin_stride, target, stride)


@shared_out
def _gradients(
    part, parts, code: Code, N, T, D, H, Wx: Values, zeros: Values, kept: Values, states: Values,
    dzs: Values, dxs: Values, dWx: Values, dWh: Values, db: Values, scratch: Values,
):  # fmt: skip
    own = at(scratch, part * SCRATCH)
    row, end = N * T * part // parts, N * T * (part + 1) // parts
    multiply(code, end - row, D, H, at(dzs, row * H), H, Wx, 1, H, zeros, 0, at(dxs, row * D), D, own)
    first = first_column(dzs, H, part, parts)
    columns, of_dzs = first_column(dzs, H, part + 1, parts) - first, at(dzs, first)
    multiply_transposed(code, D, columns, N * T, kept, D, N * T, of_dzs, H, zeros, at(dWx, first), H, own)
    multiply_transposed(code, H, columns, N * T, states, H, T, of_dzs, H, zeros, at(dWh, first), H, own)
    sum_rows(code, of_dzs, N * T, columns, H, at(db, first))
