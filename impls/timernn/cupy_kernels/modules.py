"""Kernels by name: compiled once for each device, element type and set of options, from the ``.cu`` files here."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import cupy as cp
import numpy as np

from timernn.cupy_kernels.planning import ITEMSIZE, Plan, Variant

REAL = {"float32": "float", "float64": "double"}
#: Names of element types; NumPy puts them together anew each time, which takes as long as a launch.
NAMES = {np.dtype(name): name for name in REAL}
#: Threads of a block of an elementwise kernel.
THREADS = 256
#: Shared memory that a kernel may use without asking.
_UNASKED = 48 * 1024


def source(name: str) -> str:
    """Return the text of a ``.cu`` file of this package."""
    return resources.files(__package__).joinpath(f"{name}.cu").read_text(encoding="utf-8")


def options(dtype: str, variant: Variant | None = None) -> tuple[str, ...]:
    """Return what a source is compiled with."""
    return ("-std=c++17", f"-DREAL={REAL[dtype]}", *(variant.options() if variant is not None else ()))


@functools.cache
def _kernel(device: int, file: str, name: str, dtype: str) -> Any:
    return _module(device, file, dtype).get_function(name)


@functools.cache
def _module(device: int, file: str, dtype: str) -> Any:
    return cp.RawModule(code=source(file), options=options(dtype))


def kernel(file: str, name: str, dtype: str) -> Any:
    """Return a kernel that is the same for all shapes."""
    return _kernel(cp.cuda.runtime.getDevice(), file, name, dtype)


def elementwise(file: str, name: str, dtype: str, size: int, *arguments: Any) -> None:
    """Launch a kernel with one thread for each of ``size`` elements."""
    _kernel(cp.cuda.runtime.getDevice(), file, name, dtype)((-(-size // THREADS),), (THREADS,), arguments)


@functools.cache
def _persistent(device: int, name: str, dtype: str, variant: Variant, shared_bytes: int) -> Any:
    made = cp.RawModule(
        code=source("recurrent"), options=options(dtype, variant), enable_cooperative_groups=not variant.alone
    ).get_function(name)
    if shared_bytes > _UNASKED:
        made.max_dynamic_shared_size_bytes = shared_bytes
    return made


def persistent(name: str, dtype: str, plan: Plan) -> Any:
    """Return ``block_forward`` or ``block_backward`` in a plan's variant, allowed the plan's shared memory."""
    assert plan.variant is not None
    shared_bytes = plan.shared_bytes(ITEMSIZE[dtype])
    return _persistent(cp.cuda.runtime.getDevice(), name, dtype, plan.variant, shared_bytes)
