"""What `timernn.cupy_backend` runs on the device, and how it is launched.

The kernels are the ``.cu`` files; `modules` compiles them, `planning` chooses among the ways to run a
block, `blas` calls cuBLAS so that a stream may capture it, and `recurrent`, `timewise` and `updates`
launch. `planning` and `device` import nothing of CuPy, so that they can be tested without it.
"""
