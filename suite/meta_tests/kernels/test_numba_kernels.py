"""The Numba backend's own parts: products of every size, the same bits for any threads, and the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import TypingError

import timernn.numba_kernels
from timernn import load_backend
from timernn.numba_kernels import gemm
from timernn.numba_kernels.compiling import kernel
from timernn.numba_kernels.simd import PANEL_BYTES, TILE_ROWS

WIDTH = PANEL_BYTES // 4


@kernel
def product(parts, code, rows, columns, K, a, b, bk_stride, bj_stride, init, c, scratch):
    gemm.multiply(code, rows, columns, K, a, K, b, bk_stride, bj_stride, init, 0, c, columns, scratch)


@kernel
def transposed_product(parts, code, rows, columns, K, a, group, b, zeros, c, scratch):
    gemm.multiply_transposed(code, rows, columns, K, a, rows, group, b, columns, zeros, c, columns, scratch)


def integers(*shape, dtype, of=0):
    """Small integers, whose products are exact in whatever order they are added."""
    return np.random.default_rng([of, *shape]).integers(-4, 5, shape).astype(dtype)


#: Around the tile's rows, the panel's width and the blocks of k, where one loop ends and another begins.
ROWS = (0, 1, 2, 3, 4, TILE_ROWS, TILE_ROWS + 1, 2 * TILE_ROWS + 1)
COLUMNS = (1, WIDTH // 2, WIDTH // 2 + 1, WIDTH, 4 * WIDTH, 4 * WIDTH + 3, gemm.COLUMN_BLOCK + 5)
STEPS = (1, 3, 4, 17, gemm.K_BLOCK + 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", ROWS)
def test_products_of_every_size_are_exact_and_write_nothing_beside(rows, dtype):
    scratch = np.full(gemm.SCRATCH, np.nan, dtype)
    for columns in COLUMNS:
        for K in STEPS:
            a, b = integers(rows, K, dtype=dtype), integers(K, columns, dtype=dtype, of=1)
            bias = np.zeros(columns + PANEL_BYTES, dtype)
            bias[:columns] = integers(columns, dtype=dtype, of=2)
            want = bias[:columns] + a @ b
            for right, strides in ((b, (columns, 1)), (np.ascontiguousarray(b.T), (1, K))):
                room = np.full(rows * columns + 64, 7, dtype)
                product(1, dtype, rows, columns, K, a, right, *strides, bias, room[32:-32], scratch)
                np.testing.assert_array_equal(room[32:-32].reshape(rows, columns), want)
                assert (room[:32] == 7).all()
                assert (room[-32:] == 7).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [*ROWS, gemm.ROW_BLOCK + 1])
def test_transposed_products_leave_rows_out_between_groups(rows, dtype):
    scratch = np.full(gemm.SCRATCH, np.nan, dtype)
    for columns in COLUMNS:
        for groups, group in ((1, 5), (4, 1), (3, 100)):
            K = groups * group
            states = integers(groups, group + 1, rows, dtype=dtype)
            a, b = states[:, :group].reshape(K, rows), integers(K, columns, dtype=dtype, of=1)
            zeros, c = np.zeros(columns + PANEL_BYTES, dtype), np.empty((rows, columns), dtype)
            transposed_product(1, dtype, rows, columns, K, states, group, b, zeros, c, scratch)
            np.testing.assert_array_equal(c, a.T @ b)


THREADS = """
import hashlib, sys
import numba, numpy as np
from timernn import load_backend
backend, digest = load_backend("numba"), hashlib.sha256()
for N, T, D, H in ((5, 7, 30, 70), (1, 40, 128, 128), (20, 9, 100, 100)):
    random = np.random.default_rng(0)
    weights = [random.standard_normal(shape).astype("float32") / 8 for shape in ((D, H), (H, H), (H,))]
    xs, dhs = (random.standard_normal((N, T, size)).astype("float32") for size in (D, H))
    layer = backend.time_rnn(*weights)
    for array in (layer.forward(xs), layer.backward(dhs), *layer.grads, layer.dh):
        digest.update(array.tobytes())
