"""`pytest -p cuda_on_host.pytest_plugin`: the tests' CuPy runs on the executor.

Installed once the command line is known, and before any conftest is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cuda_on_host.installation import install
from cuda_on_host.settings import settings

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the executor's options."""
    group = parser.getgroup("cuda_on_host", "the host executor, which runs CuPy without a GPU")
    group.addoption("--cuda-order", type=int, default=0, help="order of threads and blocks: 0, 1, or a seed")
    group.addoption("--cuda-lazy", action="store_true", help="work waits until something synchronises with it")
    group.addoption("--cuda-no-pool", action="store_true", help="without CuPy's memory pool")
    group.addoption("--cuda-nvrtc", default="", help="architectures that NVRTC compiles every source for: sm_80,sm_90")


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Install the executor before the first conftest."""
    options = early_config.known_args_namespace
    install(
        order=options.cuda_order,
        lazy=options.cuda_lazy,
        pool=not options.cuda_no_pool,
        nvrtc=tuple(a for a in options.cuda_nvrtc.split(",") if a),
    )


def pytest_report_header() -> list[str]:
    """Say where the results come from."""
    mode = f"order {settings.order}, {'lazy' if settings.lazy else 'immediate'}"
    return [
        f"CuPy on the host executor ({mode}), pretending to be {settings.device.name}: no GPU takes part.",
        "It shows values, launches and waits; it can't show speed, real concurrency, a device's rounding, or cuBLAS.",
    ]
