"""How far the gradient of truncated back-propagation lies from the full one, for the same weights and data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import Backend
from timernn_suite.lm.batching import Batches
from timernn_suite.lm.rnnlm import Rnnlm, Weights

Floats = NDArray[np.float64]
#: The parameters whose gradients go through time, in the order of the layer's ``params``.
NAMES = ("Wx", "Wh", "b")


def precise_dtype(backend: Backend) -> str:
    """Return float64 where the backend has it, so that rounding is no part of what is seen."""
    return "float64" if "float64" in backend.dtypes else backend.dtypes[0]


def truncated_gradient(model: Rnnlm, ids: NDArray[Any], labels: NDArray[Any], k: int) -> dict[str, Floats]:
    """Return the gradient of the mean loss over a text with the backward direction cut every ``k`` steps.

    Blocks of ``k`` steps one after another, the last as long as what is left; the state starts at zero and is
    carried forward, no gradient goes back over a block's edge. R. J. Williams and J. Peng, "An Efficient
    Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories", Neural Computation 2(4), 1990,
    call it BPTT(h; h') with h = h' = k.

    Parameters
    ----------
    model : Rnnlm
        Its state is lost.
    ids, labels : int array (N, T)
        The text and the token after each.
    k : int
        T or more is the full gradient.

    Returns
    -------
    gradients : dict
        ``Wx (D, H)``, ``Wh (H, H)`` and ``b (H,)`` in float64.

    Raises
    ------
    ValueError
        If ``k`` is less than 1.
    """
    if k < 1:
        raise ValueError(f"k: must be at least 1, got {k}")
    T = ids.shape[1]
    model.reset_state()
    total: dict[str, Floats] = {}
    for start in range(0, T, k):
        block = slice(start, min(start + k, T))
        model.forward(ids[:, block], labels[:, block])
        model.backward()
        share = (block.stop - block.start) / T  # a block's loss is the mean over its own steps
        for name, grad in zip(NAMES, model.recurrent.grads, strict=True):
            part = share * np.asarray(model.backend.to_numpy(grad), dtype=np.float64)
            total[name] = total[name] + part if name in total else part
    return total


def difference(got: Floats, want: Floats) -> dict[str, float | None]:
    """Return the relative l2 distance of two gradients and the cosine of their angle; None where one is zero."""
    norms = float(np.linalg.norm(got)), float(np.linalg.norm(want))
    distance = float(np.linalg.norm(got - want))
    return {
        "relative_error": distance / norms[1] if norms[1] else None,
        "cosine": float(np.vdot(got, want)) / (norms[0] * norms[1]) if all(norms) else None,
    }


def gradient_errors(
    backend: Backend, weights: Weights, text: NDArray[np.integer[Any]], *, N: int, T: int, blocks: Sequence[int]
) -> list[dict[str, Any]]:
    """Compare truncated gradients with the full one over N streams of T steps of a text.

    Returns
    -------
    list of dict
        For each of ``blocks``: ``k``, and the `difference` of ``Wx``, ``Wh``, ``b`` and of ``all`` three as one vector.
    """
    dtype = precise_dtype(backend)
    model = Rnnlm(backend, {name: value.astype(dtype) for name, value in weights.items()})
    ids, labels = Batches(text, N, T).at(0)
    full = truncated_gradient(model, ids, labels, T)
    found = []
    for k in blocks:
        cut = truncated_gradient(model, ids, labels, k)
        record: dict[str, Any] = {"k": k, "all": difference(_as_vector(cut), _as_vector(full))}
        found.append(record | {name: difference(cut[name], full[name]) for name in NAMES})
    return found


def _as_vector(gradients: dict[str, Floats]) -> Floats:
    return np.concatenate([gradients[name].ravel() for name in NAMES])
