"""The language of kernels: barriers, shuffles, atomics, shared memory, and what CUDA's headers give."""

from __future__ import annotations

import cupy as cp
import numpy as np
import pytest

import cuda_on_host

ORDERS = (0, 1, 12345)
FEATURES = r"""
#ifndef NAN  // NVRTC has none of its own
#define NAN __int_as_float(0x7fffffff)
#define INFINITY __int_as_float(0x7f800000)
#endif

template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
    for (int step = 16; step > 0; step >>= 1) value += __shfl_down_sync(0xffffffffu, value, step);
    return value;
}

extern "C" __global__ void __launch_bounds__(256, 2) block_sum(const float *x, double *total, int n) {
    __shared__ double parts[8];
    double sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += __ldg(x + i);
    sum = warp_sum(sum);
    if ((threadIdx.x & 31) == 0) parts[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = warp_sum(threadIdx.x < 8 ? parts[threadIdx.x] : 0.0);
        if (threadIdx.x == 0) atomicAdd(total, sum);
    }
}

extern "C" __global__ void reverse(const float *x, float *y, int n) {
    extern __shared__ __align__(16) unsigned char raw[];
    float *row = reinterpret_cast<float *>(raw);
    row[threadIdx.x] = x[blockIdx.x * n + threadIdx.x];
    __syncthreads();
    y[blockIdx.x * n + threadIdx.x] = row[n - 1 - threadIdx.x];
}

extern "C" __global__ void shuffles(int *out) {
    const int lane = threadIdx.x;
    out[lane] = __shfl_sync(0xffffffffu, lane, 3, 8);
    out[32 + lane] = __shfl_up_sync(0xffffffffu, lane, 2, 16);
    out[64 + lane] = __shfl_down_sync(0xffffffffu, lane, 2, 16);
    out[96 + lane] = __shfl_xor_sync(0xffffffffu, lane, 5);
    out[128 + lane] = __ballot_sync(0xffffffffu, lane % 3 == 0);
    out[160 + lane] = __any_sync(0xffffffffu, lane == 9) + 2 * __all_sync(0xffffffffu, lane < 31);
    // The halves of the warp go different ways, each with its own mask.
    if (lane < 16) out[192 + lane] = __shfl_xor_sync(0x0000ffffu, lane, 1);
    else out[192 + lane] = __shfl_xor_sync(0xffff0000u, __shfl_xor_sync(0xffff0000u, lane, 2), 4);
}

extern "C" __global__ void atomics(int *i, unsigned *u, unsigned long long *l, float *f, double *d) {
    atomicAdd(i, 1); atomicMax(i + 1, (int)threadIdx.x); atomicOr(i + 2, 1 << threadIdx.x);
    atomicAdd(u, 1u); atomicExch(u + 1, 7u); atomicCAS(u + 2, 0u, 9u);
    atomicAdd(l, 1ull); atomicAdd(f, 0.5f); atomicAdd(d, 0.25);
}

extern "C" __global__ void numbers(float *x, double *y, int n) {
    x[0] = min(n, 3u); x[1] = max(1.5f, 2.0); x[2] = fminf(1.0f, NAN); x[3] = INFINITY; x[4] = rsqrtf(4.0f);
    x[5] = __expf(0.0f); x[6] = fmaf(2.0f, 3.0f, 4.0f); x[7] = __int_as_float(__float_as_int(2.5f));
    *reinterpret_cast<float4 *>(x + 8) = make_float4(1, 2, 3, 4);
    const float4 four = __ldcg(reinterpret_cast<const float4 *>(x + 8));
    __stcg(reinterpret_cast<float2 *>(x + 12), make_float2(four.w, four.x));
    y[0] = fma(2.0, 3.0, 4.0); y[1] = tanh(0.5); y[2] = __longlong_as_double(__double_as_longlong(-1.25));
    *reinterpret_cast<double2 *>(y + 4) = make_double2(8, 9);
    const int4 bits = make_int4(1, 2, 3, 4);
    y[3] = bits.w + (clock64() >= 0);
}

template <typename T> __global__ void scale(T *x, T factor) { x[threadIdx.x] *= factor; }

__constant__ float table[4];
extern "C" __global__ void look_up(float *x) { x[threadIdx.x] = 2 * table[threadIdx.x]; }

template <class T> __device__ T rotated(T value) {
    __shared__ T all[64];
    all[threadIdx.x] = value;
    __syncthreads();
    return all[(threadIdx.x + 1) % blockDim.x];
}
extern "C" __global__ void rotate(float *x, double *y) {
    x[threadIdx.x] = rotated(x[threadIdx.x]);
    y[threadIdx.x] = rotated(y[threadIdx.x]);
}
"""
GRID_BARRIER = r"""
extern "C" __global__ void passed_on(unsigned *counter, int *x, int rounds) {
    __shared__ int mine;  // every block has its own, though all of them are there at once
    if (threadIdx.x == 0) mine = blockIdx.x;
    for (int round = 0; round < rounds; ++round) {
        __syncthreads();
        if (threadIdx.x == 0) {
            x[(mine + 1) % gridDim.x + (round + 1) * gridDim.x] = x[mine + round * gridDim.x] + 1;
            __threadfence();
            atomicAdd(counter, 1u);
            int polls = 0;
            while (*(volatile unsigned *)counter < (round + 1) * gridDim.x && ++polls < (1 << 20)) __nanosleep(20);
        }
        __syncthreads();
    }
}
"""


