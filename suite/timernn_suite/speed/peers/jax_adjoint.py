"""JAX with the backward pass written by hand: the scan carries only the adjoint, as the backends here do.

Autodiff of a scan adds up the gradients of the weights at every step. Here each of them is one product over all
times after the scan, which is faster for wide layers and slower for tiny ones; so both are timed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from timernn_suite.speed.peers import jax_scan

Array = Any


@jax.custom_vjp
def states(xs: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> Array:
    """Return the states of all times."""
    return jax_scan.states(xs, h, Wx, Wh, b)


def _forward(xs: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, Any]:
    hs = jax_scan.states(xs, h, Wx, Wh, b)
    return hs, (xs, h, Wx, Wh, hs)


def _backward(kept: Any, dhs: Array) -> tuple[Array, ...]:
    xs, h, Wx, Wh, hs = kept
    inputs, after = xs.swapaxes(0, 1), hs.swapaxes(0, 1)

    def one(dh: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        state, gradient = at
        dz = (dh + gradient) * (1 - state * state)
        return dz @ Wh.T, dz

    dh, dzs = jax.lax.scan(one, jnp.zeros_like(h), (after, dhs.swapaxes(0, 1)), reverse=True)
    before = jnp.concatenate([h[None], after[:-1]])
    rows = dzs.reshape(-1, len(Wh))
    dWx, dWh = inputs.reshape(-1, len(Wx)).T @ rows, before.reshape(-1, len(Wh)).T @ rows
    return (dzs @ Wx.T).swapaxes(0, 1), dh, dWx, dWh, rows.sum(axis=0)


states.defvjp(_forward, _backward)


def describe() -> dict[str, Any]:
    """Name the library, for the record."""
    return jax_scan.describe() | {"backward": "by hand"}


block = partial(jax_scan.block, states_of=states)
step = partial(jax_scan.step, states_of=states)
