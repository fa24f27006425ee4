"""Whether there is a device that CuPy can use, and if not, why: a sentence for people instead of a traceback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from timernn.contract import BackendUnavailable
from timernn.cupy_kernels.planning import Device

#: What CUDA 13 compiles for, at least; CUDA 12 goes down to 5.0, but a grid barrier needs 7.0's __nanosleep.
OLDEST_CAPABILITY = 70


def require_device(cupy: Any, libraries: Mapping[str, Callable[[], Any]]) -> None:
    """Raise `BackendUnavailable` with the reason if CuPy has no device that can run the kernels.

    Parameters
    ----------
    cupy : module
        CuPy, imported.
    libraries : mapping
        What loads each library of CUDA that is needed, by the library's name.
    """
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        raise BackendUnavailable(_reason(str(error))) from error
    if count == 0:
        raise BackendUnavailable("no NVIDIA GPU was found (the driver answers, and knows of none)")
    capability = int(cupy.cuda.Device().compute_capability)
    if capability < OLDEST_CAPABILITY:
        raise BackendUnavailable(
            f"the GPU is too old: its compute capability is {capability // 10}.{capability % 10}, "
            f"{OLDEST_CAPABILITY // 10}.{OLDEST_CAPABILITY % 10} (Volta, 2017) is needed at least"
        )
    for library, load in libraries.items():
        try:
            load()
        except Exception as error:  # of a kind that has changed from one release of CuPy to the next
            first = str(error).strip().splitlines() or [type(error).__name__]
            raise BackendUnavailable(
                f"there is a GPU, but CUDA's library {library} can't be loaded ({first[0]}): install CuPy with its "
                f"extra [ctk], as 'timernn[cuda13]' does, or the CUDA toolkit"
            ) from error


def _reason(error: str) -> str:
    """Return in plain words what the CUDA runtime said of its first call."""
    if "cudaErrorInsufficientDriver" in error:
        return "no NVIDIA driver was found, or it is older than the CUDA that CuPy was built with"
    if "cudaErrorNoDevice" in error:
        return "no NVIDIA GPU was found"
    return f"the CUDA runtime can't start: {error}"


def properties(cupy: Any) -> Device:
    """Return what `planning` needs to know of CuPy's current device."""
    found = cupy.cuda.Device()
    told = cupy.cuda.runtime.getDeviceProperties(found.id)
    attributes = found.attributes
    name = told["name"]
    return Device(
        name=name.decode() if isinstance(name, bytes) else str(name),
        capability=int(found.compute_capability),
        multiprocessors=int(attributes["MultiProcessorCount"]),
        shared_bytes=int(attributes["MaxSharedMemoryPerBlockOptin"]),
        cooperative=bool(attributes["CooperativeLaunch"]),
    )
