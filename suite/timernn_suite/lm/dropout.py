"""Dropout masks: drawn on the host from one seeded generator, the same on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np

from timernn.contract import Array, Backend


class Masks:
    """Where masks come from.

    Parameters
    ----------
    backend : Backend
        Whose arrays they are.
    dtype : str
        Their element type, that of what they are multiplied with.
    seed : int
        The same seed draws the same masks.
    """

    def __init__(self, backend: Backend, dtype: str, seed: int) -> None:
        self._backend, self._dtype = backend, dtype
        self._random = np.random.default_rng([seed, 0x6D61736B])  # apart from the stream of the first weights

    def draw(self, rate: float, *shape: int) -> Array:
        """Return a mask that is 0 with probability ``rate``, and elsewhere what keeps the expectation: 1/(1 - rate)."""
        kept = self._random.random(shape) >= rate
        return self._backend.asarray((kept / (1 - rate)).astype(self._dtype))

    @property
    def state(self) -> dict[str, Any]:
        """Where in its stream the generator is, JSON-ready; set it to go on from there."""
        return dict(self._random.bit_generator.state)

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._random.bit_generator.state = state
