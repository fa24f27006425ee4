"""Each fault of a kernel is found, and raised as what it is."""

from __future__ import annotations

import cupy as cp
import numpy as np
import pytest
from cupy import cublas

import cuda_on_host

NEIGHBOURS = r"""
extern "C" __global__ void neighbours(const float *x, float *y) {
    __shared__ float row[64];
    row[threadIdx.x] = x[threadIdx.x];
    BARRIER
    y[threadIdx.x] = row[(threadIdx.x + 1) % 64] + row[(threadIdx.x + 63) % 64];
}
"""


def launch(code, name, blocks, threads, *arguments, cooperative=False, **options):
    kernel = cp.RawKernel(code, name, enable_cooperative_groups=cooperative)
    kernel((blocks,), (threads,), arguments, **options)


def bodied(name, body):
    return f'extern "C" __global__ void {name}(float *x, int n) {{ {body} }}'


@pytest.fixture
def x():
    return cp.zeros(64, np.float32)


def test_dropped_barrier_shows_as_other_bits():
    given = cp.arange(64, dtype=np.float32)

    def results(barrier):
        for order in (0, 1, 99):
            cuda_on_host.set_order(order)
            y = cp.zeros(64, np.float32)
            launch(NEIGHBOURS.replace("BARRIER", barrier), "neighbours", 1, 64, given, y)
            yield y.get().tobytes()

    assert len(set(results("__syncthreads();"))) == 1
    assert len(set(results(""))) > 1


def test_shared_memory_is_fresh_for_every_block():
    y = cp.zeros(2, np.float32)
    code = """extern "C" __global__ void left_over(float *y) {
        __shared__ float s[2]; extern __shared__ float d[];
        y[blockIdx.x] = s[0] == 5 || d[0] == 5; s[0] = 5; d[0] = 5; }"""
    launch(code, "left_over", 2, 1, y, shared_mem=4)
    assert y.get().tolist() == [0, 0]


def test_memory_of_the_pool_is_nan_too():
    x = cp.ones(1000, np.float32)
    assert (x.get() == 1).all()
    del x  # the pool gives the same block again
    assert np.isnan(cp.empty(1000, np.float32).get()).all()


def test_matrix_product_outside_of_an_allocation():
    memory = cp.cuda.Memory(3 * 3 * 4)
    pointer = cp.cuda.MemoryPointer(memory, 0)
    x, out = cp.ones((4, 4), np.float32), cp.ndarray((4, 4), np.float32, pointer)
    with pytest.raises(cp.cuda.cublas.CUBLASError):
        cublas.gemm("N", "N", x, x, out=out)
    with pytest.raises(cuda_on_host.OutOfBounds, match=r"cublas.*36 bytes"):
        cp.cuda.Device().synchronize()


def test_fresh_memory_is_nan():
    address = cp.cuda.runtime.malloc(400)
    values = np.zeros(100, np.float32)
    cp.cuda.runtime.memcpy(values.ctypes.data, address, 400, cp.cuda.runtime.memcpyDeviceToHost)
    cp.cuda.runtime.free(address)
    assert np.isnan(values).all()


@pytest.mark.parametrize(("index", "words"), [(25, "0 bytes behind the end"), (-1, "4 bytes before")])
def test_write_outside_of_an_allocation(index, words):
    memory = cp.cuda.Memory(100)
    array = cp.ndarray(25, np.float32, cp.cuda.MemoryPointer(memory, 0))
    with pytest.raises(cuda_on_host.OutOfBounds, match=f"kernel astray.*{words} .*100 bytes"):
        launch(bodied("astray", "x[n] = 1;"), "astray", 1, 1, array, np.int32(index))


def test_write_far_outside():
    memory = cp.cuda.Memory(100)
    array = cp.ndarray(25, np.float32, cp.cuda.MemoryPointer(memory, 0))
    with pytest.raises(cuda_on_host.IllegalAddress, match="isn't there"):
        launch(bodied("far_astray", "x[n] = 1;"), "far_astray", 1, 1, array, np.int32(5000))


def test_write_behind_dynamic_shared_memory(x):
    code = bodied("shared_astray", "extern __shared__ float s[]; s[n] = 1;")
    launch(code, "shared_astray", 1, 1, x, np.int32(31), shared_mem=128)
    with pytest.raises(cuda_on_host.OutOfBounds, match="behind its dynamic shared memory of 128 bytes"):
        launch(code, "shared_astray", 1, 1, x, np.int32(32), shared_mem=128)


def test_write_after_free():
    address = cp.cuda.runtime.malloc(64)
    cp.cuda.runtime.free(address)
    code = 'extern "C" __global__ void late(unsigned long long address) { *(int *)address = 1; }'
    launch(code, "late", 1, 1, np.uint64(address))
    with pytest.raises(cuda_on_host.OutOfBounds, match="freed memory"):
        cuda_on_host.check()


def test_memory_freed_twice_or_never_allocated():
    address = cp.cuda.runtime.malloc(64)
    cp.cuda.runtime.free(address)
    with pytest.raises(cuda_on_host.MemoryMisuse, match="twice"):
        cp.cuda.runtime.free(address)
    with pytest.raises(cuda_on_host.MemoryMisuse, match="never allocated"):
        cp.cuda.runtime.free(4096)


