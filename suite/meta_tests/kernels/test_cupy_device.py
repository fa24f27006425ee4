"""The reasons why CuPy can't run here, each for what is missing; no CuPy is needed to see them."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from timernn.contract import BackendUnavailable
from timernn.cupy_kernels.device import properties, require_device


class CUDARuntimeError(RuntimeError):
    pass


def cupy_with(count=1, capability="90", error=None):
    """Return what `require_device` asks of CuPy, with a device of that kind or an error of CUDA's."""

    def device_count():
        if error is not None:
            raise CUDARuntimeError(error)
        return count

    runtime = SimpleNamespace(getDeviceCount=device_count, CUDARuntimeError=CUDARuntimeError)
    device = SimpleNamespace(
        id=0,
        compute_capability=capability,
        attributes={"MultiProcessorCount": 132, "MaxSharedMemoryPerBlockOptin": 232448, "CooperativeLaunch": 1},
    )
    runtime.getDeviceProperties = lambda index: {"name": b"A device"}
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime, Device=lambda: device))


def there():
    pass


def not_there():
    raise ImportError("libcublas.so.13: cannot open shared object file\nsecond line")


def test_a_device_with_its_libraries_is_taken():
    require_device(cupy_with(), {"cuBLAS": there})
    assert properties(cupy_with()).capability == 90
    assert properties(cupy_with()).cooperative


@pytest.mark.parametrize(
    ("cupy", "libraries", "reason"),
    [
        (cupy_with(error="cudaErrorInsufficientDriver: ..."), {}, "no NVIDIA driver was found, or it is older"),
        (cupy_with(error="cudaErrorNoDevice: ..."), {}, "no NVIDIA GPU was found"),
        (cupy_with(error="cudaErrorUnknown: odd"), {}, "the CUDA runtime can't start: cudaErrorUnknown: odd"),
        (cupy_with(count=0), {}, "no NVIDIA GPU was found"),
        (cupy_with(capability="61"), {}, "too old: its compute capability is 6.1, 7.0"),
        (cupy_with(), {"cuBLAS": not_there}, r"library cuBLAS can't be loaded \(libcublas.so.13: cannot open.*file\)"),
    ],
)
def test_what_is_missing_is_said(cupy, libraries, reason):
    with pytest.raises(BackendUnavailable, match=reason):
        require_device(cupy, libraries)


def test_without_cupy_the_reason_says_how_to_get_it():
    code = (
        "import sys; sys.modules['cupy'] = None\n"
        "from timernn.registry import load_backend\n"
        "try: load_backend('timernn.cupy_backend:CupyBackend')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("BackendUnavailable")
    assert "pip install 'timernn[cuda13]'" in done.stdout
