"""Optimisers over a backend's update kernels, with momentum, weight decay and averaging."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timernn.contract import Array, Backend, Layer
from timernn_suite.lm.rnnlm import Rnnlm


class Trainable(Protocol):
    """What an optimiser asks of a model: whose arrays its parameters are, and where they lie."""

    backend: Backend

    def parameters(self) -> list[tuple[Layer, int]]:
        """Return each parameter's place, as a layer and an index into its ``params`` and ``grads``."""


class Optimiser(Protocol):
    """Changes a model's parameters against their gradients."""

    learning_rate: float

    def update(self, model: Trainable, max_norm: float | None = None) -> Array | None:
        """Take one step; clip by the global norm ``max_norm`` first. Return the norm before clipping, None without."""

    def state(self, model: Trainable) -> dict[str, NDArray[Any]]:
        """Return what a checkpoint must hold, as NumPy arrays."""

    def restore(self, model: Trainable, state: dict[str, NDArray[Any]]) -> None:
        """Take up again from what `state` returned."""


def _gradients(model: Trainable, max_norm: float | None) -> tuple[list[Array], Array | None]:
    gradients = [layer.grads[index] for layer, index in model.parameters()]
    if max_norm is None:
        return gradients, None
    return model.backend.clip_gradients(gradients, max_norm)


def _decay(model: Trainable, share: float) -> None:
    """Take ``share`` of every weight matrix away from it; biases, which are few and of no scale of their own, stay."""
    for layer, index in model.parameters():
        weight = layer.params[index]
        if share > 0 and len(weight.shape) > 1:
            # Put back what comes: arrays that can't be changed in place come back as new ones.
            layer.params[index] = model.backend.sgd_update(weight, weight * share, learning_rate=1.0)


class SGD:
    """Stochastic gradient descent, plain or with momentum.

    Parameters
    ----------
    learning_rate : float
        Step size.
    momentum : float
        Share of the last step's direction that goes on: ``v = momentum v + gradient``, and the step is along v.
    weight_decay : float
        Share of the weight matrices that is taken away at each step, times the learning rate.
    """

    def __init__(self, learning_rate: float, *, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        self._velocities: list[Array] = []

    def update(self, model: Trainable, max_norm: float | None = None) -> Array | None:
        """Take one step; see `Optimiser`."""
        gradients, norm = _gradients(model, max_norm)
        _decay(model, self.learning_rate * self.weight_decay)
        if self.momentum > 0:
            before = self._velocities
            # Arithmetic makes new arrays: gradients may be changed at the next step.
            gradients = [
                self.momentum * before[place] + gradient if before else 1.0 * gradient
                for place, gradient in enumerate(gradients)
            ]
            self._velocities = gradients
        for (layer, index), gradient in zip(model.parameters(), gradients, strict=True):
            layer.params[index] = model.backend.sgd_update(
                layer.params[index], gradient, learning_rate=self.learning_rate
            )
        return norm

    def state(self, model: Trainable) -> dict[str, NDArray[Any]]:
        """Return the velocities; nothing without momentum."""
        return {f"v{place}": np.array(model.backend.to_numpy(v)) for place, v in enumerate(self._velocities)}

    def restore(self, model: Trainable, state: dict[str, NDArray[Any]]) -> None:
        """Take up the velocities."""
        self._velocities = [model.backend.asarray(state[f"v{place}"]) for place in range(len(state))]


class Adam:
    """Adam (Kingma and Ba, ICLR 2015), with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).

    Parameters
    ----------
    learning_rate : float
        Step size.
    beta1, beta2 : float
        Decay of the two moments.
    epsilon : float
        Added to the root of the second moment.
    weight_decay : float
        Share of the weight matrices that is taken away at each step, times the learning rate.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.step = 0
        self._moments: list[tuple[Array, Array]] = []

    def update(self, model: Trainable, max_norm: float | None = None) -> Array | None:
        """Take one step; see `Optimiser`."""
        gradients, norm = _gradients(model, max_norm)
        _decay(model, self.learning_rate * self.weight_decay)
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

    def state(self, model: Trainable) -> dict[str, NDArray[Any]]:
        """Return the moments and the number of steps."""
        arrays = {"step": np.array(self.step)}
        for place, (m, v) in enumerate(self._moments):
            arrays[f"m{place}"] = np.array(model.backend.to_numpy(m))
            arrays[f"v{place}"] = np.array(model.backend.to_numpy(v))
        return arrays

    def restore(self, model: Trainable, state: dict[str, NDArray[Any]]) -> None:
        """Take up the moments and the number of steps."""
        self.step = int(state["step"])
        places = range(len(model.parameters()) if "m0" in state else 0)
        self._moments = [
            (model.backend.asarray(state[f"m{place}"]), model.backend.asarray(state[f"v{place}"])) for place in places
        ]


def _zeros_like(model: Trainable, place: tuple[Any, int]) -> Array:
    layer, index = place
    return model.backend.asarray(np.zeros_like(model.backend.to_numpy(layer.params[index])))


class Average:
    """The mean of a model's weights over training steps.

    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 30, 1992. It
    is begun once the validation perplexity stops falling (Merity et al., ICLR 2018): the mean of early steps is no use.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._means: list[Array] = []

    def update(self, model: Rnnlm) -> None:
        """Take the weights as they are now into the mean."""
        weights = [layer.params[index] for layer, index in model.parameters()]
        self.steps += 1
        if not self._means:
            self._means = [1.0 * weight for weight in weights]
            return
        share = 1.0 / self.steps
        self._means = [mean + share * (weight - mean) for mean, weight in zip(self._means, weights, strict=True)]

    def of(self, model: Rnnlm) -> Rnnlm:
        """Return a second model with the mean of the weights; the model itself before there is one."""
        if not self._means:
            return model
        twin = model.for_evaluation()
        for (layer, index), mean in zip(twin.parameters(), self._means, strict=True):
            layer.params[index] = mean
        return twin

    def state(self, model: Rnnlm) -> dict[str, NDArray[Any]]:
        """Return the number of steps and the means, for a checkpoint."""
        arrays = {"steps": np.array(self.steps)} if self.steps else {}
        return arrays | {f"mean{place}": np.array(model.backend.to_numpy(m)) for place, m in enumerate(self._means)}

    def restore(self, model: Rnnlm, state: dict[str, NDArray[Any]]) -> None:
        """Take up again from what `state` returned."""
        self.steps = int(state["steps"]) if state else 0
        self._means = [model.backend.asarray(state[f"mean{place}"]) for place in range(len(state) - 1)]
