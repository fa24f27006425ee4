"""Optimisers over a backend's update kernels, and the schedules of their learning rate."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timernn.contract import Array
from timernn_suite.lm.rnnlm import Rnnlm


class Optimiser(Protocol):
    """Changes a model's parameters against their gradients."""

    learning_rate: float

    def update(self, model: Rnnlm, max_norm: float | None = None) -> Array | None:
        """Take one step; clip by the global norm ``max_norm`` first. Return the norm before clipping, None without."""

    def state(self, model: Rnnlm) -> dict[str, NDArray[Any]]:
        """Return what a checkpoint must hold, as NumPy arrays."""

    def restore(self, model: Rnnlm, state: dict[str, NDArray[Any]]) -> None:
        """Take up again from what `state` returned."""


def _gradients(model: Rnnlm, max_norm: float | None) -> tuple[list[Array], Array | None]:
    gradients = [layer.grads[index] for layer, index in model.parameters()]
    if max_norm is None:
        return gradients, None
    return model.backend.clip_gradients(gradients, max_norm)


class SGD:
    """Plain stochastic gradient descent.

    Parameters
    ----------
    learning_rate : float
        Step size.
    """

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def update(self, model: Rnnlm, max_norm: float | None = None) -> Array | None:
        """Take one step; see `Optimiser`."""
        gradients, norm = _gradients(model, max_norm)
        for (layer, index), gradient in zip(model.parameters(), gradients, strict=True):
            # Put back what comes: arrays that can't be changed in place come back as new ones.
            layer.params[index] = model.backend.sgd_update(
                layer.params[index], gradient, learning_rate=self.learning_rate
            )
        return norm

    def state(self, model: Rnnlm) -> dict[str, NDArray[Any]]:
        """Return nothing: there is nothing to remember."""
        return {}

    def restore(self, model: Rnnlm, state: dict[str, NDArray[Any]]) -> None:
        """Do nothing."""


class Adam:
    """Adam (Kingma and Ba, ICLR 2015).

    Parameters
    ----------
    learning_rate : float
        Step size.
    beta1, beta2 : float
        Decay of the two moments.
    epsilon : float
        Added to the root of the second moment.
    """

    def __init__(
        self, learning_rate: float, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self.learning_rate = learning_rate
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.step = 0
        self._moments: list[tuple[Array, Array]] = []

    def update(self, model: Rnnlm, max_norm: float | None = None) -> Array | None:
        """Take one step; see `Optimiser`."""
        gradients, norm = _gradients(model, max_norm)
        if not self._moments:
            self._moments = [(_zeros_like(model, place), _zeros_like(model, place)) for place in model.parameters()]
        self.step += 1
        for place, (layer, index) in enumerate(model.parameters()):
            m, v = self._moments[place]
            layer.params[index], m, v = model.backend.adam_update(
                layer.params[index],
                gradients[place],
                m,
                v,
                learning_rate=self.learning_rate,
                beta1=self.beta1,
                beta2=self.beta2,
                epsilon=self.epsilon,
                step=self.step,
            )
            self._moments[place] = (m, v)
        return norm

    def state(self, model: Rnnlm) -> dict[str, NDArray[Any]]:
        """Return the moments and the number of steps."""
        arrays = {"step": np.array(self.step)}
        for place, (m, v) in enumerate(self._moments):
            arrays[f"m{place}"] = np.array(model.backend.to_numpy(m))
            arrays[f"v{place}"] = np.array(model.backend.to_numpy(v))
        return arrays

    def restore(self, model: Rnnlm, state: dict[str, NDArray[Any]]) -> None:
        """Take up the moments and the number of steps."""
        self.step = int(state["step"])
        places = range(len(model.parameters()) if "m0" in state else 0)
        self._moments = [
            (model.backend.asarray(state[f"m{place}"]), model.backend.asarray(state[f"v{place}"])) for place in places
        ]


def _zeros_like(model: Rnnlm, place: tuple[Any, int]) -> Array:
    layer, index = place
    return model.backend.asarray(np.zeros_like(model.backend.to_numpy(layer.params[index])))


class Plateau:
    """Cuts the learning rate when the validation perplexity stops falling.

    After an epoch that gained less than ``threshold`` (a share of the best perplexity so far) the rate
    is multiplied by ``factor``. Mikolov's rule, "Statistical Language Models Based on Neural Networks",
    2012, has a factor of 0.5 and a threshold of 0.003, and cuts in every epoch after the first cut:
    ``keep_cutting``.

    Parameters
    ----------
    factor : float
        What the rate is multiplied by; 1 keeps it constant.
    threshold : float
        The least gain that counts.
    keep_cutting : bool
        Whether every epoch after the first cut cuts again.
    """

    def __init__(self, factor: float = 0.5, threshold: float = 0.003, *, keep_cutting: bool = False) -> None:
        self.factor, self.threshold, self.keep_cutting = factor, threshold, keep_cutting
        self.best = float("inf")
        self.cut = False

    def after_epoch(self, learning_rate: float, perplexity: float) -> float:
        """Return the learning rate of the next epoch, given this one's and its validation perplexity."""
        gained = perplexity < self.best * (1 - self.threshold)
        self.best = min(self.best, perplexity)
        if gained and not (self.keep_cutting and self.cut):
            return learning_rate
        self.cut = True
        return learning_rate * self.factor