def test_copy_beyond_an_allocation():
    address = cp.cuda.runtime.malloc(64)
    with pytest.raises(cuda_on_host.OutOfBounds, match="65 bytes"):
        cp.cuda.runtime.memset(address, 0, 65)
    cp.cuda.runtime.free(address)


FAULTS = {
    "exit before a barrier": (
        "if (threadIdx.x > 3) __syncthreads();",
        cuda_on_host.BarrierDivergence,
        "left the kernel",
    ),
    "different barriers": (
        "if (threadIdx.x > 3) __syncthreads();\nelse __syncthreads();",
        cuda_on_host.BarrierDivergence,
        "line 1, and in line 2|line 2, and in line 1",
    ),
    "half a warp shuffles": (
        "if (threadIdx.x < 16) x[0] = __shfl_xor_sync(0xffffffffu, x[0], 1);",
        cuda_on_host.BarrierDivergence,
        "left the kernel while lanes",
    ),
    "half a warp shuffles, half is at a barrier": (
        "if (threadIdx.x < 16) x[0] = __shfl_xor_sync(0xffffffffu, x[0], 1);\n__syncthreads();",
        cuda_on_host.BarrierDivergence,
        "16 wait at __syncthreads .line 2., 16 at a warp operation .line 1.",
    ),
    "a mask without the caller": (
        "x[threadIdx.x] = __shfl_sync(0x0000ffffu, x[0], 0);",
        cuda_on_host.BarrierDivergence,
        "doesn't name it",
    ),
    "trap": ("if (threadIdx.x == 5) __trap();", cuda_on_host.KernelTrapped, r"__trap.*thread \(5, 0, 0\)"),
    "assertion": ("assert(threadIdx.x < 7);", cuda_on_host.KernelTrapped, r"threadIdx.x < 7.*thread \(7, 0, 0\)"),
    "null": ("float *p = n < 99 ? nullptr : x; *p = 1;", cuda_on_host.IllegalAddress, "null"),
    "misaligned": (
        "*reinterpret_cast<float4 *>(x + 1) = make_float4(1, 2, 3, 4);",
        cuda_on_host.IllegalAddress,
        "not aligned",
    ),
    "index outside of a local array": ("float v[4]; v[n] = 1; x[0] = v[n - 2];", cuda_on_host.IllegalAddress, "index"),
    "poll for what no thread does": (
        "while (*(volatile float *)x == 0) __nanosleep(10);",
        cuda_on_host.Deadlock,
        "32 threads poll",
    ),
    "poll by atomics": ("while (atomicAdd(x, 0.0f) == 0) {}", cuda_on_host.Deadlock, "32 threads poll"),
    "poll that never gives way": ("while (*(volatile float *)x == 0) {}", cuda_on_host.Deadlock, "1 seconds"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_a_kernel(x, name):
    body, expected, words = FAULTS[name]
    cuda_on_host.settings.time_limit_seconds = 1
    kernel = cp.RawKernel(bodied("faulty", body), "faulty")
    with pytest.raises(expected, match=f"(?s)kernel faulty: .*({words})"):
        kernel((1,), (32,), (x, np.int32(4)))
    # The executor goes on.
    assert (x + 1).shape == (64,)


def test_lanes_that_left_before_a_shuffle(x):
    cuda_on_host.set_order(1)
    with pytest.raises(cuda_on_host.BarrierDivergence, match="lanes 0xffff0000, which have left"):
        launch(
            bodied("left", "if (threadIdx.x < 16) x[0] = __shfl_xor_sync(0xffffffffu, x[0], 1);"),
            "left",
            1,
            32,
            x,
            np.int32(0),
        )


WAITING = r"""
extern "C" __global__ void waiting(unsigned *counter, unsigned target) {
    if (threadIdx.x == 0) {
        atomicAdd(counter, 1u);
        while (*(volatile unsigned *)counter < target) __nanosleep(20);
    }
    __syncthreads();
}
"""


def test_block_that_waits_for_another_needs_a_cooperative_launch():
    launch(WAITING, "waiting", 4, 32, cp.zeros(1, np.uint32), np.uint32(4), cooperative=True)
    with pytest.raises(cuda_on_host.Deadlock, match="not cooperative"):
        launch(WAITING, "waiting", 4, 32, cp.zeros(1, np.uint32), np.uint32(4))
    with pytest.raises(cuda_on_host.Deadlock):
        launch(WAITING, "waiting", 4, 32, cp.zeros(1, np.uint32), np.uint32(5), cooperative=True)


PASSING = r"""
extern "C" __global__ void passing(unsigned *counter, float *x) {
    x[blockIdx.x] = blockIdx.x;
    BARRIER
    x[gridDim.x + blockIdx.x] = x[(blockIdx.x + 1) % gridDim.x];
}
"""


def test_missing_grid_barrier_shows_as_other_bits():
    barrier = "atomicAdd(counter, 1u); while (*(volatile unsigned *)counter < gridDim.x) __nanosleep(20);"

    def results(text):
        for order in (0, 1, 99):
            cuda_on_host.set_order(order)
            x = cp.zeros(16, np.float32)
            code = PASSING.replace("BARRIER", text)
            launch(code, "passing", 8, 1, cp.zeros(1, np.uint32), x, cooperative=True)
            yield x.get().tobytes()

    assert len(set(results(barrier))) == 1
    assert len(set(results(""))) > 1