print(numba.get_num_threads(), digest.hexdigest())
"""


def test_any_number_of_threads_gives_the_same_bits():
    """Seven are more than there are rows, or panels of columns, in some of the shapes."""
    found = {}
    for threads in ("1", "2", "7"):
        environment = os.environ | {"NUMBA_NUM_THREADS": threads}
        command = [sys.executable, "-c", THREADS]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        used, found[threads] = done.stdout.split()
        assert used == threads
    assert len(set(found.values())) == 1


FORK = """
import os, sys
import numpy as np
from timernn import load_backend
random = np.random.default_rng(0)
weights = [random.standard_normal(shape).astype("float32") / 8 for shape in ((64, 64), (64, 64), (64,))]
backend = load_backend("numba")
layer = backend.time_rnn(*weights)
xs = random.standard_normal((20, 35, 64)).astype("float32")
if sys.argv[1] == "works":
    layer.forward(xs)
else:
    backend.describe()
child = os.fork()
if child == 0:
    np.save(sys.argv[2], layer.forward(xs))
    os._exit(0)
print(os.waitpid(child, 0)[1], (layer.forward(xs) == np.load(sys.argv[2])).all())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")
@pytest.mark.parametrize("parent", ["works", "only asks"])
def test_a_forked_process_goes_on_alone_with_the_same_bits(parent, tmp_path):
    """The usual OpenMP library ends a child that asks for its parent's threads, were they at work before or not."""
    environment = os.environ | {"NUMBA_NUM_THREADS": "2"}
    command = [sys.executable, "-c", FORK, parent, str(tmp_path / "hs.npy")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0 True\n", done.stderr


@pytest.mark.parametrize("wrong", ["read-only", "of another shape"])
def test_sgd_is_left_to_numpy_where_writing_would_be_wrong(wrong):
    backend, param, grad = load_backend("numba"), np.ones(40, np.float32), np.ones(40, np.float32)
    if wrong == "read-only":
        param.flags.writeable = False
    else:
        grad = grad[:30].copy()
    with pytest.raises(ValueError, match=r"read-only|broadcast"):
        backend.sgd_update(param, grad, learning_rate=0.5)
    assert (param == 1).all()


def test_a_kernel_refuses_an_array_with_gaps():
    gaps, whole = np.ones((2, 4), np.float32)[:, ::2], np.ones(64, np.float32)
    with pytest.raises(TypingError, match="must be a C-contiguous array"):
        product(1, "float32", 1, 1, 1, gaps, whole, 1, 1, whole, whole, np.ones(gemm.SCRATCH, np.float32))


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np

from caller import tangent
xs = np.array([0.3], np.float32)
tangent(1, "float32", xs)
print(xs[0])
"""
CALLER = """
from timernn.numba_kernels import functions
from timernn.numba_kernels.compiling import kernel

@kernel
def tangent(parts, code, xs):
    xs[0] = functions.tanh(xs[0])
"""


def test_an_edited_helper_is_compiled_anew(tmp_path):
    """Numba alone would go on with the old code: it looks at the file of the kernel, not at those of its helpers."""
    copy = tmp_path / "timernn"
    shutil.copytree(Path(timernn.numba_kernels.__file__).parent.parent, copy)
    (tmp_path / "caller.py").write_text(CALLER, encoding="utf-8")

    def run():
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        return float(done.stdout), {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.nb[ci]")}

    value, compiled = run()
    assert round(value, 6) == 0.291313
    assert compiled
    assert run() == (value, compiled)
    helpers = copy / "numba_kernels" / "functions.py"
    source = helpers.read_text(encoding="utf-8")
    assert "value = small if" in source
    helpers.write_text(source.replace("value = small if", "value = _TWO * small if"), encoding="utf-8")
    after, compiled_anew = run()
    assert after == pytest.approx(2 * value)
    assert all(compiled_anew[path] > written for path, written in compiled.items() if path.suffix == ".nbi")
