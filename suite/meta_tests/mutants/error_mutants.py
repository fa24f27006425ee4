"""Faults of checking: bad input that goes through, or is refused in the wrong words."""

from __future__ import annotations

import numpy as np
from sound import Sound

from timernn import contract
from timernn.layers import TimeAffine, TimeRNN


class NegativeLabelsWrapAround(Sound):
    killed_by = "test_errors.py::test_an_id_out_of_range_is_refused"

    def check_labels(self, argument, ids, *, size, ignored=None):
        super().check_labels(argument, np.where(ids < 0, ids + size, ids), size=size, ignored=ignored)


class FloatTypesMixed(Sound):
    killed_by = "test_errors.py::test_the_two_float_types_are_not_mixed"

    class Block(TimeRNN):
        def forward(self, xs):
            wanted = self.params[0].dtype
            is_float = isinstance(xs, np.ndarray) and xs.dtype.name in contract.FLOAT_DTYPES
            return super().forward(xs.astype(wanted) if is_float else xs)


class EmptyBlockAccepted(Sound):
    """A block of no time comes back empty, as if there had been one."""

    killed_by = "test_errors.py::test_time_rnn_refuses_wrong_shapes"

    class Block(TimeRNN):
        def forward(self, xs):
            if isinstance(xs, np.ndarray) and xs.ndim == 3 and xs.shape[1] == 0:
                return np.zeros((len(xs), 0, self.hidden_size), xs.dtype)
            return super().forward(xs)


class BackwardWithoutForward(Sound):
    killed_by = "test_errors.py::test_backward_before_forward_is_refused"

    class Affine(TimeAffine):
        def backward(self, dzs):
            if self._cache is None:
                return np.zeros((*dzs.shape[:2], len(self.params[0])), dzs.dtype)
            return super().backward(dzs)


class MessageNamesNoArgument(Sound):
    killed_by = "test_errors.py::test_time_rnn_refuses_wrong_shapes"

    class Block(TimeRNN):
        def forward(self, xs):
            try:
                return super().forward(xs)
            except contract.ShapeError:
                raise contract.ShapeError("operands could not be broadcast together") from None


class WeightsOfAnyShape(Sound):
    """The recurrent weights' shape is first looked at when it is too late."""

    killed_by = "test_errors.py::test_factories_refuse_wrong_shapes"

    class Block(TimeRNN):
        def __init__(self, backend, Wx, Wh, b, *, stateful=False):
            square = np.zeros((Wx.shape[-1],) * 2, Wx.dtype)
            super().__init__(backend, Wx, square, b, stateful=stateful)
            self.params[1] = Wh
