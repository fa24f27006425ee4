"""Launches of the optimisers and of clipping, in place and without the host's asking for anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy as cp
import numpy as np
from numpy.typing import NDArray

from timernn.contract import Array
from timernn.cupy_kernels.modules import NAMES, THREADS, elementwise, kernel

#: As in ``updates.cu``.
BLOCKS_A_GRADIENT = 64
GRADIENTS_AT_ONCE = 16
#: The struct ``Gradients`` of ``updates.cu``, passed by value: no copy to the device says where the gradients are.
_GRADIENTS = np.dtype(
    {
        "names": ["elements", "sizes"],
        "formats": [(np.uint64, GRADIENTS_AT_ONCE), (np.int64, GRADIENTS_AT_ONCE)],
    },
    align=True,
)


def clip(grads: Sequence[Array], max_norm: float) -> Array:
    """Scale contiguous gradients of one type by ``min(1, max_norm / norm)`` in place; return the norm, on the device.

    The norm is summed in float64, always in the same order.
    """
    dtype = NAMES[grads[0].dtype]
    groups = [grads[start : start + GRADIENTS_AT_ONCE] for start in range(0, len(grads), GRADIENTS_AT_ONCE)]
    partial = cp.empty((len(grads), BLOCKS_A_GRADIENT), dtype=cp.float64)
    norm, scale = cp.empty((), dtype=cp.float64), cp.empty((), dtype=cp.float64)
    packed = [(_packed(group), len(group)) for group in groups]
    at = partial.data.ptr
    for gradients, count in packed:
        grid = (BLOCKS_A_GRADIENT, count)
        kernel("updates", "sum_squares", dtype)(grid, (THREADS,), (gradients, at))
        at += count * BLOCKS_A_GRADIENT * partial.itemsize
    kernel("updates", "clipping_scale", dtype)((1,), (THREADS,), (partial, norm, scale, float(max_norm), partial.size))
    for gradients, count in packed:
        kernel("updates", "scale_gradients", dtype)((BLOCKS_A_GRADIENT, count), (THREADS,), (gradients, scale))
    return norm


def _packed(grads: Sequence[Array]) -> NDArray[Any]:
    packed = np.zeros((), dtype=_GRADIENTS)
    for index, grad in enumerate(grads):
        packed["elements"][index] = grad.data.ptr
        packed["sizes"][index] = grad.size
    return packed


def sgd(param: Array, grad: Array, learning_rate: float) -> None:
    """Subtract ``learning_rate * grad`` from ``param``."""
    elementwise("updates", "sgd", NAMES[param.dtype], param.size, param, grad, float(learning_rate), param.size)


def adam(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
) -> None:
    """Take one step of Adam; see ``updates.cu``."""
    root = (1 - beta2**step) ** 0.5
    rate = learning_rate * root / (1 - beta1**step)
    scalars = (float(rate), float(beta1), float(beta2), float(epsilon * root))
    elementwise("updates", "adam", NAMES[param.dtype], param.size, param, grad, m, v, *scalars, param.size)
