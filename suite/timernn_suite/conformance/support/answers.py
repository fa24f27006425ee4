"""The oracle's answer to a case, with the spread that rounding may give it: one function a layer.

What a backend gives for the same case comes from the method ``run_…`` of `support.harness.Subject`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from timernn_suite.conformance.support import oracle
from timernn_suite.conformance.support.cases import Case
from timernn_suite.conformance.support.oracle import Array
from timernn_suite.conformance.support.tolerance import Expected

#: The fixed cases are few and asked for by every backend; generated ones soon make room for others.
_remembered = lru_cache(maxsize=512)


@_remembered
def block(case: Case, *, from_state: bool = True) -> Expected:
    """Return ``hs, dxs, dh, dWx, dWh, db`` of the block, from the case's state or from zeros."""
    xs, h0, Wx, Wh, b, dhs = _wide(case.xs, case.h0, case.Wx, case.Wh, case.b, case.dhs)
    start = h0 if from_state else np.zeros_like(h0)
    return Expected(lambda ar: oracle.time_rnn(xs, start, Wx, Wh, b, dhs, ar), case.dtype)


@_remembered
def step(case: Case) -> Expected:
    """Return ``h_next, dx, dh_prev, dWx, dWh, db`` of the case's first time alone."""
    xs, h0, Wx, Wh, b, dhs = _wide(case.xs[:, :1], case.h0, case.Wx, case.Wh, case.b, case.dhs[:, :1])

    def ask(ar: oracle.Arithmetic) -> dict[str, Array]:
        found = oracle.time_rnn(xs, h0, Wx, Wh, b, dhs, ar)
        first = {"h_next": found["hs"][:, 0], "dx": found["dxs"][:, 0], "dh_prev": found["dh"]}
        return first | {name: found[name] for name in ("dWx", "dWh", "db")}

    return Expected(ask, case.dtype)


@_remembered
def embedding(case: Case) -> Expected:
    """Return ``xs, dW`` of the embedding."""
    W, dxs = _wide(case.embedding, case.dembedded)
    return Expected(lambda ar: oracle.time_embedding(W, case.ids, dxs, ar), case.dtype)


@_remembered
def affine(case: Case) -> Expected:
    """Return ``zs, dxs, dW, db`` of the affine layer, whose input is the case's ``dhs``."""
    xs, W, b, dzs = _wide(case.dhs, case.W, case.output_b, case.dzs)
    return Expected(lambda ar: oracle.time_affine(xs, W, b, dzs, ar), case.dtype)


@_remembered
def loss(case: Case, *, ignore_label: int = -1, dloss: float = 1.0) -> Expected:
    """Return ``loss, dzs`` of softmax with loss."""
    (zs,) = _wide(case.zs)
    return Expected(lambda ar: oracle.time_softmax_with_loss(zs, case.ts, ignore_label, dloss, ar), case.dtype)


def clipping(grads: Sequence[Array], max_norm: float) -> Expected:
    """Return the clipped gradients as ``grads[0]``, ``grads[1]``, …, and the ``norm`` before."""

    def ask(ar: oracle.Arithmetic) -> dict[str, Array]:
        found = oracle.clip_gradients(grads, max_norm, ar)
        norm = found.pop("norm")
        return {f"grads[{index}]": grad for index, grad in found.items()} | {"norm": norm}

    return Expected(ask, str(grads[0].dtype))


def _wide(*arrays: Array) -> tuple[Array, ...]:
    return tuple(array.astype(np.float64) for array in arrays)
