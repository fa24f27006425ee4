"""Numba's cache on disk, made so that it can't be stale, and what each compilation took.

Numba's own cache looks at the file that a function stands in. Those here use helpers of several files, so each entry
also carries a fingerprint of all files of this package and of the versions that compiled it: an edit anywhere, or
another Numba, compiles anew.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache

#: Seconds that each function's compilations took in this process, by its name; loading from the cache counts.
compile_seconds: dict[str, float] = {}


@functools.cache
def fingerprint() -> str:
    """Return the sha256 of every source file of this package and of the compilers' versions."""
    digest = hashlib.sha256(f"numba {numba.__version__} llvmlite {llvmlite.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def cache_of(function: Callable[..., Any], *depends: Any) -> Any:
    """Return the cache of a function's machine code: each entry with the fingerprint, and with what it depends on."""
    try:
        cache = FunctionCache(function)
        # Numba has no public way to widen what an entry depends on.
        cache._cache_file = IndexDataCacheFile(
            cache_path=cache.cache_path,
            filename_base=cache._impl.filename_base,
            source_stamp=(cache._impl.locator.get_source_stamp(), fingerprint(), depends),
        )
    except (AttributeError, RuntimeError, OSError):
        return NullCache()  # no folder can be written, or Numba's cache has changed: compiled in each process
    return cache


def timed(function: Callable[..., Any], compile_it: Callable[..., Any]) -> Callable[..., Any]:
    """Return what compiles a function, made to note how long it took."""
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"

    @functools.wraps(compile_it)
    def compile_and_note(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return compile_it(*args, **kwargs)
        finally:
            compile_seconds[name] = compile_seconds.get(name, 0.0) + time.perf_counter() - begun

    return compile_and_note
