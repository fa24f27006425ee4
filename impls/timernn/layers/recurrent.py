"""The recurrent layers: `RNN`, a single step, and `TimeRNN`, a block of T steps with a state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timernn import checks
from timernn.contract import Array, ShapeError
from timernn.layers.shared import LayerBase

if TYPE_CHECKING:
    from timernn.base import ArrayBackend


class _Recurrent(LayerBase):
    """The parameters and sizes that `RNN` and `TimeRNN` share."""

    def __init__(self, backend: ArrayBackend, Wx: Array, Wh: Array, b: Array) -> None:
        checks.floats(backend, "Wx", Wx, ("D", None), ("H", None))
        self.input_size, self.hidden_size = Wx.shape
        dtype = backend.dtype_name(Wx)
        checks.floats(backend, "Wh", Wh, ("H", self.hidden_size), ("H", self.hidden_size), dtype=dtype)
        checks.floats(backend, "b", b, ("H", self.hidden_size), dtype=dtype)
        super().__init__(backend, [Wx, Wh, b])


class RNN(_Recurrent):
    """One step of the recurrent layer, ``h_next = tanh(h_prev Wh + x Wx + b)``.

    Parameters
    ----------
    backend : ArrayBackend
        Whose kernels compute it.
    Wx : array (D, H)
        Input weights.
    Wh : array (H, H)
        Recurrent weights.
    b : array (H,)
        Bias.
    """

    def forward(self, x: Array, h_prev: Array) -> Array:
        """Take one step.

        Parameters
        ----------
        x : array (N, D)
        h_prev : array (N, H)

        Returns
        -------
        h_next : array (N, H)

        Raises
        ------
        ShapeError, DTypeError
            If an argument's shape or dtype is not that.
        """
        x = self._floats("x", x, ("N", None), ("D", self.input_size))
        h_prev = self._floats("h_prev", h_prev, ("N", x.shape[0]), ("H", self.hidden_size))
        Wx, Wh, b = self._native_params()
        with self._backend.quiet():
            h_next = self._backend.rnn_forward(x, h_prev, Wx=Wx, Wh=Wh, b=b)
        copy = self._backend.copy
        self._cache = (copy(x), copy(h_prev), copy(h_next))
        return h_next

    def backward(self, dh_next: Array) -> tuple[Array, Array]:
        """Go back through the last step.

        Parameters
        ----------
        dh_next : array (N, H)

        Returns
        -------
        dx : array (N, D)
        dh_prev : array (N, H)

        Raises
        ------
        StateError
            If ``forward`` was never called.
        ShapeError, DTypeError
            If ``dh_next`` is not like what ``forward`` returned.
        """
        x, h_prev, h_next = self._forwarded()
        dh_next = self._floats("dh_next", dh_next, ("N", x.shape[0]), ("H", self.hidden_size))
        Wx, Wh, _ = self._native_params()
        with self._backend.quiet():
            dx, dh_prev, *grads = self._backend.rnn_backward(dh_next, x=x, h_prev=h_prev, h_next=h_next, Wx=Wx, Wh=Wh)
        self.grads[:] = grads
        return dx, dh_prev


class TimeRNN(_Recurrent):
    """A block of T steps with truncated back-propagation through time.

    Parameters
    ----------
    backend : ArrayBackend
        Whose kernels compute it.
    Wx : array (D, H)
        Input weights.
    Wh : array (H, H)
        Recurrent weights.
    b : array (H,)
        Bias.
    stateful : bool
        Whether the hidden state is carried from one block to the next.
    """

    def __init__(self, backend: ArrayBackend, Wx: Array, Wh: Array, b: Array, *, stateful: bool = False) -> None:
        super().__init__(backend, Wx, Wh, b)
        self.stateful = stateful
        self._h: Array | None = None  # the state after the last step
        self._given: Array | None = None  # what set_state asked the next forward to start from
        self._dh: Array | None = None

    @property
    def h(self) -> Array | None:
        """The state (N, H) after the last step, or what ``set_state`` gave; a copy. None when there is none."""
        state = self._given if self._given is not None else self._h
        return None if state is None else self._backend.copy(state)

    @property
    def dh(self) -> Array | None:
        """The gradient (N, H) with respect to the block's initial state; a copy. None before ``backward``."""
        return None if self._dh is None else self._backend.copy(self._dh)

    def set_state(self, h: Array) -> None:
        """Start the next ``forward`` from a copy of ``h (N, H)``.

        Raises
        ------
        ShapeError, DTypeError
            If ``h`` is not a (N, H) array of the parameters' dtype.
        """
        self._given = self._backend.copy(self._floats("h", h, ("N", None), ("H", self.hidden_size)))

    def reset_state(self) -> None:
        """Start the next ``forward`` from zeros, of whatever batch size comes."""
        self._h = self._given = None

    def forward(self, xs: Array) -> Array:
        """Run the block.

        Parameters
        ----------
        xs : array (N, T, D)

        Returns
        -------
        hs : array (N, T, H)

        Raises
        ------
        ShapeError
            If a size is wrong or 0, or the batch size is not that of the carried state.
        DTypeError
            If ``xs`` is not an array of the parameters' dtype.
        """
        xs = self._floats("xs", xs, ("N", None), ("T", None), ("D", self.input_size))
        h_prev = self._initial_state(xs)
        Wx, Wh, b = self._native_params()
        with self._backend.quiet():
            hs, cache = self._backend.time_rnn_forward(xs, h_prev, Wx=Wx, Wh=Wh, b=b, workspace=self._workspace)
        self._cache = (hs.shape, cache)
        self._h = self._backend.last_state(hs, cache)
        self._given = None
        return hs

    def backward(self, dhs: Array) -> Array:
        """Go back through the last block, and no further: the gradient is cut at the block's edge.

        Parameters
        ----------
        dhs : array (N, T, H)

        Returns
        -------
        dxs : array (N, T, D)

        Raises
        ------
        StateError
            If ``forward`` was never called.
        ShapeError, DTypeError
            If ``dhs`` is not like what ``forward`` returned.
        """
        (N, T, H), cache = self._forwarded()
        dhs = self._floats("dhs", dhs, ("N", N), ("T", T), ("H", H))
        Wx, Wh, _ = self._native_params()
        with self._backend.quiet():
            dxs, dh_prev, *grads = self._backend.time_rnn_backward(
                dhs, cache=cache, Wx=Wx, Wh=Wh, workspace=self._workspace
            )
        self.grads[:] = grads
        self._dh = dh_prev
        return dxs

    def _initial_state(self, xs: Array) -> Array:
        state = self._given if self._given is not None else self._h if self.stateful else None
        if state is None:
            return self._backend.xp.zeros((xs.shape[0], self.hidden_size), dtype=xs.dtype)
        if state.shape[0] != xs.shape[0]:
            raise ShapeError(
                f"xs: batch size must be N={state.shape[0]} like the state that is carried, got N={xs.shape[0]}; "
                f"call reset_state() to start from zeros, or set_state(h) with a state of the new size"
            )
        return state
