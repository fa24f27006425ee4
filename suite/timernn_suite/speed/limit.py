"""The limit that every implementation is held against: the processor's rate at one large matrix product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

#: How its worker is called; its turns are interleaved with those of the implementations.
LIMIT = "limit"
SIZE = 1024
FLOPS = 2 * SIZE**3


def product(dtype: str) -> Callable[[], object]:
    """Return a product of two matrices of 1024 × 1024, written into a third that is there already."""
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((SIZE, SIZE)).astype(dtype) for _ in range(2))
    out = np.empty_like(a)
    return lambda: np.dot(a, b, out=out)


def describe() -> dict[str, Any]:
    """Say what it is, for the record."""
    return {"library": "numpy", "version": np.__version__, "code": f"np.dot of {SIZE} × {SIZE} matrices"}


def limit_milliseconds(flops: int, product_milliseconds: float) -> float:
    """Return how long ``flops`` operations take at the rate of the product."""
    return flops / FLOPS * product_milliseconds


def gflops_per_second(product_milliseconds: float) -> float:
    """Return the rate of the product, in 10⁹ operations a second."""
    return FLOPS / product_milliseconds / 1e6