@pytest.fixture(scope="module")
def features():
    return cp.RawModule(code=FEATURES, name_expressions=["scale<float>", "scale<double>"])


@pytest.mark.parametrize("order", ORDERS)
def test_block_sum(features, order):
    cuda_on_host.set_order(order)
    total = cp.zeros(1)
    features.get_function("block_sum")((1,), (256,), (cp.arange(1000, dtype=np.float32), total, np.int32(1000)))
    assert total.get()[0] == 499500.0


@pytest.mark.parametrize("order", ORDERS)
def test_dynamic_shared_memory(features, order):
    cuda_on_host.set_order(order)
    x = np.arange(35, dtype=np.float32).reshape(5, 7)
    y = cp.empty((5, 7), np.float32)
    features.get_function("reverse")((5,), (7,), (cp.asarray(x), y, np.int32(7)), shared_mem=28)
    assert (y.get() == x[:, ::-1]).all()


@pytest.mark.parametrize("order", ORDERS)
def test_warp_operations(features, order):
    cuda_on_host.set_order(order)
    out = cp.zeros(224, np.int32)
    features.get_function("shuffles")((1,), (32,), (out,))
    lane = np.arange(32)
    expected = [
        lane // 8 * 8 + 3,
        np.where(lane % 16 < 2, lane, lane - 2),
        np.where(lane % 16 >= 14, lane, lane + 2),
        lane ^ 5,
        np.full(32, np.int64(sum(1 << i for i in range(0, 32, 3))).astype(np.int32)),
        np.full(32, 1),
        np.where(lane < 16, lane ^ 1, lane ^ 6),
    ]
    np.testing.assert_array_equal(out.get().reshape(7, 32), expected)


def test_atomics(features):
    arrays = [cp.zeros(3, t) for t in (np.int32, np.uint32, np.uint64, np.float32, np.float64)]
    features.get_function("atomics")((2,), (16,), tuple(arrays))
    got = [array.get().tolist() for array in arrays]
    assert got == [[32, 15, 65535], [32, 7, 9], [32, 0, 0], [16.0, 0, 0], [8.0, 0, 0]]


def test_numbers(features):
    x, y = cp.zeros(16, np.float32), cp.zeros(6)
    features.get_function("numbers")((1,), (1,), (x, y, np.int32(5)))
    assert x.get().tolist() == [3, 2, 1, np.inf, 0.5, 1, 10, 2.5, 1, 2, 3, 4, 4, 1, 0, 0]
    assert y.get().tolist() == [10, np.tanh(0.5), -1.25, 5, 8, 9]


