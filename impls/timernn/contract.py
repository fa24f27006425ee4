"""The contract that every backend keeps: its interface, its errors, and what they promise.

Sizes are ``N`` batch, ``T`` time, ``D`` input, ``H`` hidden, ``V`` vocabulary. One step of the
recurrent layer is ``h_t = tanh(h_{t-1} Wh + x_t Wx + b)`` with ``Wx (D, H)``, ``Wh (H, H)`` and
``b (H,)``; a block is ``xs (N, T, D)`` in and ``hs (N, T, H)`` out.

The Protocols below are structural. A backend needs to import nothing from here: it may raise the
built-in base class of an error (``ValueError`` for `ShapeError`, and so on) as long as the message
names the argument. What the conformance suite holds every backend to:

dtype
    Comes from the inputs: float32 or float64, carried through every buffer, output, gradient and
    state. Mixing the two, or anything else, raises `DTypeError`.
ownership
    No input is written to or kept (``set_state`` copies). What is returned belongs to the caller
    and is never touched again. The exception is ``params``: a layer's parameters are the arrays it
    was built from, held by identity, so that an optimiser can update them in place and two layers
    can share one. A layer reads ``params[i]`` afresh at every call; where arrays are immutable, an
    optimiser replaces the list's entry instead.
grads
    In the order and shapes of ``params``; overwritten by each ``backward``, never added to.
    Calling ``backward`` twice gives the same bits.
state
    A stateful block carries h to the next ``forward``; the cut between blocks is in the backward
    direction only. One that is not stateful starts every ``forward`` from zeros, or from
    ``set_state``'s value for the next call only. ``reset_state`` returns to zeros. Both concern the
    next ``forward`` alone: ``backward`` still goes back through the last block that went through.
    A call that raises leaves the state as it was.
threads
    Two layers may run in two threads; one layer may not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

#: An array of the backend's own library. Its type is unknown here on purpose: this module imports no array library.
Array = Any

#: The names of the floating-point types a backend may declare in its ``dtypes``.
FLOAT_DTYPES = ("float32", "float64")


class ShapeError(ValueError):
    """An argument has the wrong rank or size, or a size of 0."""


class DTypeError(TypeError):
    """An argument is not an array, or its element type is not the one that is needed."""


class LabelError(ValueError):
    """A token id or a label lies outside ``0 … V-1`` (and is not the ignored label)."""


class StateError(RuntimeError):
    """Calls in an impossible order, such as ``backward`` before ``forward``."""


class BackendUnavailable(RuntimeError):  # noqa: N818 - the word for a state of the machine, not a mistake
    """A backend can't run on this machine; the message is the reason."""


class BackendBroken(BackendUnavailable):
    """A backend's own code failed while it was loaded; the message says how and where. No state of the machine."""


class UnknownBackend(ValueError):  # noqa: N818 - reads as what it is
    """No backend goes by that name."""


class Layer(Protocol):
    """What every layer has: parameters and their gradients, in the same order and shapes."""

    params: list[Array]
    grads: list[Array]


class RNNLayer(Layer, Protocol):
    """One step, ``h_next = tanh(h_prev Wh + x Wx + b)``; ``params`` is ``[Wx, Wh, b]``."""

    def forward(self, x: Array, h_prev: Array) -> Array:
        """Map ``x (N, D)`` and ``h_prev (N, H)`` to ``h_next (N, H)``."""

    def backward(self, dh_next: Array) -> tuple[Array, Array]:
        """Map ``dh_next (N, H)`` to ``(dx (N, D), dh_prev (N, H))`` and overwrite ``grads``."""


class TimeRNNLayer(Layer, Protocol):
    """A block of T steps with truncated back-propagation through time; ``params`` is ``[Wx, Wh, b]``."""

    stateful: bool

    @property
    def h(self) -> Array | None:
        """The state after the last step (N, H), a copy; None when there is none."""

    @property
    def dh(self) -> Array | None:
        """After ``backward``: the gradient with respect to the block's initial state (N, H), a copy."""

    def forward(self, xs: Array) -> Array:
        """Map ``xs (N, T, D)`` to ``hs (N, T, H)``."""

    def backward(self, dhs: Array) -> Array:
        """Map ``dhs (N, T, H)`` to ``dxs (N, T, D)``, overwrite ``grads`` and set ``dh``."""

    def set_state(self, h: Array) -> None:
        """Start the next ``forward`` from a copy of ``h (N, H)``."""

    def reset_state(self) -> None:
        """Start the next ``forward`` from zeros, of whatever batch size comes."""


