"""A block of T steps, forward and backward, by one of three strategies; see `planning`.

=============  ==================================================  ========================
strategy       what is launched for the loop over time             launches a direction
=============  ==================================================  ========================
stepwise       a matrix product and one small kernel a step        2 T (backward 2 T - 1)
graph          the same, recorded once and replayed                1
persistent     one kernel that keeps the weights in registers      1 (and a memset, if columns are shared out)
=============  ==================================================  ========================

All of them work in place on a batch-major (N, T, H) array: cuBLAS takes one step's rows by their distance,
so that nothing is transposed. The products that don't depend on the step before are made for all steps at
once: the inputs' before the loop, the gradients of weights and inputs after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cupy as cp

from timernn.contract import Array
from timernn.cupy_kernels import modules
from timernn.cupy_kernels.blas import blas
from timernn.cupy_kernels.modules import elementwise
from timernn.cupy_kernels.planning import ITEMSIZE, Plan
from timernn.layers import Workspace

#: Bytes from one counter of a grid barrier to the next: a cache line.
_ARRIVALS_APART = 128


@dataclass(frozen=True)
class Kept:
    """What forward leaves for backward.

    Attributes
    ----------
    joined : array (N, T, width)
        Row (n, t) is ``[x_t (D), h_{t-1} (H), 1, zeros]``: with the gradient before tanh, one product gives the
        gradients of both weights and of the bias.
    states : array (N, T, H)
        h_t.
    last : array (N, H)
        The state after the last step.
    """

    joined: Array
    states: Array
    last: Array


def width_with_one(size: int) -> int:
    """Return the length of a row of ``size`` with a 1 behind it, padded so that rows stay aligned to 16 bytes."""
    return -(-(size + 1) // 4) * 4


def forward(
    plan: Plan, xs: Array, h_prev: Array, Wx: Array, Wh: Array, b: Array, workspace: Workspace
) -> tuple[Array, Kept]:
    """Return ``(hs (N, T, H), Kept)``."""
    N, T, D = xs.shape
    H, dtype = Wh.shape[0], modules.NAMES[xs.dtype]
    width = width_with_one(D + H)
    joined = workspace.buffer("joined", (N, T, width), xs.dtype)
    elementwise("steps", "join_inputs", dtype, joined.size, xs, h_prev, joined, N, T, D, H, width)
    z = workspace.buffer("z", (N, T, H), xs.dtype)
    blas().gemm(dtype, N * T, H, D, joined.data.ptr, width, Wx.data.ptr, H, z.data.ptr, H)
    hs, last = cp.empty((N, T, H), dtype=xs.dtype), cp.empty((N, H), dtype=xs.dtype)
    if plan.strategy == "persistent":
        states = workspace.buffer("states", (N, T, H), xs.dtype)
        arguments = (z, Wh, b, h_prev, hs, states, joined, last)
        _launch("block_forward", plan, dtype, workspace, arguments, (N, T, H, width, D))
        return hs, Kept(joined, states, last)

    def loop() -> None:
        _steps_forward(z, h_prev_kept, Wh, b)

    h_prev_kept = h_prev
    if plan.strategy == "graph":  # a graph reads from where it did when it was recorded
        h_prev_kept = workspace.buffer("h_prev", (N, H), xs.dtype)
        cp.copyto(h_prev_kept, h_prev)
        _graphs(workspace).run("forward", (z, h_prev_kept, Wh, b), loop)
    else:
        loop()
    elementwise("steps", "keep_states", dtype, z.size, z, hs, joined, last, N, T, H, width, D)
    return hs, Kept(joined, z, last)


def backward(
    plan: Plan, dhs: Array, kept: Kept, Wx: Array, Wh: Array, workspace: Workspace
) -> tuple[Array, Array, Array, Array, Array]:
    """Return ``(dxs (N, T, D), dh_prev (N, H), dWx, dWh, db)``."""
    N, T, width = kept.joined.shape
    D, H = Wx.shape
    dtype = modules.NAMES[dhs.dtype]
    gemm = blas().gemm
    dzs = workspace.buffer("dzs", (N, T, H), dhs.dtype)
    dh_prev = cp.empty((N, H), dtype=dhs.dtype)
    if plan.strategy == "persistent":
        _launch("block_backward", plan, dtype, workspace, (dhs, Wh, kept.states, dzs, dh_prev), (N, T, H))
    else:
        cp.copyto(dzs, dhs)
        if plan.strategy == "graph":
            arrays = (dzs, kept.states, Wh)
            _graphs(workspace).run("backward", arrays, lambda: _steps_backward(dzs, kept.states, Wh))
        else:
            _steps_backward(dzs, kept.states, Wh)
        gemm(dtype, N, H, H, dzs.data.ptr, T * H, Wh.data.ptr, H, dh_prev.data.ptr, H, transpose_b=True)
    dxs = cp.empty((N, T, D), dtype=dhs.dtype)
    gemm(dtype, N * T, D, H, dzs.data.ptr, H, Wx.data.ptr, H, dxs.data.ptr, D, transpose_b=True)
    dW = workspace.buffer("dW", (width, H), dhs.dtype)
    joined = kept.joined.data.ptr
    gemm(dtype, width, H, N * T, joined, width, dzs.data.ptr, H, dW.data.ptr, H, transpose_a=True)
    return dxs, dh_prev, dW[:D], dW[D : D + H], dW[D + H]


def _launch(name: str, plan: Plan, dtype: str, workspace: Workspace, arrays: tuple[Array, ...], sizes: Any) -> None:
    """Launch a persistent kernel, with counters for its barriers where its blocks wait for each other."""
    assert plan.variant is not None
    arrivals: Any = 0  # a null pointer: a block that is alone waits for nobody
    if not plan.variant.alone:
        arrivals = workspace.buffer("arrivals", (plan.row_groups * _ARRIVALS_APART,), cp.uint8)
        arrivals.data.memset_async(0, arrivals.nbytes)
    modules.persistent(name, dtype, plan)(
        (plan.column_groups, plan.row_groups),
        (plan.threads,),
        (*arrays, arrivals, *sizes, plan.columns, plan.rows),
        shared_mem=plan.shared_bytes(ITEMSIZE[dtype]),
    )


def _steps_forward(z: Array, h_prev: Array, Wh: Array, b: Array) -> None:
    """Turn ``z (N, T, H)``, the projected inputs, into the states in place: a product and a tanh a step."""
    N, T, H = z.shape
    dtype, gemm = modules.NAMES[z.dtype], blas().gemm
    step, begins = H * z.itemsize, z.data.ptr
    before, distance = h_prev.data.ptr, H
    for t in range(T):
        here = begins + t * step
        gemm(dtype, N, H, H, before, distance, Wh.data.ptr, H, here, T * H, beta=1.0)
        elementwise("steps", "tanh_step", dtype, N * H, here, b, N, H, T * H)
        before, distance = here, T * H


def _steps_backward(dzs: Array, states: Array, Wh: Array) -> None:
    """Turn ``dzs (N, T, H)``, the gradients of the states, into those before tanh in place."""
    N, T, H = dzs.shape
    dtype, gemm = modules.NAMES[dzs.dtype], blas().gemm
    step, begins, h = H * dzs.itemsize, dzs.data.ptr, states.data.ptr
    for t in reversed(range(T)):
        here = begins + t * step
        elementwise("steps", "slope_step", dtype, N * H, here, h + t * step, N, H, T * H)
        if t > 0:
            gemm(dtype, N, H, H, here, T * H, Wh.data.ptr, H, here - step, T * H, transpose_b=True, beta=1.0)


@dataclass
class _Recorded:
    """A graph, when there is one, and what has to live as long as it: it goes on reading and writing there."""

    key: tuple[Any, ...]
    arrays: tuple[Array, ...]
    graph: Any = None
    workspace: Any = None


@dataclass
class Graphs:
    """A layer's graphs, one a direction: recorded when a shape comes a second time, on the same arrays.

    The first time everything is launched one by one: a shape that comes once isn't worth a recording, and what is
    set up at a first use, in cuBLAS above all, can't be while a stream is recorded.
    """

    recorded: dict[str, _Recorded] = field(default_factory=dict)

    def run(self, direction: str, arrays: tuple[Array, ...], loop: Callable[[], None]) -> None:
        """Do what ``loop`` launches, which reads and writes ``arrays`` and nothing else."""
        key = (cp.cuda.runtime.getDevice(), *((array.data.ptr, array.shape, array.dtype.name) for array in arrays))
        found = self.recorded.get(direction)
        if found is None or found.key != key:
            self.recorded[direction] = _Recorded(key, arrays)
            loop()
            return
        current = cp.cuda.get_current_stream()
        if current.ptr and current.is_capturing():
            loop()  # becomes part of what somebody else records: a graph can't be launched into another
            return
        if found.graph is None:
            stream = cp.cuda.Stream(non_blocking=True)
            with blas().recording() as found.workspace, stream:
                # Other threads may go on allocating meanwhile.
                stream.begin_capture(cp.cuda.runtime.streamCaptureModeThreadLocal)
                try:
                    loop()
                finally:
                    graph = stream.end_capture()
            found.graph = graph
        found.graph.launch(current)


def _graphs(workspace: Workspace) -> Graphs:
    graphs: Graphs = workspace.keep("graphs", Graphs)
    return graphs
