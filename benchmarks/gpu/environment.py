"""Print as JSON what the results were made with: device, driver, libraries, and the source's own fingerprint."""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys

import cupy

from timernn.cupy_backend import CupyBackend
from timernn_suite.provenance import environment

LIBRARIES = (
    "cupy-cuda13x",
    "cupy-cuda12x",
    "numpy",
    "torch",
    "nvidia-cublas",
    "nvidia-cudnn-cu13",
    "nvidia-cuda-nvrtc",
)


def version_of(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def clocks():
    """Return what nvidia-smi says of the card; nothing is ever set."""
    if shutil.which("nvidia-smi") is None:
        return None
    fields = "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu,ecc.mode.current"
    asked = subprocess.run(
        ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return dict(zip(fields.split(","), (part.strip() for part in asked.stdout.split(",")), strict=False))


def main():
    executor = sys.modules.get("cuda_on_host")
    record = {
        "hardware": executor is None,
        "what": "a GPU" if executor is None else "the host executor, which shows that the script runs and no speed",
        "backend": CupyBackend().describe(),
        "nvidia_smi": clocks(),
        "libraries": {name: version for name in LIBRARIES if (version := version_of(name)) is not None},
        "cupy_config": {"CUPY_ACCELERATORS": str(cupy._core.get_routine_accelerators())},
        # Where the source came without its history, whoever brought it may say which commit it is.
        "commit": os.environ.get("TIMERNN_COMMIT"),
        "python": platform.python_version(),
        "environment": environment(),
    }
    print(json.dumps(record, indent=1, default=str))


if __name__ == "__main__":
    main()
