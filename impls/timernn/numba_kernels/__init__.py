"""What the Numba backend compiles: register tiles, products made of them, and the kernels of the layers."""

# In this order, so that every function has the same place in the table of addresses in every process: its callers'
# machine code, which is kept on disk, knows it by that place.
from timernn.numba_kernels import simd, gemm, recurrent, timewise  # noqa: F401, I001
