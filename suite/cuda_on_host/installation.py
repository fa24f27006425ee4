"""Installing the executor: everything is replaced before CuPy is imported, and CuPy is imported at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cuda_on_host import blas, compiler, driver, runtime, versions
from cuda_on_host.capsules import replace
from cuda_on_host.devices import chosen_device
from cuda_on_host.engine import engine
from cuda_on_host.errors import InstallationError, NotEmulated
from cuda_on_host.memory import memory
from cuda_on_host.pool import watch_pool
from cuda_on_host.settings import settings
from cuda_on_host.streams import timeline

_installed: list[blas.Connection] = []


def is_installed() -> bool:
    """Return whether the executor is in place."""
    return bool(_installed)


def install(
    *, order: int = 0, lazy: bool = False, strict: bool = True, pool: bool = True, nvrtc: Sequence[str] = ()
) -> None:
    """Put the executor in the place of the CUDA driver, and import CuPy.

    Parameters
    ----------
    order
        The order of threads and blocks: 0 ascending, 1 descending, else the seed of a permutation.
    lazy
        Whether work waits until something synchronises with it.
    strict
        Whether every launch checks the red zones of all memory.
    pool
        Whether CuPy's memory pool is used, which hides most allocations from the checks.
    nvrtc
        Architectures, such as "sm_90", that every source is compiled for by the real NVRTC too.
    """
    if _installed:
        raise InstallationError("the host executor is installed already")
    if "cupy" in sys.modules or any(name.startswith("cupy_backends.cuda.api") for name in sys.modules):
        raise InstallationError("the host executor has to be installed before CuPy is imported, and cupy already is")
    versions.check_cupy()
    versions.headers()
    # Else CuPy sends reductions to compiled device code, which would do nothing and say nothing.
    os.environ["CUPY_ACCELERATORS"] = ""
    settings.device = chosen_device()
    settings.order, settings.lazy, settings.strict, settings.nvrtc = order, lazy, strict, tuple(nvrtc)
    engine()
    connection = blas.connect()

    import cupy_backends.cuda.api.driver as driver_module  # noqa: PLC0415
    import cupy_backends.cuda.api.runtime as runtime_module  # noqa: PLC0415

    replace(runtime_module, runtime.FUNCTIONS)
    replace(driver_module, driver.FUNCTIONS)

    import cupy  # noqa: PLC0415
    from cupy.cuda import compiler as compiler_module  # noqa: PLC0415

    compiler_module._compile_module_with_cache = compiler.compile_module
    _refuse_compiled_code()
    if pool:
        watch_pool()
    else:
        cupy.cuda.set_allocator(None)
    _installed.append(connection)


def _refuse_compiled_code() -> None:
    """Make the functions of CuPy's compiled device code raise: without a device they would do nothing."""
    from cupy.cuda import cub, thrust  # noqa: PLC0415

    def refusal(name: str) -> Callable[..., Any]:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise NotEmulated(f"{name} is compiled device code, which the host executor can't run")

        return refuse

    for module in (cub, thrust):
        for name in list(vars(module)):
            if name.startswith(("device_", "sort", "lexsort", "argsort", "cub_")):
                setattr(module, name, refusal(f"{module.__name__}.{name}"))


def set_order(order: int) -> None:
    """Choose the order of threads and blocks for the launches to come."""
    settings.order = order


def set_lazy(lazy: bool) -> None:
    """Choose whether work waits for a synchronisation; what is waiting runs before it changes."""
    timeline.run_everything()
    settings.lazy = lazy


def check() -> None:
    """Run all work that waits, and raise OutOfBounds for writes outside of memory or to freed memory."""
    timeline.run_everything()
    memory.check("something", freed=True)
