"""The functions of CuPy's driver module: modules, functions, and launches."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable

from cuda_on_host.engine import engine
from cuda_on_host.errors import InvalidHandle, NotEmulated
from cuda_on_host.launches import Kernel, Launch
from cuda_on_host.ledger import ledger
from cuda_on_host.settings import settings
from cuda_on_host.streams import timeline

MARK = b"cuda_on_host library: "  # what the compiler gives CuPy instead of a cubin: this, and the path of a library
MAX_PARAMETERS = 1024
# Numbers of CUfunction_attribute.
MAX_THREADS_ATTRIBUTE, SHARED_ATTRIBUTE, REGISTERS_ATTRIBUTE, DYNAMIC_SHARED_ATTRIBUTE = 0, 1, 4, 8
PTX_ATTRIBUTE, BINARY_ATTRIBUTE = 5, 6

_modules: dict[int, ctypes.PyDLL] = {}
_kernels: dict[int, Kernel] = {}
_handles = itertools.count(0x4000000, 16)


def module_load_data(image: bytes) -> int:
    """Load a library of kernels, which the compiler wrote."""
    if not image.startswith(MARK):
        raise NotEmulated("the host executor runs kernels from their source, and can't load compiled device code")
    engine()
    handle = next(_handles)
    _modules[handle] = ctypes.PyDLL(image.removeprefix(MARK).decode())
    return handle


def module_load(filename: str) -> int:
    """Refuse: a file holds device code."""
    raise NotEmulated(f"the host executor runs kernels from their source, and can't load device code ({filename})")


def module_get_function(module: int, name: str) -> int:
    """Return the handle of a kernel."""
    library = _modules[module]
    prefix = f"{name}__cuda_on_host_"
    try:
        address = ctypes.cast(getattr(library, f"{prefix}call"), ctypes.c_void_p).value
    except AttributeError:
        address = None
    if address is None or not (hasattr(library, name) or name.startswith("cuda_on_host_named_")):
        raise InvalidHandle(f'there is no kernel {name} in the module: is it extern "C"? (CUDA_ERROR_NOT_FOUND)')
    sizes = (ctypes.c_int * MAX_PARAMETERS)()
    count = getattr(library, f"{prefix}parameters")(sizes)
    shared_bytes = ctypes.c_size_t()
    library.cuda_on_host_static_shared.restype = ctypes.c_void_p
    shared = library.cuda_on_host_static_shared(ctypes.byref(shared_bytes)) or 0
    bounds = getattr(library, f"{prefix}bounds")()
    handle = next(_handles)
    _kernels[handle] = Kernel(name, address, tuple(sizes[:count]), bounds, shared, shared_bytes.value)
    return handle


def module_get_global(module: int, name: str) -> int:
    """Return the address of a variable of a module."""
    try:
        return ctypes.addressof(ctypes.c_char.in_dll(_modules[module], name))
    except ValueError:
        raise InvalidHandle(f"there is no variable {name} in the module (CUDA_ERROR_NOT_FOUND)") from None


def func_get_attribute(attribute: int, function: int) -> int:
    """Return an attribute of a kernel; registers and local memory are unknown, and given as 32 and 0."""
    kernel = _kernels[function]
    major, minor = settings.device.capability
    return {
        MAX_THREADS_ATTRIBUTE: min(kernel.bounds, settings.device.threads_per_block),
        SHARED_ATTRIBUTE: kernel.static_shared_bytes,
        REGISTERS_ATTRIBUTE: 32,
        PTX_ATTRIBUTE: 10 * major + minor,
        BINARY_ATTRIBUTE: 10 * major + minor,
        DYNAMIC_SHARED_ATTRIBUTE: kernel.max_dynamic_shared,
    }.get(attribute, 0)


def func_set_attribute(function: int, attribute: int, value: int) -> None:
    """Set the limit of dynamic shared memory; other attributes are hints."""
    if attribute == DYNAMIC_SHARED_ATTRIBUTE:
        _kernels[function].allow_dynamic_shared(value)


def occupancy_max_active_blocks(function: int, threads: int, shared: int) -> int:
    """Return how many blocks of a kernel one multiprocessor holds, registers aside."""
    kernel = _kernels[function]
    return settings.device.resident_blocks(threads, shared + kernel.static_shared_bytes)


def occupancy_max_potential_block_size(function: int, _shared: int, limit: int) -> tuple[int, int]:
    """Return a grid and a block that fill the device."""
    threads = min(_kernels[function].bounds, settings.device.threads_per_block, limit or 1024)
    return settings.device.multiprocessors, threads


def _launch(
    function: int,
    sizes: tuple[int, int, int, int, int, int],
    shared: int,
    stream: int,
    parameters: int,
    *,
    cooperative: bool,
) -> None:
    kernel = _kernels[function]
    grid, block = sizes[:3], sizes[3:]
    kernel.check(grid, block, shared, cooperative=cooperative)
    launch = Launch.prepare(kernel, grid, block, shared, parameters, cooperative=cooperative)
    if timeline.stream(stream).capture is None:
        ledger.launches[kernel.name] += 1
    timeline.submit(stream, launch)


def launch_kernel(
    function: int,
    gx: int,
    gy: int,
    gz: int,
    bx: int,
    by: int,
    bz: int,
    shared: int,
    stream: int,
    parameters: int,
    extra: int,
) -> None:
    """Launch a kernel whose blocks know nothing of each other."""
    if extra:
        raise NotEmulated("a launch with its parameters in a buffer")
    _launch(function, (gx, gy, gz, bx, by, bz), shared, stream, parameters, cooperative=False)


def launch_cooperative_kernel(
    function: int, gx: int, gy: int, gz: int, bx: int, by: int, bz: int, shared: int, stream: int, parameters: int
) -> None:
    """Launch a kernel whose blocks are all there at once."""
    _launch(function, (gx, gy, gz, bx, by, bz), shared, stream, parameters, cooperative=True)


FUNCTIONS: dict[str, Callable[..., object]] = {
    "get_build_version": lambda: 13000,
    "ctxGetCurrent": lambda: 1,
    "ctxGetDevice": lambda: 0,
    "ctxSetCurrent": lambda _context: None,
    "moduleLoad": module_load,
    "moduleLoadData": module_load_data,
    # A library isn't unloaded: kernels that were launched, or are part of a graph, may still have to run.
    "moduleUnload": lambda module: _modules.pop(module, None) and None,
    "moduleGetFunction": module_get_function,
    "moduleGetGlobal": module_get_global,
    "funcGetAttribute": func_get_attribute,
    "funcSetAttribute": func_set_attribute,
    "occupancyMaxActiveBlocksPerMultiprocessor": occupancy_max_active_blocks,
    "occupancyMaxPotentialBlockSize": occupancy_max_potential_block_size,
    "launchKernel": launch_kernel,
    "launchCooperativeKernel": launch_cooperative_kernel,
    "streamGetCtx": lambda _stream: 1,
}
