"""The oracle's language model: training by truncated BPTT and perplexity, from the oracle's layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from timernn_suite.conformance.support import oracle
from timernn_suite.conformance.support.oracle import EXACT, Arithmetic, Array


def train(
    weights: Mapping[str, Array],
    blocks: Sequence[tuple[Array, Array]],
    learning_rate: float,
    ar: Arithmetic = EXACT,
) -> dict[str, Array]:
    """Train by plain SGD, one step a block, the state carried from block to block and the gradient cut between them.

    Parameters
    ----------
    weights : mapping
        ``embedding (V, D)``, ``Wx (D, H)``, ``Wh (H, H)``, ``b (H,)``, ``output_W (H, V)``, ``output_b (V,)``.
    blocks : sequence of (ids, labels)
        Integer arrays (N, T) each.
    learning_rate : float
        Step size.

    Returns
    -------
    dict
        ``losses``, the mean loss of each block before its step, and the weights after the last step by their names.
    """
    w = dict(zip(weights, ar.take(*weights.values()), strict=True))
    state, losses = None, []
    for ids, labels in blocks:
        h0 = np.zeros((len(ids), len(w["b"]))) if state is None else state
        xs = w["embedding"][ids]
        states = oracle.time_rnn_forward(xs, h0, w["Wx"], w["Wh"], w["b"], ar)
        hs = states[1:].transpose(1, 0, 2)
        nothing = np.zeros((*ids.shape, len(w["output_b"])))
        zs = oracle.time_affine(hs, w["output_W"], w["output_b"], nothing, ar)["zs"]
        top = oracle.time_softmax_with_loss(zs, labels, ar=ar)
        losses.append(top["loss"])
        out = oracle.time_affine(hs, w["output_W"], w["output_b"], top["dzs"], ar)
        back = oracle.time_rnn_backward(out["dxs"], xs, states, w["Wx"], w["Wh"], ar)
        gradients = {
            "embedding": oracle.time_embedding(w["embedding"], ids, back["dxs"], ar)["dW"],
            "output_W": out["dW"],
            "output_b": out["db"],
            "Wx": back["dWx"],
            "Wh": back["dWh"],
            "b": back["db"],
        }
        for name, gradient in gradients.items():
            w[name] = oracle.sgd_update(w[name], gradient, learning_rate, ar)["param"]
        state = states[-1]
    return {"losses": np.array(losses)} | w


def nll(weights: Mapping[str, Array], ids: Array, eos_id: int, ar: Arithmetic = EXACT) -> dict[str, Array]:
    """Return ``nll``, a text's surprise in nats: from a zero state, after ``<eos>``, every token, one at a time."""
    w = dict(zip(weights, ar.take(*weights.values()), strict=True))
    h, before, surprise = np.zeros((1, len(w["b"]))), eos_id, []
    for token in ids:
        h = oracle.time_rnn_forward(w["embedding"][None, [before]], h, w["Wx"], w["Wh"], w["b"], ar)[-1]
        z = ar.rounded(ar.dot(h, w["output_W"]) + w["output_b"])[0]
        surprise.append(np.log(np.sum(np.exp(z - z.max()))) + z.max() - z[token])
        before = token
    return {"nll": np.sum(surprise)}
