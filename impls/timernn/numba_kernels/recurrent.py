"""The block of the recurrent layer: one product for the inputs of all times, then the recurrence, rows by thread.

The rows of a batch don't know of each other, forward or backward, so each thread runs through all times with its
rows and never waits for another. Wh is packed once a call, and read from the caches by every step.

Loops run over slices: of an index that is a sum, LLVM doesn't know that it isn't negative, and makes no vectors.

Kept between forward and backward are a copy of ``xs`` and ``states (N, T + 1, H)``: the initial state and those
after each step. All arrays are flat here, batch first.
"""

from __future__ import annotations

from numba import prange

from timernn.numba_kernels.compiling import helper, parallel_kernel
from timernn.numba_kernels.functions import tanh
from timernn.numba_kernels.gemm import multiply, multiply_transposed, pack_panels, panels_of, rows_by_panels, sum_rows
from timernn.numba_kernels.simd import panel_width


@parallel_kernel
def forward(parts, code, N, T, D, H, xs, Wx, Wh, bias, kept, states, hs, packed, scratch):
    """Fill ``hs (N, T, H)``, ``kept``, a copy of ``xs (N, T, D)``, and ``states`` but for the initial state."""
    for part in prange(parts):
        _project(part, parts, code, N, T, D, H, xs, Wx, Wh, bias, kept, hs, packed, scratch)
    for part in prange(parts):
        _run(part, parts, code, N, T, H, states, hs, packed)


@helper
def _project(part, parts, code, N, T, D, H, xs, Wx, Wh, bias, kept, hs, packed, scratch):
    first, last = panels_of(H, panel_width(hs), part, parts)
    pack_panels(code, Wh, 0, H, 1, 0, H, first, last, packed, first * H)
    row, end = N * T * part // parts, N * T * (part + 1) // parts
    kept[row * D : end * D] = xs[row * D : end * D]
    multiply(code, row, end, 0, H, D, kept, D, Wx, H, 1, bias, 0, hs, H, scratch, part * len(scratch) // parts)


@helper
def _run(part, parts, code, N, T, H, states, hs, packed):
    panel = panel_width(hs) * H
    n0, n1 = N * part // parts, N * (part + 1) // parts
    for t in range(T):
        h, z = (n0 * (T + 1) + t) * H, (n0 * T + t) * H
        rows_by_panels(
            code, n1 - n0, H, H, states, h, (T + 1) * H, packed, 0, panel, hs, z, T * H, hs, z, T * H
        )  # fmt: skip
        for n in range(n0, n1):
            z, h = (n * T + t) * H, (n * (T + 1) + t + 1) * H
            out, state = hs[z : z + H], states[h : h + H]
            for j in range(H):
                value = tanh(out[j])
                out[j] = value
                state[j] = value


@parallel_kernel
def backward(
    parts, code, N, T, D, H, dhs, Wx, Wh, zeros, kept, states, dzs, dxs, dh_prev, dWx, dWh, db, packed, scratch
):
    """Fill ``dxs``, ``dh_prev`` and the weights' gradients; ``dzs (N, T, H)`` holds the gradients before tanh."""
    for part in prange(parts):
        _pack_transposed_weights(part, parts, code, H, Wh, packed)
    for part in prange(parts):
        _run_back(part, parts, code, N, T, H, dhs, zeros, states, dzs, dh_prev, packed)
    for part in prange(parts):
        _gradients(part, parts, code, N, T, D, H, Wx, zeros, kept, states, dzs, dxs, dWx, dWh, db, scratch)


@helper
def _pack_transposed_weights(part, parts, code, H, Wh, packed):
    first, last = panels_of(H, panel_width(packed), part, parts)
    pack_panels(code, Wh, 0, 1, H, 0, H, first, last, packed, first * H)


@helper
def _run_back(part, parts, code, N, T, H, dhs, zeros, states, dzs, dh_prev, packed):
    panel = panel_width(dzs) * H
    n0, n1 = N * part // parts, N * (part + 1) // parts
    for t in range(T - 1, -1, -1):
        for n in range(n0, n1):
            z, h = (n * T + t) * H, (n * (T + 1) + t + 1) * H
            if t == T - 1:
                dzs[z : z + H] = dhs[z : z + H]
            dz, state = dzs[z : z + H], states[h : h + H]
            for j in range(H):
                dz[j] *= 1 - state[j] * state[j]
            if t > 0:
                dzs[z - H : z] = dhs[z - H : z]
        at = (n0 * T + t) * H
        begin, place, stride = (dzs, at - H, T * H) if t > 0 else (zeros, 0, 0)
        target, there, t_stride = (dzs, at - H, T * H) if t > 0 else (dh_prev, n0 * H, H)
        rows_by_panels(
            code, n1 - n0, H, H, dzs, at, T * H, packed, 0, panel, begin, place, stride, target, there, t_stride
        )  # fmt: skip


@helper
def _gradients(part, parts, code, N, T, D, H, Wx, zeros, kept, states, dzs, dxs, dWx, dWh, db, scratch):
    own = part * len(scratch) // parts
    row, end = N * T * part // parts, N * T * (part + 1) // parts
    multiply(code, row, end, 0, D, H, dzs, H, Wx, 1, H, zeros, 0, dxs, D, scratch, own)
    first, last = panels_of(H, panel_width(dzs), part, parts)
    multiply_transposed(code, D, first, last, N * T, kept, D, N * T, dzs, H, zeros, dWx, H, scratch, own)
    multiply_transposed(code, H, first, last, N * T, states, H, T, dzs, H, zeros, dWh, H, scratch, own)
    sum_rows(dzs, N * T, H, first, last, db)
