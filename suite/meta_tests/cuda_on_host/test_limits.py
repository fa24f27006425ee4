"""What a device doesn't take, or the executor doesn't have, is refused."""

from __future__ import annotations

import cupy as cp
import numpy as np
import pytest
from cupy.cuda import compiler, function

import cuda_on_host
from cuda_on_host import devices, versions

NOTHING = 'extern "C" __global__ void nothing(float *x) {}'
BOUNDED = 'extern "C" __global__ void __launch_bounds__(2 * 32, 1) bounded(float *x) {}'
SHARED = """extern "C" __global__ void shared(float *x) {
    extern __shared__ float s[]; __shared__ float t[256]; t[threadIdx.x] = s[threadIdx.x]; x[0] = t[0]; }"""


@pytest.mark.parametrize(
    ("grid", "block", "words"),
    [
        ((1,), (1025,), "exceeds"),
        ((1,), (32, 33), "1056 threads exceeds 1024"),
        ((1,), (1, 1, 65), "exceeds"),
        ((1, 65536), (1,), "exceeds"),
        ((1, 1, 65536), (1,), "exceeds"),
    ],
)
def test_sizes(grid, block, words):
    with pytest.raises(cuda_on_host.LaunchRefused, match=words):
        cp.RawKernel(NOTHING, "nothing")(grid, block, (cp.zeros(1, np.float32),))


def test_empty_grid():
    # Not by CuPy's RawKernel, which leaves such a launch out.
    kernel = cp.RawKernel(NOTHING, "nothing").kernel
    with pytest.raises(cuda_on_host.LaunchRefused, match="at least 1"):
        cp.cuda.driver.launchKernel(kernel.ptr, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0)


def test_launch_bounds():
    kernel = cp.RawKernel(BOUNDED, "bounded")
    kernel((1,), (64,), (cp.zeros(1, np.float32),))
    with pytest.raises(cuda_on_host.LaunchRefused, match="64 of its __launch_bounds__"):
        kernel((1,), (65,), (cp.zeros(1, np.float32),))


def test_dynamic_shared_memory_needs_asking():
    kernel, x = cp.RawKernel(SHARED, "shared"), cp.zeros(1, np.float32)
    kernel((1,), (1,), (x,), shared_mem=47 * 1024)
    with pytest.raises(cuda_on_host.LaunchRefused, match="max_dynamic_shared_size_bytes"):
        kernel((1,), (1,), (x,), shared_mem=48 * 1024)
    kernel.max_dynamic_shared_size_bytes = 226 * 1024
    kernel((1,), (1,), (x,), shared_mem=226 * 1024)
    with pytest.raises(cuda_on_host.LaunchRefused, match="H100"):
        kernel.max_dynamic_shared_size_bytes = 227 * 1024


@pytest.mark.parametrize(("device", "blocks"), [("h100", 132 * 2), ("t4", 40 * 1), ("rtx3090", 82 * 1)])
def test_cooperative_grid_has_to_fit(device, blocks):
    cuda_on_host.settings.device = devices.DEVICES[device]
    code = NOTHING.replace("nothing", "together")
    kernel = cp.RawKernel(code, "together", enable_cooperative_groups=True).kernel
    x = cp.zeros(1, np.float32)
    # Past CuPy's own launch, which makes too large a grid smaller and only warns.
    address = np.array([x.data.ptr], np.uint64)
    pointers = np.array([address.ctypes.data], np.uint64)
    rest = (1, 1, 1024, 1, 1, 0, 0, pointers.ctypes.data)
    cp.cuda.driver.launchCooperativeKernel(kernel.ptr, blocks, *rest)
    with pytest.raises(cuda_on_host.LaunchRefused, match=f"cooperative grid of {blocks + 1} blocks"):
        cp.cuda.driver.launchCooperativeKernel(kernel.ptr, blocks + 1, *rest)


def test_memory_ends():
    # CuPy's own exception if its pool is used, CUDA's if not.
    with pytest.raises((cp.cuda.memory.OutOfMemoryError, cp.cuda.runtime.CUDARuntimeError)):
        cp.zeros(devices.MEMORY_BYTES + 1, np.uint8)


@pytest.mark.parametrize("operation", [cp.sort, cp.argsort, cp.unique])
def test_compiled_device_code_is_refused(operation):
    with pytest.raises(cuda_on_host.NotEmulated, match="thrust"):
        operation(cp.arange(5))
    with pytest.raises(cuda_on_host.NotEmulated, match="compiled device code"):
        function.Module().load(b"\x7fELF and so on")


def test_missing_function_is_refused_by_name():
    with pytest.raises(cuda_on_host.NotEmulated, match=r"runtime\.mallocManaged"):
        cp.cuda.malloc_managed(100)


def test_bad_source():
    code = 'extern "C" __global__ void bad(float *x) { missing(x); }'
    with pytest.raises(cuda_on_host.CompilationFailed, match="missing"):
        cp.RawKernel(code, "bad").compile()


def test_kernel_with_a_mangled_name():
    with pytest.raises(cuda_on_host.InvalidHandle, match='extern "C"'):
        cp.RawKernel("__global__ void mangled(float *x) {}", "mangled").compile()


def test_launch_bounds_in_an_unknown_place():
    code = 'extern "C" __launch_bounds__(64) __global__ void placed(float *x) {}'
    with pytest.raises(cuda_on_host.CompilationFailed, match="__launch_bounds__"):
        cp.RawKernel(code, "placed").compile()


def test_nvrtc_refuses_what_the_host_accepts():
    cuda_on_host.settings.nvrtc = ("sm_80", "sm_90")
    good = 'extern "C" __global__ void good(float *x) { x[0] = __shfl_sync(~0u, x[0], 0); }'
    with cuda_on_host.ledger.recording() as record:
        compiler._compile_module_with_cache(good, ("-std=c++17",))
    assert record.compilations["NVRTC sm_80"] == record.compilations["NVRTC sm_90"] == 1
    with pytest.raises(cuda_on_host.CompilationFailed, match="NVRTC refuses a source for sm_80"):
        compiler._compile_module_with_cache(good.replace("float *x", "std::vector<int> *x"), ("-std=c++17",))


def test_other_versions_are_refused_by_name():
    with pytest.raises(cuda_on_host.InstallationError, match=r"needs cupy-cuda13x==14\.2\.0, but 14\.3\.0 is"):
        versions.check_cupy("14.3.0")
    with pytest.raises(ImportError, match=r"needs CUDA's headers of version 13000.*but found 12090"):
        versions.check_headers("#define CUDART_VERSION  12090\n")
    versions.check_headers("#define CUDART_VERSION  13000\n")


def test_installing_again_is_refused():
    with pytest.raises(cuda_on_host.InstallationError, match="already"):
        cuda_on_host.install()
