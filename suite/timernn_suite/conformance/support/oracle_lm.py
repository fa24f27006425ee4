"""The oracle's language model: training by truncated BPTT and perplexity, from the oracle's layers in float64."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from timernn_suite.conformance.support import oracle
from timernn_suite.conformance.support.oracle import Array


def train(
    weights: Mapping[str, Array], blocks: Iterable[tuple[Array, Array]], learning_rate: float
) -> tuple[list[float], dict[str, Array]]:
    """Train by plain SGD, one step a block, the state carried from block to block and the gradient cut between them.

    Parameters
    ----------
    weights : mapping
        ``embedding (V, D)``, ``Wx (D, H)``, ``Wh (H, H)``, ``b (H,)``, ``output_W (H, V)``, ``output_b (V,)``.
    blocks : iterable of (ids, labels)
        Integer arrays (N, T) each.
    learning_rate : float
        Step size.

    Returns
    -------
    losses : list of float
        The mean loss of each block, before its step.
    weights : dict
        The weights after the last step.
    """
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    state, losses = None, []
    for ids, labels in blocks:
        h0 = np.zeros((len(ids), len(w["b"]))) if state is None else state
        xs = w["embedding"][ids]
        states = oracle.time_rnn_forward(xs, h0, w["Wx"], w["Wh"], w["b"])
        hs = states[1:].transpose(1, 0, 2)
        zs = oracle.time_affine(hs, w["output_W"], w["output_b"], np.zeros((*ids.shape, len(w["output_b"]))))["zs"]
        top = oracle.time_softmax_with_loss(zs, labels)
        losses.append(float(top["loss"]))
        out = oracle.time_affine(hs, w["output_W"], w["output_b"], top["dzs"])
        back = oracle.time_rnn_backward(out["dxs"], xs, states, w["Wx"], w["Wh"])
        gradients = {
            "embedding": oracle.time_embedding(w["embedding"], ids, back["dxs"])["dW"],
            "output_W": out["dW"],
            "output_b": out["db"],
            "Wx": back["dWx"],
            "Wh": back["dWh"],
            "b": back["db"],
        }
        for name, gradient in gradients.items():
            w[name] = w[name] - learning_rate * gradient
        state = states[-1]
    return losses, w


def perplexity(weights: Mapping[str, Array], ids: Array, eos_id: int) -> float:
    """Return the perplexity of a text: from a zero state, after ``<eos>``, every token scored, one at a time."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    h, before, surprise = np.zeros(len(w["b"])), eos_id, []
    for token in ids:
        h = np.tanh(h @ w["Wh"] + w["embedding"][before] @ w["Wx"] + w["b"])
        z = h @ w["output_W"] + w["output_b"]
        surprise.append(math.log(math.fsum(np.exp(z - z.max()))) + (z.max() - z[token]))
        before = token
    return math.exp(math.fsum(surprise) / len(surprise))
