"""The order of work: lazy execution, events, stream capture, graphs and the ledger."""

from __future__ import annotations

import ctypes
import threading

import cupy as cp
import numpy as np
import pytest
from cuda.pathfinder import load_nvidia_dynamic_lib

import cuda_on_host


@pytest.fixture
def stream():
    return cp.cuda.Stream(non_blocking=True)


@pytest.fixture
def lazy():
    cuda_on_host.set_lazy(True)


class Blas:
    """cuBLAS by ctypes on a handle of its own, as code does it that captures matrix products."""

    def __init__(self, stream):
        self.library = ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
        self.handle = ctypes.c_void_p()
        assert self.library.cublasCreate_v2(ctypes.byref(self.handle)) == 0
        assert self.library.cublasSetStream_v2(self.handle, ctypes.c_void_p(stream.ptr)) == 0
        assert self.library.cublasSetWorkspace_v2(self.handle, None, ctypes.c_size_t(0)) == 0

    def accumulate(self, x, y, out, alpha=1.0, ldc=None):
        """Add alpha·x·y to out, all row-major float32."""
        one, factor = ctypes.c_float(1.0), ctypes.c_float(alpha)
        (m, k), n = x.shape, y.shape[1]
        pointers = [ctypes.c_void_p(array.data.ptr) for array in (x, y, out)]
        status = self.library.cublasSgemm_v2(
            self.handle, 0, 0, n, m, k, ctypes.byref(factor), pointers[1], n, pointers[0], k, ctypes.byref(one),
            pointers[2], n if ldc is None else ldc,
        )  # fmt: skip
        factor.value = 1e9  # as the call is over, changing it must not matter
        return status


def test_ledger_of_a_small_program():
    x = cp.zeros(1000, np.float32)
    (x * 2).sum().get()
    with cuda_on_host.ledger.recording() as record:
        y = cp.asarray(np.ones(1000, np.float32))
        z = x * 2
        z = x * 2
        total = float(z.sum())
        product = y.reshape(10, 100) @ y.reshape(100, 10)
    assert total == 0
    assert product.shape == (10, 10)
    assert record.launches == {"cupy_multiply__float32_float_float32": 2, "cupy_sum": 1}
    assert record.copies["H2D async"] == 1
    assert record.copies["D2H async"] == 1
    assert record.copied_bytes == {"H2D": 4000, "D2H": 4}
    assert record.blas.total() == 1
    assert record.synchronisations["stream"] >= 1
    assert "cupy_sum 1" in str(record)
    address = cp.cuda.runtime.malloc(64)
    with cuda_on_host.ledger.recording() as record:
        cp.cuda.runtime.free(address)
        cp.cuda.Device().synchronize()
    assert record.frees == {"device": 1}
    assert record.synchronisations == {"device": 1, "implicit": 1}  # freeing waits for the device
    assert not record.launches


def test_lazy_work_waits(lazy, stream):
    x = cp.zeros(4, np.float32)
    cp.cuda.Device().synchronize()
    with stream:
        x += 1
    assert (x.get() == 0).all()  # in another stream, which doesn't wait
    stream.synchronize()
    assert (x.get() == 1).all()


def test_lazy_matrix_product_waits(lazy, stream):
    x, out = cp.ones((3, 3), np.float32), cp.zeros((3, 3), np.float32)
    cp.cuda.Device().synchronize()
    assert Blas(stream).accumulate(x, x, out, alpha=2.0) == 0
    assert (out.get() == 0).all()
    stream.synchronize()
    assert (out.get() == 6).all()


def test_lazy_blocking_streams_take_turns_with_the_default_stream(lazy):
    blocking = cp.cuda.Stream()
    x = cp.zeros(4, np.float32)
    for _ in range(600):  # a chain that is longer than Python's stack is deep
        with blocking:
            x += 1
        x *= 1
    assert (x.get() == 600).all()
    y = cp.zeros(4, np.float32)
    x += 1
    with blocking:
        y += x
    blocking.synchronize()
    assert (y.get(stream=cp.cuda.Stream(non_blocking=True)) == 601).all()


def test_lazy_event_can_be_polled(lazy, stream):
    x = cp.zeros(4, np.float32)
    cp.cuda.Device().synchronize()
    with stream:
        x += 1
        event = stream.record()
    assert not event.done
    polls = 0
    while not event.done and polls < 10:
        polls += 1
    assert event.done
    assert (x.get() == 1).all()


def test_lazy_event_orders_streams(lazy, stream):
    other = cp.cuda.Stream(non_blocking=True)
    x, y = cp.zeros(4, np.float32), cp.zeros(4, np.float32)
    cp.cuda.Device().synchronize()
    with stream:
        x += 1
        event = stream.record()
        x += 10
    other.wait_event(event)
    with other:
        y += x
    other.synchronize()
    assert (y.get() == 1).all()
    stream.synchronize()
    assert (x.get() == 11).all()


def test_lazy_pageable_memory_is_copied_at_once_and_pinned_memory_later(lazy, stream):
    pageable = np.ones(4, np.float32)
    pinned = np.frombuffer(cp.cuda.alloc_pinned_memory(16), np.float32, 4)
    pinned[:] = 1
    x, y = cp.zeros(4, np.float32), cp.zeros(4, np.float32)
    cp.cuda.Device().synchronize()
    for target, source in ((x, pageable), (y, pinned)):
        target.data.copy_from_host_async(source.ctypes.data, 16, stream)
        source[:] = 2
    stream.synchronize()
    assert (x.get() == 1).all()
    assert (y.get() == 2).all()


