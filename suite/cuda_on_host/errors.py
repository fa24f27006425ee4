"""The faults that the host executor finds: each reaches the caller as an exception of its own."""

from __future__ import annotations

# ruff: noqa: N818 -- they are named after the fault


class CudaOnHostError(RuntimeError):
    """Base of everything that the host executor raises."""


class InstallationError(CudaOnHostError, ImportError):
    """The executor can't be installed here: a wrong version, no compiler, or CuPy is imported already."""


class NotEmulated(CudaOnHostError, NotImplementedError):
    """A part of CUDA that the executor doesn't have, refused rather than answered wrongly."""


class CompilationFailed(CudaOnHostError):
    """A kernel's source isn't accepted by the host's compiler, by NVRTC, or by the executor itself."""


class LaunchRefused(CudaOnHostError):
    """A launch that CUDA refuses too: too many threads, blocks, or too much shared memory."""


class BarrierDivergence(CudaOnHostError):
    """Not all threads that a barrier or a warp operation waits for come to it."""


class Deadlock(CudaOnHostError):
    """Threads poll for something that can't happen any more."""


class KernelTrapped(CudaOnHostError):
    """A kernel ended itself, by `__trap()` or an assertion."""


class OutOfBounds(CudaOnHostError):
    """Memory was written or copied outside of its allocation."""


class IllegalAddress(OutOfBounds):
    """A kernel used an address that isn't there, or isn't aligned to the type it is used for."""


class MemoryMisuse(CudaOnHostError):
    """Memory was freed twice, or an address was freed that was never given out."""


class CaptureError(CudaOnHostError):
    """An operation that CUDA doesn't allow while a stream is captured, or a capture that can't be ended."""


class InvalidHandle(CudaOnHostError):
    """A stream, event, graph, module or function that isn't there (any more), or isn't ready."""
