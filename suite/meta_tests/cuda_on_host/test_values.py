"""CuPy's own operations give NumPy's values."""

from __future__ import annotations

import cupy as cp
import numpy as np
import pytest
from cupy import cublas

rng = np.random.default_rng(5)
a = rng.standard_normal((5, 7)).astype(np.float32)
b = rng.standard_normal((7, 3)).astype(np.float32)
rows = np.array([[0, 2, 4], [4, 4, 1]])

OPERATIONS = {
    "ufunc": lambda xp, x, y: xp.tanh(x) * 2 + x,
    "where": lambda xp, x, y: xp.where(x > 0, x, 0.5),
    "sum of an axis": lambda xp, x, y: x.sum(axis=0),
    "sum": lambda xp, x, y: x.sum(),
    "maximum of an axis": lambda xp, x, y: x.max(axis=1, keepdims=True),
    "argmax": lambda xp, x, y: x.argmax(axis=1),
    "variance": lambda xp, x, y: x.var(axis=1),
    "cumulative sum": lambda xp, x, y: xp.cumsum(x, axis=1),
    "norm": lambda xp, x, y: xp.linalg.norm(x),
    "matmul": lambda xp, x, y: x @ y,
    "matmul, left transposed": lambda xp, x, y: x.T @ x,
    "matmul, right transposed": lambda xp, x, y: x @ x.T,
    "matmul of float64": lambda xp, x, y: x.astype(float) @ y.astype(float),
    "matmul of a batch": lambda xp, x, y: xp.stack([x, 2 * x]) @ y,
    "matmul of a slice": lambda xp, x, y: xp.stack([x] * 4)[:, 2, :] @ y,
    "matmul of vectors": lambda xp, x, y: x[0] @ x[1],
    "einsum": lambda xp, x, y: xp.einsum("ij,kj->ik", x, x),
    "half precision": lambda xp, x, y: x.astype(np.float16) * np.float16(3),
    "complex": lambda xp, x, y: xp.exp(1j * x),
    "transpose": lambda xp, x, y: xp.ascontiguousarray(xp.stack([x, x]).transpose(2, 0, 1)),
    "concatenate": lambda xp, x, y: xp.concatenate([x, x], axis=1),
    "take": lambda xp, x, y: x[xp.asarray(rows)],
    "mask": lambda xp, x, y: x[x > 0],
    "nonzero": lambda xp, x, y: xp.stack(xp.nonzero(x > 0)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(name):
    operation = OPERATIONS[name]
    expected = operation(np, a, b)
    got = operation(cp, cp.asarray(a), cp.asarray(b))
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got.get(), expected, rtol=2e-6, atol=2e-6)


def test_scatter_add():
    got, expected = cp.zeros((5, 7), np.float32), np.zeros((5, 7), np.float32)
    values = rng.standard_normal((6, 7)).astype(np.float32)
    cp.add.at(got, cp.asarray(rows.ravel()), cp.asarray(values))
    np.add.at(expected, rows.ravel(), values)
    np.testing.assert_allclose(got.get(), expected, rtol=1e-6)


def test_elementwise_kernel():
    kernel = cp.ElementwiseKernel("T z, raw T b, int64 H", "T y", "y = tanh(z + b[i % H])", "biased_tanh")
    bias = rng.standard_normal(7).astype(np.float32)
    got = kernel(cp.asarray(a), cp.asarray(bias), 7)
    np.testing.assert_allclose(got.get(), np.tanh(a + bias), rtol=1e-6)


def test_fused_function():
    @cp.fuse()
    def squared_difference(x, y):
        return (x - y) * (x - y)

    np.testing.assert_allclose(squared_difference(cp.asarray(a), cp.asarray(2 * a)).get(), a * a, rtol=1e-6)


def test_gemm_accumulates_and_beta_zero_reads_nothing():
    out = cp.ones((5, 3), np.float32)
    cublas.gemm("N", "N", cp.asarray(a), cp.asarray(b), out=out, alpha=2.0, beta=1.0)
    np.testing.assert_allclose(out.get(), 2 * (a @ b) + 1, rtol=1e-5, atol=1e-6)
    fresh = cp.full((5, 3), np.nan, np.float32)
    cublas.gemm("N", "N", cp.asarray(a), cp.asarray(b), out=fresh)
    np.testing.assert_allclose(fresh.get(), a @ b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1, 4, 63, 257])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matmul_of_any_size(size, dtype):
    x, y = rng.standard_normal((size, 5)).astype(dtype), rng.standard_normal((5, size + 1)).astype(dtype)
    np.testing.assert_allclose((cp.asarray(x) @ cp.asarray(y)).get(), x @ y, rtol=1e-4, atol=1e-5)


def test_device_is_the_pretended_one():
    assert cp.is_available()
    assert cp.cuda.Device().compute_capability == "90"
    assert cp.cuda.Device().attributes["MultiProcessorCount"] == 132
    assert cp.cuda.Device().attributes["MaxSharedMemoryPerBlockOptin"] == 232448
    assert b"host executor" in cp.cuda.runtime.getDeviceProperties(0)["name"]
    before = cp.cuda.Device().mem_info[0]
    address = cp.cuda.runtime.malloc(1 << 20)
    assert cp.cuda.Device().mem_info[0] == before - (1 << 20)
    cp.cuda.runtime.free(address)