def test_lazy_parameters_are_those_of_the_launch(lazy):
    kernel = cp.RawKernel('extern "C" __global__ void put(int *x, int value) { x[0] = value; }', "put")
    x, value = cp.zeros(1, np.int32), np.array(3, np.int32)
    kernel((1,), (1,), (x, value[()]))
    value[...] = 4
    assert x.get()[0] == 3


def test_graph_with_matrix_products(stream):
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((4, 6)).astype(np.float32), rng.standard_normal((6, 5)).astype(np.float32)
    x, y, out = cp.asarray(a), cp.asarray(b), cp.zeros((4, 5), np.float32)
    blas = Blas(stream)
    with stream:
        stream.begin_capture()
        for _ in range(3):
            assert blas.accumulate(x, y, out, alpha=2.0) == 0
            cp.add(out, 1, out=out)
        graph = stream.end_capture()
    assert (out.get() == 0).all()  # nothing ran
    expected = np.zeros((4, 5))
    graph.upload(stream)
    for replay in range(3):
        x[...] = cp.asarray(a + replay)
        with cuda_on_host.ledger.recording() as record:
            graph.launch(stream)
            stream.synchronize()
        expected += 3 * (2 * (a + replay) @ b + 1)
        np.testing.assert_allclose(out.get(), expected, rtol=1e-5)
        assert record.graphs == {"launch": 1}
        assert record.graph_kernels == {"cupy_add__float32_float_float32": 3}
        assert record.graph_blas == {"cublasSgemm_v2": 3}
        assert not record.launches
        assert not record.blas


def test_graph_of_two_streams(stream):
    other, x = cp.cuda.Stream(non_blocking=True), cp.zeros(4, np.float32)
    fork, join = cp.cuda.Event(), cp.cuda.Event()

    def capture(*, joined):
        stream.begin_capture()
        with stream:
            cp.add(x, 1, out=x)
            fork.record(stream)
        with other:
            other.wait_event(fork)
            cp.multiply(x, 10, out=x)
            join.record(other)
        if joined:
            stream.wait_event(join)
        return stream.end_capture()

    graph = capture(joined=True)
    graph.launch(stream)
    stream.synchronize()
    assert (x.get() == 10).all()
    with pytest.raises(cuda_on_host.CaptureError, match="Unjoined"):
        capture(joined=False)


GLOBAL, RELAXED = cp.cuda.runtime.streamCaptureModeGlobal, cp.cuda.runtime.streamCaptureModeRelaxed
FORBIDDEN = {
    "synchronising the stream": lambda stream: stream.synchronize(),
    "synchronising the device": lambda stream: cp.cuda.Device().synchronize(),
    "asking whether it is done": lambda stream: stream.done,
    "a copy to the host": lambda stream: cp.zeros(3).get(),
    "allocating": lambda stream: cp.cuda.runtime.malloc(64),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_while_capturing(stream, name):
    cp.zeros(3).get()
    with stream:
        stream.begin_capture(GLOBAL)
        with pytest.raises(cuda_on_host.CaptureError, match="not allowed"):
            FORBIDDEN[name](stream)
        with pytest.raises(cuda_on_host.CaptureError, match="worthless"):
            stream.end_capture()
    assert not stream.is_capturing()


def test_relaxed_capture_may_allocate(stream):
    with stream:
        stream.begin_capture(RELAXED)
        address = cp.cuda.runtime.malloc(64)
        stream.end_capture()
    cp.cuda.runtime.free(address)


def test_a_capture_of_this_thread_lets_others_allocate_and_not_itself(stream):
    done: list[int] = []
    with stream:
        stream.begin_capture(cp.cuda.runtime.streamCaptureModeThreadLocal)
        other = threading.Thread(target=lambda: done.append(cp.cuda.runtime.malloc(1000)))
        other.start()
        other.join()
        assert len(done) == 1
        with pytest.raises(cuda_on_host.CaptureError):
            cp.cuda.runtime.malloc(1000)
        with pytest.raises(cuda_on_host.CaptureError):
            stream.end_capture()
    cp.cuda.runtime.free(done[0])


def test_default_stream_cannot_be_captured():
    with pytest.raises(RuntimeError, match=r"default \(legacy\) stream"):
        cp.cuda.Stream.null.begin_capture()


def test_bad_arguments_of_cublas(stream):
    x = cp.zeros((3, 3), np.float32)
    assert Blas(stream).accumulate(x, x, x, ldc=2) == 7  # CUBLAS_STATUS_INVALID_VALUE
    library = Blas(stream).library
    assert library.cublasCgemm_v2() == 15  # CUBLAS_STATUS_NOT_SUPPORTED
    major = ctypes.c_int()
    assert library.cublasGetVersion_v2(None, ctypes.byref(major)) == 0
    assert major.value == 130000


def test_elapsed_time_needs_events_that_were_reached(stream):
    start, end = cp.cuda.Event(), cp.cuda.Event()
    start.record(stream)
    end.record(stream)
    assert cp.cuda.get_elapsed_time(start, end) >= 0
    with pytest.raises(cuda_on_host.InvalidHandle, match="not reached"):
        cp.cuda.get_elapsed_time(start, cp.cuda.Event())