class TimeEmbeddingLayer(Layer, Protocol):
    """Rows of ``W (V, D)`` looked up by token id; ``params`` is ``[W]``."""

    def forward(self, ids: Array) -> Array:
        """Map ``ids (N, T)``, integers in ``0 … V-1``, to ``xs (N, T, D)``."""

    def backward(self, dxs: Array) -> None:
        """Overwrite ``grads``; a token that occurs k times gets the sum of its k gradients."""


class TimeAffineLayer(Layer, Protocol):
    """``zs = xs W + b`` at every time; ``params`` is ``[W (H, V), b (V,)]``."""

    def forward(self, xs: Array) -> Array:
        """Map ``xs (N, T, H)`` to ``zs (N, T, V)``."""

    def backward(self, dzs: Array) -> Array:
        """Map ``dzs (N, T, V)`` to ``dxs (N, T, H)`` and overwrite ``grads``."""


class TimeSoftmaxWithLossLayer(Layer, Protocol):
    """Cross-entropy of softmax over V, averaged over the labels that count; no parameters."""

    ignore_label: int

    def forward(self, zs: Array, ts: Array) -> Array:
        """Map scores ``zs (N, T, V)`` and labels ``ts (N, T)`` to the mean loss in nats, a scalar of ``zs``' dtype.

        Labels equal to ``ignore_label`` don't count; if none counts the loss is 0.
        """

    def backward(self, dloss: float = 1.0) -> Array:
        """Return ``dzs (N, T, V)``, the gradient of ``dloss`` times the loss; 0 where the label is ignored."""


@runtime_checkable
class MinimalBackend(Protocol):
    """All that an outsider must write. `timernn.registry` completes the rest with defaults."""

    def rnn(self, Wx: Array, Wh: Array, b: Array) -> RNNLayer:
        """Build the single step."""

    def time_rnn(self, Wx: Array, Wh: Array, b: Array, *, stateful: bool = False) -> TimeRNNLayer:
        """Build the block of T steps."""


@runtime_checkable
class Backend(MinimalBackend, Protocol):
    """A whole backend, as the registry hands it out.

    The constructor takes no arguments and raises `BackendUnavailable` with the reason when the
    backend can't run on this machine.
    """

    name: str
    dtypes: Sequence[str]
    known_failures: Mapping[str, str]

    def asarray(self, data: Any, dtype: Any = None) -> Array:
        """Copy ``data`` into an array of this backend; ``dtype`` None keeps that of ``data``."""

    def to_numpy(self, array: Array) -> Any:
        """Return a NumPy copy of a backend array or scalar, with the same dtype."""

    def synchronize(self) -> None:
        """Wait until all work that was queued is done. Timing calls this inside the timed region."""

    def describe(self) -> dict[str, Any]:
        """Return what a result's record needs: library versions, device, threads. JSON-ready."""

    def time_embedding(self, W: Array) -> TimeEmbeddingLayer:
        """Build the embedding."""

    def time_affine(self, W: Array, b: Array) -> TimeAffineLayer:
        """Build the affine layer."""

    def time_softmax_with_loss(self, *, ignore_label: int = -1) -> TimeSoftmaxWithLossLayer:
        """Build softmax with cross-entropy."""

    def clip_gradients(self, grads: Sequence[Array], max_norm: float) -> tuple[list[Array], Array]:
        """Scale all of ``grads`` by ``min(1, max_norm / norm)``, with ``norm`` the l2 norm over all of them together.

        Returns
        -------
        grads : list of arrays
            The scaled gradients: the same arrays, changed in place, where the library allows it.
        norm : scalar
            The norm before scaling. It may live on the device: reading it synchronises.
        """

    def sgd_update(self, param: Array, grad: Array, *, learning_rate: float) -> Array:
        """Return ``param - learning_rate * grad``; ``param`` itself, changed in place, where the library allows it."""

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
        """Return ``(param, m, v)`` after one step of Adam; the same arrays, changed in place, where allowed.

        ``step`` counts from 1. The update is ``param - learning_rate * m̂ / (sqrt(v̂) + epsilon)`` with the
        bias-corrected moments of Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
        """
