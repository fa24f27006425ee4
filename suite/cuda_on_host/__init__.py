"""The host executor: it runs the unmodified CuPy wheel on a machine that has no GPU.

CuPy's own code runs: its generated kernels, memory pool, type promotion, argument checks, stream capture. What is
replaced lies below it: the functions of the CUDA runtime and driver, cuBLAS, and the compiler, which here compiles
kernels for the host. The threads of a grid are fibers of one thread.

It shows values, every launch, allocation, copy and synchronisation, barriers that not all threads reach, writes
outside of memory, missing synchronisation, and what doesn't fit a device. It doesn't show speed, real concurrency,
faults of the memory model, the bits of a device's own mathematics, or the real cuBLAS.

    import cuda_on_host
    cuda_on_host.install()
    import cupy
"""

from cuda_on_host.errors import (
    BarrierDivergence,
    CaptureError,
    CompilationFailed,
    CudaOnHostError,
    Deadlock,
    IllegalAddress,
    InstallationError,
    InvalidHandle,
    KernelTrapped,
    LaunchRefused,
    MemoryMisuse,
    NotEmulated,
    OutOfBounds,
)
from cuda_on_host.installation import check, install, is_installed, set_lazy, set_order
from cuda_on_host.ledger import Record, ledger
from cuda_on_host.settings import settings

__all__ = [
    "BarrierDivergence",
    "CaptureError",
    "CompilationFailed",
    "CudaOnHostError",
    "Deadlock",
    "IllegalAddress",
    "InstallationError",
    "InvalidHandle",
    "KernelTrapped",
    "LaunchRefused",
    "MemoryMisuse",
    "NotEmulated",
    "OutOfBounds",
    "Record",
    "check",
    "install",
    "is_installed",
    "ledger",
    "set_lazy",
    "set_order",
    "settings",
]
