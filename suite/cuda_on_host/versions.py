"""The versions that the executor was written for: it replaces private parts, so another version is refused loudly."""

from __future__ import annotations

import re
from importlib import metadata, util
from pathlib import Path

from cuda_on_host.errors import InstallationError

CUPY_DISTRIBUTION = "cupy-cuda13x"
CUPY_VERSION = "14.2.0"
CUDA_VERSION = 13000  # as CUDART_VERSION says it: 1000 times the major, 10 times the minor
HEADERS = "nvidia-cuda-runtime==13.0.* and nvidia-cuda-crt==13.0.*"


def check_cupy(found: str | None = None) -> None:
    """Raise InstallationError unless CuPy's version is the one that the executor knows.

    Parameters
    ----------
    found
        The version that is there; by default, the installed one.
    """
    if found is None:
        try:
            found = metadata.version(CUPY_DISTRIBUTION)
        except metadata.PackageNotFoundError:
            found = "none"
    if found != CUPY_VERSION:
        raise InstallationError(
            f"the host executor replaces private parts of CuPy and needs {CUPY_DISTRIBUTION}=={CUPY_VERSION}, "
            f"but {found} is installed"
        )


def headers() -> Path:
    """Return the folder of CUDA's headers, after checking that they are of the right version."""
    specification = util.find_spec("nvidia")
    for folder in (specification.submodule_search_locations or []) if specification else []:
        include = Path(folder) / "cu13" / "include"
        header = include / "cuda_runtime_api.h"
        if header.is_file():
            check_headers(header.read_text(encoding="utf-8", errors="replace"))
            return include
    raise InstallationError(f"the host executor needs CUDA's headers, from {HEADERS}; none are installed")


def check_headers(text: str) -> None:
    """Raise InstallationError unless this text of cuda_runtime_api.h is of the right version."""
    match = re.search(r"^#define CUDART_VERSION\s+(\d+)", text, re.MULTILINE)
    found = int(match[1]) if match else 0
    if found != CUDA_VERSION:
        raise InstallationError(
            f"the host executor needs CUDA's headers of version {CUDA_VERSION}, from {HEADERS}, but found {found}"
        )
