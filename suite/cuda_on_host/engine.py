"""The native engine: the library that runs kernels and holds memory, and its structures as ctypes."""

from __future__ import annotations

import ctypes
from functools import cache

from cuda_on_host.toolchain import NATIVE, build_library


class LaunchRequest(ctypes.Structure):
    """One launch; the fields of the struct of the same name in engine.h, in its order."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("parameters", ctypes.c_void_p),
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("dynamic_shared_bytes", ctypes.c_uint32),
        ("cooperative", ctypes.c_uint32),
        ("exits_count_as_arrival", ctypes.c_uint32),
        ("order", ctypes.c_uint64),
        ("deadlock_rounds", ctypes.c_uint64),
        ("time_limit_seconds", ctypes.c_uint64),
        ("static_shared", ctypes.c_void_p),
        ("static_shared_bytes", ctypes.c_size_t),
    )


class LaunchReport(ctypes.Structure):
    """How a launch went; the fields of the struct of the same name in engine.h, in its order."""

    _fields_ = (
        ("failure", ctypes.c_uint32),
        ("message", ctypes.c_char * 508),
        ("switches", ctypes.c_uint64),
        ("block_barriers", ctypes.c_uint64),
        ("warp_barriers", ctypes.c_uint64),
        ("yields", ctypes.c_uint64),
    )


class Damage(ctypes.Structure):
    """A write outside of an allocation: -1 before it, 1 behind it, 0 inside of it after it was freed."""

    _fields_ = (("side", ctypes.c_int64), ("bytes", ctypes.c_uint64), ("offset", ctypes.c_int64))


class Range(ctypes.Structure):
    """An allocation that holds an address."""

    _fields_ = (("start", ctypes.c_uint64), ("bytes", ctypes.c_uint64), ("pinned", ctypes.c_int64))


@cache
def engine() -> ctypes.PyDLL:
    """Return the engine, built if need be. Its symbols are global: kernels are linked against them as they are loaded.

    It keeps the interpreter's lock while a kernel runs: there is one set of indices, so one kernel at a time.
    """
    sources = [
        str(NATIVE / name) for name in ("switch.S", "scheduler.cpp", "rendezvous.cpp", "engine.cpp", "memory.cpp")
    ]
    path, _ = build_library("engine", {}, ("-O2", "-Wall", "-Wextra", *sources))
    library = ctypes.PyDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.cuda_on_host_launch.argtypes = [ctypes.POINTER(LaunchRequest), ctypes.POINTER(LaunchReport)]
    library.cuda_on_host_allocate.argtypes, library.cuda_on_host_allocate.restype = [size, ctypes.c_int], pointer
    library.cuda_on_host_release.argtypes = [pointer, ctypes.POINTER(Damage)]
    library.cuda_on_host_check_memory.argtypes = [ctypes.POINTER(Damage)]
    library.cuda_on_host_check_freed.argtypes = [ctypes.POINTER(Damage)]
    library.cuda_on_host_find_memory.argtypes = [size, ctypes.POINTER(Range)]
    return library
