"""jax.lax.scan under jit on the CPU, as a peer in the speed comparison: one compiled function a call."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

THREADS = int(os.environ.get("NPROC", os.cpu_count() or 1))
if THREADS == 1:  # XLA reads both as it starts: the size of its pool, and whether products may be shared out
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
os.environ["NPROC"] = str(THREADS)
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

jax.config.update("jax_enable_x64", True)  # else float64 silently becomes float32; element types are given throughout

Array = Any


def describe() -> dict[str, Any]:
    """Name the library, for the record."""
    return {"library": "jax", "version": jax.__version__, "threads": THREADS, "device": jax.devices()[0].platform}


def states(xs: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> Array:
    """Return the states of all times; the inputs' products are taken for all times at once, before the scan."""

    def one(h: Array, projected: Array) -> tuple[Array, Array]:
        h = jnp.tanh(h @ Wh + projected)
        return h, h

    _, hs = jax.lax.scan(one, h, (xs @ Wx + b).swapaxes(0, 1))
    return hs.swapaxes(0, 1)


@partial(jax.jit, static_argnames="states_of")
def forward_backward(
    xs: Array, h: Array, Wx: Array, Wh: Array, b: Array, dhs: Array, states_of: Callable[..., Array]
) -> tuple[Array, Array, Array, Array]:
    """Return the states, the gradients of inputs and weights, and the last state."""
    hs, pull_back = jax.vjp(lambda xs, Wx, Wh, b: states_of(xs, h, Wx, Wh, b), xs, Wx, Wh, b)
    dxs, *gradients = pull_back(dhs)
    return hs, dxs, gradients, hs[:, -1]


def loss_of(
    weights: dict[str, Array], h: Array, ids: Array, targets: Array, states_of: Callable[..., Array]
) -> tuple[Array, Array]:
    """Return the language model's mean loss, and the last state."""
    hs = states_of(weights["E"][ids], h, weights["Wx"], weights["Wh"], weights["b"])
    scores = jax.nn.log_softmax(hs @ weights["W"] + weights["c"])
    return -jnp.take_along_axis(scores, targets[:, :, None], axis=2).mean(), hs[:, -1]


@partial(jax.jit, donate_argnums=(0, 1), static_argnames="states_of")
def train(
    weights: dict[str, Array], h: Array, ids: Array, targets: Array, states_of: Callable[..., Array]
) -> tuple[dict[str, Array], Array, Array]:
    """Take one step of SGD in the weights' own buffers."""
    (loss, last), gradients = jax.value_and_grad(loss_of, has_aux=True)(weights, h, ids, targets, states_of)
    return jax.tree.map(lambda weight, gradient: weight - 0.1 * gradient, weights, gradients), last, loss


def _normal(dtype: str) -> Callable[..., Array]:
    random = np.random.default_rng(0)
    return lambda *shape, scale=1.0: jnp.asarray((scale * random.standard_normal(shape)).astype(dtype))


def block(
    N: int, T: int, D: int, H: int, dtype: str, *, states_of: Callable[..., Array] = states
) -> Callable[[], object]:
    """Return one forward and backward of the layer, with the state carried on."""
    normal = _normal(dtype)
    weights = normal(D, H, scale=D**-0.5), normal(H, H, scale=H**-0.5), normal(H)
    xs, dhs = normal(N, T, D), normal(N, T, H)
    state = jnp.zeros((N, H), dtype)

    def once() -> object:
        nonlocal state
        *made, state = jax.block_until_ready(forward_backward(xs, state, *weights, dhs, states_of=states_of))
        return made

    return once


def step(
    N: int, T: int, H: int, V: int, dtype: str, *, states_of: Callable[..., Array] = states
) -> Callable[[], object]:
    """Return one training step of the language model with SGD."""
    normal = _normal(dtype)
    weights = {
        "E": normal(V, H, scale=0.01),
        "Wx": normal(H, H, scale=H**-0.5),
        "Wh": normal(H, H, scale=H**-0.5),
        "b": jnp.zeros(H, dtype),
        "W": normal(H, V, scale=H**-0.5),
        "c": jnp.zeros(V, dtype),
    }
    ids, targets = jnp.asarray(np.random.default_rng(0).integers(0, V, (2, N, T), dtype=np.int32))
    state = jnp.zeros((N, H), dtype)

    def once() -> object:
        nonlocal weights, state
        weights, state, loss = jax.block_until_ready(train(weights, state, ids, targets, states_of=states_of))
        return loss

    return once
