"""Completes a backend whose author wrote only ``rnn`` and ``time_rnn``: NumPy layers behind a conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from timernn.contract import FLOAT_DTYPES, Array, Backend, DTypeError, MinimalBackend
from timernn.numpy_backend import NumpyBackend


def complete(backend: MinimalBackend, name: str) -> Backend:
    """Return ``backend`` itself if it has all that `timernn.contract.Backend` asks for, else a completed one."""
    return backend if isinstance(backend, Backend) else CompletedBackend(backend, name)


class CompletedBackend:
    """A backend's own methods where it has them, and defaults where it doesn't.

    A default converts with the backend's ``to_numpy`` and ``asarray`` (NumPy's own by default) and
    computes in NumPy, so it is right for any library and fast for none but those that share memory.
    """

    def __init__(self, backend: MinimalBackend, name: str) -> None:
        self._backend = backend
        self._host = NumpyBackend()
        self.name: str = getattr(backend, "name", name)
        self.dtypes: Sequence[str] = getattr(backend, "dtypes", FLOAT_DTYPES)
        self.known_failures: Mapping[str, str] = getattr(backend, "known_failures", {})
        for method in ("asarray", "to_numpy", "synchronize", "describe", "clip_gradients", "sgd_update", "adam_update"):
            self._prefer_own(method)
        for method in ("rnn", "time_rnn", "time_embedding", "time_affine", "time_softmax_with_loss"):
            self._prefer_own(method)

    def _prefer_own(self, method: str) -> None:
        own = getattr(self._backend, method, None)
        if own is not None:
            setattr(self, method, own)

    # The bodies below are the defaults: an instance attribute of the same name, set above, hides them.

    def rnn(self, Wx: Array, Wh: Array, b: Array) -> Any:
        """Never reached: a minimal backend has its own."""
        raise NotImplementedError

    def time_rnn(self, Wx: Array, Wh: Array, b: Array, *, stateful: bool = False) -> Any:
        """Never reached: a minimal backend has its own."""
        raise NotImplementedError

    def asarray(self, data: Any, dtype: Any = None) -> Array:
        """Copy ``data`` into a NumPy array."""
        return self._host.asarray(data, dtype)

    def to_numpy(self, array: Array) -> Any:
        """Copy ``array`` through NumPy's array protocol."""
        return np.array(array)

    def synchronize(self) -> None:
        """Do nothing: work is taken to be done when a call returns."""

    def describe(self) -> dict[str, Any]:
        """Describe the NumPy that fills in."""
        return self._host.describe()

    def time_embedding(self, W: Array) -> Any:
        """Build NumPy's embedding behind a conversion."""
        return HostedLayer(self, self._host.time_embedding(self.to_numpy(W)), [W], ("ids",), "dxs")

    def time_affine(self, W: Array, b: Array) -> Any:
        """Build NumPy's affine layer behind a conversion."""
        host = self._host.time_affine(self.to_numpy(W), self.to_numpy(b))
        return HostedLayer(self, host, [W, b], ("xs",), "dzs")

    def time_softmax_with_loss(self, *, ignore_label: int = -1) -> Any:
        """Build NumPy's softmax with loss behind a conversion."""
        host = self._host.time_softmax_with_loss(ignore_label=ignore_label)
        layer = HostedLayer(self, host, [], ("zs", "ts"), "dloss")
        layer.ignore_label = ignore_label
        return layer

    def clip_gradients(self, grads: Sequence[Array], max_norm: float) -> tuple[list[Array], Array]:
        """Clip in NumPy; returns new arrays."""
        clipped, norm = self._host.clip_gradients([self.to_numpy(grad) for grad in grads], max_norm)
        return [self.asarray(grad) for grad in clipped], norm

    def sgd_update(self, param: Array, grad: Array, *, learning_rate: float) -> Array:
        """Update in NumPy; returns a new array."""
        host = self._host.sgd_update(self.to_numpy(param), self.to_numpy(grad), learning_rate=learning_rate)
        return self.asarray(host)

    def adam_update(
        self,
        param: Array,
        grad: Array,
        m: Array,
        v: Array,
        *,
        learning_rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
    ) -> tuple[Array, Array, Array]:
        """Update in NumPy; returns new arrays."""
        host = self._host.adam_update(
            *(self.to_numpy(array) for array in (param, grad, m, v)),
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            step=step,
        )
        param, m, v = (self.asarray(array) for array in host)
        return param, m, v


class HostedLayer:
    """A NumPy layer that takes and returns the arrays of another library."""

    ignore_label: int

    def __init__(
        self, backend: CompletedBackend, host: Any, params: list[Array], inputs: tuple[str, ...], gradient: str
    ) -> None:
        self._backend = backend
        self._inputs, self._gradient = inputs, gradient  # what they are called, for messages
        self._host = host
        self.params = params
        self.grads = [backend.asarray(grad) for grad in host.grads]

    def forward(self, *arrays: Array) -> Array:
        """Run the NumPy layer forward on the current parameters."""
        self._host.params[:] = [self._backend.to_numpy(param) for param in self.params]
        result = self._host.forward(
            *(self._to_host(name, array) for name, array in zip(self._inputs, arrays, strict=True))
        )
        return self._backend.asarray(result)

    def backward(self, *gradients: Array) -> Array:
        """Run the NumPy layer backward and bring its gradients over."""
        result = self._host.backward(
            *(g if isinstance(g, float | int) else self._to_host(self._gradient, g) for g in gradients)
        )
        self.grads[:] = [self._backend.asarray(grad) for grad in self._host.grads]
        return None if result is None else self._backend.asarray(result)

    def _to_host(self, argument: str, array: Array) -> Any:
        """Convert an argument; what the backend's own conversion can't take is no array of its library."""
        try:
            return self._backend.to_numpy(array)
        except Exception as refusal:
            raise DTypeError(
                f"{argument}: must be an array of {self._backend.name}, got {type(array).__name__}, which its "
                f"to_numpy doesn't take: {refusal}"
            ) from refusal
