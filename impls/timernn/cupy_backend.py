"""The CuPy backend: one NVIDIA GPU, nothing read back and nothing allocated anew in a training step."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from timernn import checks
from timernn.base import ArrayBackend
from timernn.contract import Array, BackendUnavailable

try:
    import cupy as cp
except ImportError as missing:
    raise BackendUnavailable(
        f"CuPy can't be imported ({str(missing).strip().splitlines()[0]}): pip install 'timernn[cuda13]', or "
        f"'timernn[cuda12]' for an older driver"
    ) from missing

from timernn.cupy_kernels import recurrent, timewise, updates
from timernn.cupy_kernels.blas import blas, library
from timernn.cupy_kernels.device import properties, require_device
from timernn.cupy_kernels.host_copies import HostCopies
from timernn.cupy_kernels.modules import NAMES, elementwise
from timernn.cupy_kernels.planning import Device, Plan, Strategy, plan_block
from timernn.layers import Workspace


class CupyBackend(ArrayBackend):
    """CuPy on its current device.

    ``_strategy`` is how a block of steps is run wherever that is possible; None takes the fastest for each shape. The
    subclasses below fix it, so that each way can be judged and timed by itself.
    """

    name = "cupy"
    xp = cp
    _strategy: Strategy | None = None

    def __init__(self) -> None:
        require_device(cp, {"cuBLAS": library, "NVRTC": cp.cuda.nvrtc.getVersion})
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._integers = HostCopies()

    # -- arrays ------------------------------------------------------------------------------------

    @property
    def array_type(self) -> type:
        """`cupy.ndarray`."""
        array_type: type = cp.ndarray
        return array_type

    def asarray(self, data: Any, dtype: Any = None) -> Array:
        """Copy ``data`` to the device, in the machine's byte order.

        The copy is queued and not waited for. Integers are kept on the host too, so that token ids and labels need
        not be read back when a layer checks them.
        """
        if isinstance(data, cp.ndarray):
            return cp.array(data, dtype=dtype, order="C")
        host = np.asarray(data, dtype=dtype)
        host = host.astype(host.dtype.newbyteorder("="), order="C", copy=host.dtype.kind in "iu")
        array = cp.asarray(host)
        if host.dtype.kind in "iu":
            self._integers.keep(array, host)
        return array

    def to_numpy(self, array: Array) -> Any:
        """Wait for an array or scalar, and copy it to the host."""
        return cp.asnumpy(array) if isinstance(array, cp.ndarray) else np.array(array)

    def copy(self, array: Array) -> Array:
        """Return a C-contiguous copy."""
        return array.copy(order="C")

    def synchronize(self) -> None:
        """Wait until the device is done with all that was queued."""
        cp.cuda.Device().synchronize()

    def describe(self) -> dict[str, Any]:
        """Return versions, and the device with its memory."""
        device, runtime = _device(cp.cuda.runtime.getDevice()), cp.cuda.runtime
        return {
            "library": "cupy",
            "version": cp.__version__,
            "device": device.name,
            "compute_capability": f"{device.capability // 10}.{device.capability % 10}",
            "multiprocessors": device.multiprocessors,
            "memory_bytes": int(runtime.memGetInfo()[1]),
            "cuda_driver": runtime.driverGetVersion(),
            "cuda_runtime": runtime.runtimeGetVersion(),
            "strategy": self._strategy or "by shape",
        }

    def check_labels(self, argument: str, ids: Array, *, size: int, ignored: int | None = None) -> None:
        """Raise `timernn.contract.LabelError` if an id is out of range.

        What `asarray` brought is looked at on the host; anything else on the device, which is waited for.
        """
        host = self._integers.of(ids)
        if host is None:
            super().check_labels(argument, ids, size=size, ignored=ignored)
            return
        if ignored is not None:
            host = np.where(host == ignored, 0, host)
        checks.labels_in_range(argument, int(host.min()), int(host.max()), size, ignored)

    # -- kernels of the recurrent layers -----------------------------------------------------------

    def rnn_forward(self, x: Array, h_prev: Array, *, Wx: Array, Wh: Array, b: Array) -> Array:
        """Return ``h_next``: both products into one array, then tanh in place."""
        (N, D), H, dtype = x.shape, Wh.shape[0], NAMES[x.dtype]
        x, h_prev, Wx, Wh, b = _contiguous(x, h_prev, Wx, Wh, b)
        h_next = cp.empty((N, H), dtype=x.dtype)
        gemm = blas().gemm
        gemm(dtype, N, H, D, x.data.ptr, D, Wx.data.ptr, H, h_next.data.ptr, H)
        gemm(dtype, N, H, H, h_prev.data.ptr, H, Wh.data.ptr, H, h_next.data.ptr, H, beta=1.0)
        elementwise("steps", "tanh_step", dtype, N * H, h_next, b, N, H, H)
        return h_next

    def rnn_backward(
        self, dh_next: Array, *, x: Array, h_prev: Array, h_next: Array, Wx: Array, Wh: Array
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Return ``(dx, dh_prev, dWx, dWh, db)``."""
        (N, D), H, dtype = x.shape, Wh.shape[0], NAMES[x.dtype]
        dh_next, x, h_prev, h_next, Wx, Wh = _contiguous(dh_next, x, h_prev, h_next, Wx, Wh)
        dz, dx, dh_prev, dWx, dWh, db = (
            cp.empty(shape, dtype=x.dtype) for shape in ((N, H), (N, D), (N, H), (D, H), (H, H), (H,))
        )
        elementwise("steps", "through_tanh", dtype, N * H, dh_next, h_next, dz, N * H)
        gemm, z = blas().gemm, dz.data.ptr
        gemm(dtype, N, D, H, z, H, Wx.data.ptr, H, dx.data.ptr, D, transpose_b=True)
        gemm(dtype, N, H, H, z, H, Wh.data.ptr, H, dh_prev.data.ptr, H, transpose_b=True)
        gemm(dtype, D, H, N, x.data.ptr, D, z, H, dWx.data.ptr, H, transpose_a=True)
        gemm(dtype, H, H, N, h_prev.data.ptr, H, z, H, dWh.data.ptr, H, transpose_a=True)
        elementwise("steps", "sum_rows", dtype, H, dz, db, N, H)
        return dx, dh_prev, dWx, dWh, db

    def time_rnn_forward(
        self, xs: Array, h_prev: Array, *, Wx: Array, Wh: Array, b: Array, workspace: Workspace
    ) -> tuple[Array, Any]:
        """Return ``(hs, cache)``; see `timernn.cupy_kernels.recurrent`."""
        plan = self._plan(xs.shape[0], xs.shape[1], Wh.shape[0], NAMES[xs.dtype])
        xs, h_prev, Wx, Wh, b = _contiguous(xs, h_prev, Wx, Wh, b)
        return recurrent.forward(plan, xs, h_prev, Wx, Wh, b, workspace)

    def last_state(self, hs: Array, cache: Any) -> Array:
        """Return the state after the last step, which the kernel wrote for it."""
        last: Array = cache.last
        return last

    def time_rnn_backward(
        self, dhs: Array, *, cache: Any, Wx: Array, Wh: Array, workspace: Workspace
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Return ``(dxs, dh_prev, dWx, dWh, db)``."""
        N, T, H = dhs.shape
        plan = self._plan(N, T, H, NAMES[dhs.dtype])
        dhs, Wx, Wh = _contiguous(dhs, Wx, Wh)
        return recurrent.backward(plan, dhs, cache, Wx, Wh, workspace)

    def _plan(self, N: int, T: int, H: int, dtype: str) -> Plan:
        """Return how a block of this shape is run on the current device."""
        device = cp.cuda.runtime.getDevice()
        key = (N, T, H, dtype, device)
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = plan_block(N, T, H, dtype, _device(device), self._strategy)
        return found

    # -- kernels of the time layers ----------------------------------------------------------------

    def time_embedding_forward(self, ids: Array, *, W: Array) -> Array:
        """Return ``W[ids]``."""
        return timewise.embedding_forward(_int64(ids), cp.ascontiguousarray(W))

    def time_embedding_backward(self, dxs: Array, *, ids: Array, V: int, workspace: Workspace) -> Array:
        """Return ``dW``, the same bits each time: no atomic additions."""
        return timewise.embedding_backward(cp.ascontiguousarray(dxs), _int64(ids), V, workspace)

    def time_affine_forward(self, xs: Array, *, W: Array, b: Array, workspace: Workspace) -> tuple[Array, Any]:
        """Return ``(zs, cache)``."""
        xs, W, b = _contiguous(xs, W, b)
        return timewise.affine_forward(xs, W, b, workspace)

    def time_affine_backward(
        self, dzs: Array, *, xs: Array, W: Array, workspace: Workspace
    ) -> tuple[Array, Array, Array]:
        """Return ``(dxs, dW, db)``."""
        dzs, W = _contiguous(dzs, W)
        return timewise.affine_backward(dzs, xs, W, workspace)

    def time_softmax_with_loss_forward(
        self, zs: Array, ts: Array, *, ignore_label: int, workspace: Workspace
    ) -> tuple[Array, Any]:
        """Return ``(loss, cache)``; the loss stays on the device until somebody reads it."""
        return timewise.softmax_forward(cp.ascontiguousarray(zs), _int64(ts), ignore_label, workspace)

    def time_softmax_with_loss_backward(self, dloss: float, *, cache: Any) -> Array:
        """Return ``dzs``."""
        return timewise.softmax_backward(dloss, cache)

    # -- optimiser kernels, in place ---------------------------------------------------------------

    def clip_gradients(self, grads: Sequence[Array], max_norm: float) -> tuple[list[Array], Array]:
        """Scale ``grads`` in place by ``min(1, max_norm / norm)``; the norm stays on the device."""
        one_type = len({grad.dtype for grad in grads}) == 1
        if not (one_type and all(grad.flags.c_contiguous for grad in grads)):
            return super().clip_gradients(grads, max_norm)
        return list(grads), updates.clip(grads, max_norm)

    def sgd_update(self, param: Array, grad: Array, *, learning_rate: float) -> Array:
        """Subtract ``learning_rate * grad`` from ``param`` in place."""
        if _alike(param, grad):
            updates.sgd(param, grad, learning_rate)
        else:
            param -= learning_rate * grad
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
        """Take one step of Adam in place."""
        settings: dict[str, Any] = {
            "learning_rate": learning_rate,
            "beta1": beta1,
            "beta2": beta2,
            "epsilon": epsilon,
            "step": step,
        }
        if _alike(param, grad, m, v):
            updates.adam(param, grad, m, v, **settings)
            return param, m, v
        new = super().adam_update(param, grad, m, v, **settings)
        for old, value in zip((param, m, v), new, strict=True):
            old[...] = value
        return param, m, v


class CupyStepwiseBackend(CupyBackend):
    """CuPy with cuBLAS step by step, whatever the shape."""

    name = "cupy-stepwise"
    _strategy = "stepwise"


class CupyGraphBackend(CupyBackend):
    """CuPy with the loop over time replayed as a graph, whatever the shape."""

    name = "cupy-graph"
    _strategy = "graph"


class CupyPersistentBackend(CupyBackend):
    """CuPy with one kernel for all steps wherever it fits, and a graph where it doesn't."""

    name = "cupy-persistent"
    _strategy = "persistent"


@functools.cache
def _device(index: int) -> Device:
    with cp.cuda.Device(index):
        return properties(cp)


def _contiguous(*arrays: Array) -> tuple[Array, ...]:
    """Return arrays whose elements lie one after another: themselves where they do."""
    return tuple(array if array.flags.c_contiguous else cp.ascontiguousarray(array) for array in arrays)


def _int64(ids: Array) -> Array:
    return cp.ascontiguousarray(ids, dtype=cp.int64)


def _alike(*arrays: Array) -> bool:
    first = arrays[0]
    return all(a.flags.c_contiguous and a.dtype == first.dtype and a.shape == first.shape for a in arrays)
