"""Compiles kernels with Numba, lazily and once: a cache on disk that can't be stale, and what each compilation took.

Numba's own cache looks at the file that a kernel stands in. The kernels here are made of helpers from several
files, so each entry also carries a fingerprint of all files of this package and of the versions that compiled it:
an edit anywhere, or another Numba, compiles anew.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.ccallback import CFunc

#: Seconds that each kernel's compilations took in this process, by the kernel's name; loading from the cache counts.
compile_seconds: dict[str, float] = {}


@functools.cache
def fingerprint() -> str:
    """Return the sha256 of every source file of this package and of the compilers' versions."""
    digest = hashlib.sha256(f"numba {numba.__version__} llvmlite {llvmlite.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def helper(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call: it becomes part of each of them, and is not kept by itself."""
    return numba.njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function of a few scalars that must melt into the loop around it, or the loop is not vectorised."""
    return numba.njit(nogil=True, error_model="numpy", forceinline=True)(function)


def kernel(function: Callable[..., Any], *, parallel: bool = False) -> Any:
    """Compile a function that Python calls."""
    dispatcher = numba.njit(nogil=True, error_model="numpy", parallel=parallel, no_cfunc_wrapper=True)(function)
    dispatcher._cache = _cache_of(function, "-parallel" if parallel else "")
    return _timed(dispatcher, f"{function.__module__.rpartition('.')[2]}.{function.__name__}")


def parallel_kernel(function: Callable[..., Any]) -> Callable[..., None]:
    """Compile a function that Python calls, with loops over ``numba.prange(parts)``; it returns nothing.

    With 1 for ``parts``, its first argument, it is compiled without threads: waking them costs more than a small
    block's work. With more, one runs at a time: of Numba's threading layers one ends the process when two threads
    launch work at once, and two launches that share the same cores gain nothing on each other.
    """
    together, alone = kernel(function, parallel=True), kernel(function)

    @functools.wraps(function)
    def launch(parts: int, *arguments: Any) -> None:
        if parts == 1:
            alone(parts, *arguments)
        else:
            with _one_at_a_time:
                together(parts, *arguments)

    return launch


_one_at_a_time = threading.Lock()


def native_address(function: Callable[..., Any], signature: Any) -> int:
    """Compile a function with C's calling convention and return the address of its machine code."""
    begun = time.perf_counter()
    compiled: Any = CFunc(function, (signature.args, signature.return_type), {}, {})
    compiled._cache = _cache_of(function)
    compiled.compile()
    _kept_alive.append(compiled)
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    compile_seconds[name] = compile_seconds.get(name, 0.0) + time.perf_counter() - begun
    address: int = compiled.address
    return address


#: What has an address in use must not be collected.
_kept_alive: list[Any] = []


def _cache_of(function: Callable[..., Any], suffix: str = "") -> Any:
    """Return the cache on disk of a function's machine code, each entry with the fingerprint."""
    try:
        cache = FunctionCache(function)
        # Numba has no public way to widen what an entry depends on, or to keep two versions of one function.
        cache._cache_file = IndexDataCacheFile(
            cache_path=cache.cache_path,
            filename_base=cache._impl.filename_base + suffix,
            source_stamp=(cache._impl.locator.get_source_stamp(), fingerprint()),
        )
    except (AttributeError, RuntimeError, OSError):
        return NullCache()  # no folder can be written, or Numba's cache has changed: compiled in each process
    return cache


def _timed(dispatcher: Any, name: str) -> Any:
    compile_for = dispatcher._compile_for_args  # called for a signature that is new to this process

    @functools.wraps(compile_for)
    def compile_and_note(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return compile_for(*args, **kwargs)
        finally:
            compile_seconds[name] = compile_seconds.get(name, 0.0) + time.perf_counter() - begun

    dispatcher._compile_for_args = compile_and_note
    return dispatcher
