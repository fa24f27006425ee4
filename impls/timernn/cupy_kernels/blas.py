"""Matrix products by cuBLAS on handles of our own, called so that a capturing stream may record them.

CuPy refuses cuBLAS while a stream captures (https://github.com/cupy/cupy/issues/6290), for its handles are
shared and allocate. A handle of our own for each thread and device, with a workspace that is given to it,
has neither trouble. The library is the one that CuPy loads.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cupy as cp

_SUCCESS = 0
_DEFAULT_MATH, _TF32_MATH = 0, 3  # cublasMath_t
#: cuBLAS's own default for Hopper, 32 MiB, is more than products of this size make use of.
_WORKSPACE_BYTES = 8 * 1024 * 1024
_Pointer, _Int = ctypes.c_void_p, ctypes.c_int


class CublasError(RuntimeError):
    """cuBLAS refused a call; the message has its name and status."""


@functools.lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Return the cuBLAS that CuPy uses, with the types of what is called here."""
    from cuda.pathfinder import load_nvidia_dynamic_lib  # noqa: PLC0415 - comes with CuPy, and takes its time

    found = ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
    for name, real in (("cublasSgemm_v2", ctypes.c_float), ("cublasDgemm_v2", ctypes.c_double)):
        scalar = ctypes.POINTER(real)
        getattr(found, name).argtypes = [
            _Pointer, _Int, _Int, _Int, _Int, _Int, scalar, _Pointer, _Int, _Pointer, _Int, scalar, _Pointer, _Int,
        ]  # fmt: skip
    found.cublasCreate_v2.argtypes = [ctypes.POINTER(_Pointer)]
    found.cublasDestroy_v2.argtypes = [_Pointer]
    found.cublasSetStream_v2.argtypes = [_Pointer, _Pointer]
    found.cublasSetWorkspace_v2.argtypes = [_Pointer, _Pointer, ctypes.c_size_t]
    found.cublasSetMathMode.argtypes = [_Pointer, _Int]
    return found


def _call(name: str, *arguments: Any) -> None:
    status = getattr(library(), name)(*arguments)
    if status != _SUCCESS:
        raise CublasError(f"{name} answered status {status}")


class Blas:
    """A cuBLAS handle with its workspace, for one thread and one device.

    Arrays are given as pointers with leading dimensions, in row-major order, so that parts of larger arrays need no
    views of them.
    """

    def __init__(self) -> None:
        self._handle = _Pointer()
        _call("cublasCreate_v2", ctypes.byref(self._handle))
        # True float32: what CuPy itself goes by, the variable CUPY_TF32, asks for TensorFloat-32 instead.
        tf32 = os.environ.get("CUPY_TF32") == "1"
        _call("cublasSetMathMode", self._handle, _TF32_MATH if tf32 else _DEFAULT_MATH)
        weakref.finalize(self, library().cublasDestroy_v2, self._handle).atexit = False
        self._workspace = cp.cuda.alloc(_WORKSPACE_BYTES)
        self._stream: int | None = None
        self._gemm = {"float32": library().cublasSgemm_v2, "float64": library().cublasDgemm_v2}
        self._scalars = {
            dtype: {value: ctypes.byref(real(value)) for value in (0.0, 1.0)}
            for dtype, real in (("float32", ctypes.c_float), ("float64", ctypes.c_double))
        }

    def _use(self, stream: int) -> None:
        if stream != self._stream:
            _call("cublasSetStream_v2", self._handle, stream)
            # Setting a stream takes the workspace away again.
            _call("cublasSetWorkspace_v2", self._handle, self._workspace.ptr, _WORKSPACE_BYTES)
            self._stream = stream

    @contextmanager
    def recording(self) -> Iterator[Any]:
        """Give products a workspace of their own meanwhile: a graph that is recorded has to keep it alive.

        Nobody else may use it: graphs are replayed by any thread, on any stream.
        """
        kept, self._workspace, self._stream = self._workspace, cp.cuda.alloc(_WORKSPACE_BYTES), None
        try:
            yield self._workspace
        finally:
            self._workspace, self._stream = kept, None

    def gemm(
        self,
        dtype: str,
        m: int,
        n: int,
        k: int,
        a: int,
        lda: int,
        b: int,
        ldb: int,
        c: int,
        ldc: int,
        *,
        transpose_a: bool = False,
        transpose_b: bool = False,
        beta: float = 0.0,
    ) -> None:
        """Compute ``C (m, n) = op(A) op(B) + beta C`` on the current stream, with ``op(A) (m, k)``, ``op(B) (k, n)``.

        Parameters
        ----------
        a, b, c : int
            Where the arrays begin on the device.
        lda, ldb, ldc : int
            Elements from one row of an array, as it is stored, to the next.
        transpose_a, transpose_b : bool
            Whether op transposes: A is stored as (k, m), B as (n, k).
        beta : float
            0 or 1; with 0, C is not read.
        """
        self._use(cp.cuda.get_current_stream().ptr)
        scalars = self._scalars[dtype]
        # Column-major, as cuBLAS has it, this is C^T = op(B)^T op(A)^T.
        status = self._gemm[dtype](
            self._handle, transpose_b, transpose_a, n, m, k, scalars[1.0], b, ldb, a, lda, scalars[beta], c, ldc
        )
        if status != _SUCCESS:
            raise CublasError(f"cublas gemm of {dtype} ({m}, {k}) x ({k}, {n}) answered status {status}")


_own = threading.local()


def blas() -> Blas:
    """Return this thread's handle on the current device."""
    handles: dict[int, Blas] = _own.__dict__.setdefault("handles", {})
    device = cp.cuda.runtime.getDevice()
    found = handles.get(device)
    if found is None:
        found = handles[device] = Blas()
    return found