def test_templates_by_name_expression(features):
    x, y = cp.arange(4, dtype=np.float32), cp.arange(4, dtype=np.float64)
    features.get_function("scale<float>")((1,), (4,), (x, np.float32(3)))
    features.get_function("scale<double>")((1,), (4,), (y, np.float64(5)))
    assert (x.get() == [0, 3, 6, 9]).all()
    assert (y.get() == [0, 5, 10, 15]).all()


def test_constant_memory(features):
    cp.ndarray((4,), np.float32, features.get_global("table")).set(np.arange(4, dtype=np.float32))
    x = cp.zeros(4, np.float32)
    features.get_function("look_up")((1,), (4,), (x,))
    assert (x.get() == [0, 2, 4, 6]).all()


def test_shared_memory_of_templates_is_found(features):
    x, y = cp.arange(64, dtype=np.float32), cp.arange(64, dtype=np.float64)
    kernel = features.get_function("rotate")
    kernel((1,), (64,), (x, y))
    assert (x.get() == np.roll(np.arange(64), -1)).all()
    assert (y.get() == np.roll(np.arange(64), -1)).all()
    assert kernel.shared_size_bytes >= 64 * 12


@pytest.mark.parametrize("order", ORDERS)
def test_grid_barrier_of_atomics(order):
    cuda_on_host.set_order(order)
    kernel = cp.RawKernel(GRID_BARRIER, "passed_on", enable_cooperative_groups=True)
    counter, x = cp.zeros(1, np.uint32), cp.full((6, 9), -100, np.int32)
    x[0] = cp.arange(9)
    kernel((9,), (70,), (counter, x, np.int32(5)))
    # Every round adds 1 and moves on by one block.
    assert (x.get()[5] == np.roll(np.arange(9), 5) + 5).all()
    assert counter.get()[0] == 45


def test_cooperative_groups():
    code = """#include <cooperative_groups.h>
    namespace cg = cooperative_groups;
    extern "C" __global__ void grouped(int *x) {
        cg::grid_group grid = cg::this_grid();
        x[grid.thread_rank()] = grid.thread_rank();
        grid.sync();
        if (threadIdx.x == 0) x[grid.size() + blockIdx.x] = x[(grid.thread_rank() + blockDim.x) % grid.size()];
    }"""
    x = cp.full(6 * 40 + 6, -1, np.int32)
    cp.RawKernel(code, "grouped", enable_cooperative_groups=True)((6,), (40,), (x,))
    assert x.get()[240:].tolist() == [40, 80, 120, 160, 200, 0]


def test_orders_of_threads_and_blocks():
    code = """extern "C" __global__ void turns(int *counter, int *x) {
        x[atomicAdd(counter, 1)] = blockIdx.x * blockDim.x + threadIdx.x; }"""
    kernel = cp.RawKernel(code, "turns")
    turns = {}
    for order in ORDERS:
        cuda_on_host.set_order(order)
        x = cp.zeros(40, np.int32)
        kernel((4,), (10,), (cp.zeros(1, np.int32), x))
        turns[order] = x.get()
    assert (turns[0] == np.arange(40)).all()
    assert (turns[1] == np.arange(40)[::-1]).all()
    shuffled = turns[12345]
    assert (np.sort(shuffled) == np.arange(40)).all()
    assert not (np.diff(shuffled) == 1).all()
    assert len({tuple(np.unique(part // 10)) for part in shuffled.reshape(4, 10)}) == 4  # a block at a time


def test_options_define_macros():
    code = 'extern "C" __global__ void constant(float *x) { x[0] = VALUE; }'
    x = cp.zeros(1, np.float32)
    for value in (3, 4):
        cp.RawKernel(code, "constant", options=(f"-DVALUE={value}",))((1,), (1,), (x,))
        assert x.get()[0] == value
