"""The layers that treat every time alike: `TimeEmbedding`, `TimeAffine`, `TimeSoftmaxWithLoss`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timernn import checks
from timernn.contract import Array
from timernn.layers.shared import LayerBase

if TYPE_CHECKING:
    from timernn.base import ArrayBackend


class TimeEmbedding(LayerBase):
    """Rows of ``W`` looked up by token id at every time.

    Parameters
    ----------
    backend : ArrayBackend
        Whose kernels compute it.
    W : array (V, D)
        One row a token.
    """

    def __init__(self, backend: ArrayBackend, W: Array) -> None:
        checks.floats(backend, "W", W, ("V", None), ("D", None))
        super().__init__(backend, [W])

    def forward(self, ids: Array) -> Array:
        """Look the rows up.

        Parameters
        ----------
        ids : integer array (N, T)
            Token ids in ``0 … V-1``.

        Returns
        -------
        xs : array (N, T, D)

        Raises
        ------
        LabelError
            If an id is out of range.
        ShapeError, DTypeError
            If ``ids`` is not an integer array of two axes.
        """
        ids = checks.integers(self._backend, "ids", ids, ("N", None), ("T", None))
        (W,) = self._native_params()
        self._backend.check_labels("ids", ids, size=W.shape[0])
        self._cache = self._backend.copy(ids)
        return self._backend.time_embedding_forward(ids, W=W)

    def backward(self, dxs: Array) -> None:
        """Overwrite ``grads``; a token that occurs k times gets the sum of its k gradients.

        Parameters
        ----------
        dxs : array (N, T, D)

        Raises
        ------
        StateError
            If ``forward`` was never called.
        ShapeError, DTypeError
            If ``dxs`` is not like what ``forward`` returned.
        """
        ids = self._forwarded()
        V, D = self.params[0].shape
        dxs = self._floats("dxs", dxs, ("N", ids.shape[0]), ("T", ids.shape[1]), ("D", D))
        with self._backend.quiet():
            self.grads[0] = self._backend.time_embedding_backward(dxs, ids=ids, V=V, workspace=self._workspace)


class TimeAffine(LayerBase):
    """``zs = xs W + b`` at every time.

    Parameters
    ----------
    backend : ArrayBackend
        Whose kernels compute it.
    W : array (H, V)
        Weights.
    b : array (V,)
        Bias.
    """

    def __init__(self, backend: ArrayBackend, W: Array, b: Array) -> None:
        checks.floats(backend, "W", W, ("H", None), ("V", None))
        checks.floats(backend, "b", b, ("V", W.shape[1]), dtype=backend.dtype_name(W))
        super().__init__(backend, [W, b])

    def forward(self, xs: Array) -> Array:
        """Map ``xs (N, T, H)`` to ``zs (N, T, V)``.

        Raises
        ------
        ShapeError, DTypeError
            If ``xs`` is not an (N, T, H) array of the parameters' dtype.
        """
        W, b = self._native_params()
        xs = self._floats("xs", xs, ("N", None), ("T", None), ("H", W.shape[0]))
        with self._backend.quiet():
            zs, self._cache = self._backend.time_affine_forward(xs, W=W, b=b, workspace=self._workspace)
        return zs

    def backward(self, dzs: Array) -> Array:
        """Map ``dzs (N, T, V)`` to ``dxs (N, T, H)`` and overwrite ``grads``.

        Raises
        ------
        StateError
            If ``forward`` was never called.
        ShapeError, DTypeError
            If ``dzs`` is not like what ``forward`` returned.
        """
        xs = self._forwarded()
        W, _ = self._native_params()
        dzs = self._floats("dzs", dzs, ("N", xs.shape[0]), ("T", xs.shape[1]), ("V", W.shape[1]))
        with self._backend.quiet():
            dxs, *grads = self._backend.time_affine_backward(dzs, xs=xs, W=W, workspace=self._workspace)
        self.grads[:] = grads
        return dxs


class TimeSoftmaxWithLoss(LayerBase):
    """Cross-entropy of softmax over V, averaged over the labels that count.

    Parameters
    ----------
    backend : ArrayBackend
        Whose kernels compute it.
    ignore_label : int
        Positions with this label count neither in the loss nor in its divisor, and get no gradient.
    """

    def __init__(self, backend: ArrayBackend, *, ignore_label: int = -1) -> None:
        super().__init__(backend, [])
        self.ignore_label = ignore_label

    def forward(self, zs: Array, ts: Array) -> Array:
        """Return the mean loss.

        Parameters
        ----------
        zs : array (N, T, V)
            Scores before softmax.
        ts : integer array (N, T)
            Labels in ``0 … V-1``, or ``ignore_label``.

        Returns
        -------
        loss : scalar of the dtype of ``zs``
            Mean of ``-log softmax(zs)[ts]`` in nats; 0 if every label is ignored.

        Raises
        ------
        LabelError
            If a label is out of range and is not the ignored one.
        ShapeError, DTypeError
            If an argument's shape or dtype is not that.
        """
        zs = checks.floats(self._backend, "zs", zs, ("N", None), ("T", None), ("V", None))
        ts = checks.integers(self._backend, "ts", ts, ("N", zs.shape[0]), ("T", zs.shape[1]))
        self._backend.check_labels("ts", ts, size=zs.shape[2], ignored=self.ignore_label)
        with self._backend.quiet():
            loss, self._cache = self._backend.time_softmax_with_loss_forward(
                zs, ts, ignore_label=self.ignore_label, workspace=self._workspace
            )
        return loss

    def backward(self, dloss: float = 1.0) -> Array:
        """Return ``dzs (N, T, V)``, the gradient of ``dloss`` times the loss.

        Raises
        ------
        StateError
            If ``forward`` was never called.
        """
        with self._backend.quiet():
            return self._backend.time_softmax_with_loss_backward(dloss, cache=self._forwarded())
