"""torch.nn.RNN on the CPU, as a peer in the speed comparison: forward and backward by autograd."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))


def describe() -> dict[str, Any]:
    """Name the library, for the record."""
    return {"library": "torch", "version": torch.__version__, "threads": torch.get_num_threads(), "device": "cpu"}


def block(N: int, T: int, D: int, H: int, dtype: str) -> Callable[[], object]:
    """Return one forward and backward of the layer, with the state carried on."""
    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    layer = torch.nn.RNN(D, H, batch_first=True, dtype=kind)
    xs = torch.randn(N, T, D, dtype=kind, requires_grad=True)
    dhs = torch.randn(N, T, H, dtype=kind)
    state = torch.zeros(1, N, H, dtype=kind)

    def once() -> object:
        nonlocal state
        layer.zero_grad(set_to_none=True)
        xs.grad = None
        hs, last = layer(xs, state)
        hs.backward(dhs)
        state = last.detach()
        return hs, xs.grad

    return once


def step(N: int, T: int, H: int, V: int, dtype: str) -> Callable[[], object]:
    """Return one training step of the language model with SGD."""
    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    embedding = torch.nn.Embedding(V, H, dtype=kind)
    recurrent = torch.nn.RNN(H, H, batch_first=True, dtype=kind)
    output = torch.nn.Linear(H, V, dtype=kind)
    parameters = [*embedding.parameters(), *recurrent.parameters(), *output.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=0.1)
    ids = torch.randint(0, V, (2, N, T))
    state = torch.zeros(1, N, H, dtype=kind)

    def once() -> object:
        nonlocal state
        optimiser.zero_grad(set_to_none=True)
        hs, last = recurrent(embedding(ids[0]), state)
        loss = torch.nn.functional.cross_entropy(output(hs).reshape(N * T, V), ids[1].reshape(N * T))
        loss.backward()
        optimiser.step()
        state = last.detach()
        return loss

    return once
