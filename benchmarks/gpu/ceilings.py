"""Print as JSON what the device does at most: bytes copied, products of large matrices, launches of nothing."""

import json
import statistics

import cupy
from rehearsal import REHEARSAL

from timernn.cupy_kernels.blas import blas

REPEATS = 2 if REHEARSAL else 30


def seconds_a_call(call, calls):
    """Return the median over rounds, by events around ``calls`` calls."""
    for _ in range(2):
        call()
    rounds = []
    for _ in range(REPEATS):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        for _ in range(calls):
            call()
        end.record()
        end.synchronize()
        rounds.append(cupy.cuda.get_elapsed_time(begin, end) / calls / 1e3)
    return statistics.median(rounds)


def copied_bytes_a_second():
    """Return bytes read and written a second, from device memory to device memory."""
    size = 1 << (20 if REHEARSAL else 30)
    source, target = cupy.ones(size, dtype=cupy.uint8), cupy.empty(size, dtype=cupy.uint8)
    return 2 * size / seconds_a_call(lambda: target.data.copy_from_device_async(source.data, size), 2)


def product_flops_a_second(dtype):
    """Return operations a second in a square product of true ``dtype``, as the backend asks cuBLAS for it."""
    n = 64 if REHEARSAL else 8192
    a, b, c = (cupy.random.standard_normal((n, n)) if not REHEARSAL else cupy.ones((n, n)) for _ in range(3))
    a, b, c = (array.astype(dtype) for array in (a, b, c))
    gemm = blas().gemm
    return 2 * n**3 / seconds_a_call(lambda: gemm(dtype, n, n, n, a.data.ptr, n, b.data.ptr, n, c.data.ptr, n), 1)


def launch_seconds():
    """Return what a launch of an empty kernel takes when many follow each other: the host's part, mostly."""
    empty = cupy.RawKernel('extern "C" __global__ void empty() {}', "empty")
    return seconds_a_call(lambda: empty((1,), (32,), ()), 20 if REHEARSAL else 500)


def main():
    record = {
        "copy_gb_per_second": copied_bytes_a_second() / 1e9,
        "float32_tflops_per_second": product_flops_a_second("float32") / 1e12,
        "float64_tflops_per_second": product_flops_a_second("float64") / 1e12,
        "empty_launch_microseconds": launch_seconds() * 1e6,
    }
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
