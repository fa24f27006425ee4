"""Faults of layout and size: right for one shape, one layout or one row, and wrong for others."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sound import Sound

from timernn.layers import RNN, TimeAffine, TimeRNN


class StridesIgnored(Sound):
    """The bytes behind an array are read as if they were contiguous."""

    killed_by = "test_layout.py::test_a_view_gives_what_its_copy_gives"

    def time_rnn_forward(self, xs, h_prev, **rest):
        contiguous = np.empty_like(xs, order="C").strides
        return super().time_rnn_forward(np.lib.stride_tricks.as_strided(xs, strides=contiguous), h_prev, **rest)


class ByteOrderIgnored(Sound):
    killed_by = "test_layout.py::test_the_other_byte_order_gives_the_same"

    def native(self, array):
        return array.view(array.dtype.newbyteorder("="))


class BatchAndTimeSwapped(Sound):
    """The result is laid out by time and handed out by batch."""

    killed_by = "test_layout.py::test_no_output_depends_on_a_later_input"

    def time_rnn_forward(self, xs, h_prev, **rest):
        hs, cache = super().time_rnn_forward(xs, h_prev, **rest)
        return np.ascontiguousarray(hs.swapaxes(0, 1)).reshape(hs.shape), cache


class NoMoreInputsThanUnits(Sound):
    """Of an input wider than the hidden layer, the rest is not read."""

    killed_by = "test_values.py::test_time_rnn"

    def next_state(self, h, xs, t, Wx, Wh, b):
        H = h.shape[1]
        return np.tanh(h @ Wh + xs[:, t, :H] @ Wx[:H] + b)


class RowsDependOnTheirCompanions(Sound):
    killed_by = "test_layout.py::test_a_row_alone_is_the_same_row"

    def next_state(self, h, xs, t, Wx, Wh, b):
        whole = super().next_state(h, xs, t, Wx, Wh, b)
        return whole - (whole.mean(axis=0) * whole.dtype.type(1e-3) if len(whole) > 1 else 0)


class WrongForOneStep(Sound):
    """A block of one time doesn't move the state."""

    killed_by = "test_state.py::test_one_step_at_a_time_equals_the_rnn_step"

    def next_state(self, h, xs, t, Wx, Wh, b):
        return h if xs.shape[1] == 1 else super().next_state(h, xs, t, Wx, Wh, b)


class WrongForOneRow(Sound):
    """With one row in the batch, its axis is dropped and the hidden units are summed."""

    killed_by = "test_layout.py::test_a_row_alone_is_the_same_row"

    def passed_back(self, dh, t, T):
        return dh if len(dh) > 1 else dh.sum() / dh.size + 0 * dh


class WeightsSwappedInParams(Sound):
    killed_by = "test_contract.py::test_params_are_the_arrays_it_was_built_from_in_order"

    class Block(TimeRNN):
        def __init__(self, backend, Wx, Wh, b, *, stateful=False):
            super().__init__(backend, Wx, Wh, b, stateful=stateful)
            self.params = [Wh, Wx, b]

        def _native_params(self):
            Wh, Wx, b = super()._native_params()
            return [Wx, Wh, b]


class TyingBroken(Sound):
    """The layer has copies of its parameters, so that two layers can't share one."""

    killed_by = "test_contract.py::test_params_are_the_arrays_it_was_built_from_in_order"

    class Affine(TimeAffine):
        def __init__(self, backend, W, b):
            super().__init__(backend, W, b)
            self.params = [W.copy(), b.copy()]


class EqualWeightsTied(Sound):
    """Arrays of equal values are taken for one and the same."""

    killed_by = "test_contract.py::test_equal_weights_are_not_taken_for_the_same"
    _known: ClassVar[list] = []

    class Affine(TimeAffine):
        def __init__(self, backend, W, b):
            super().__init__(backend, W, b)
            same = [known for known in EqualWeightsTied._known if np.array_equal(known, W)]
            EqualWeightsTied._known.append(W)
            self.params[0] = same[0] if same else W


class AFutureInputLeaks(Sound):
    killed_by = "test_layout.py::test_no_output_depends_on_a_later_input"

    def next_state(self, h, xs, t, Wx, Wh, b):
        ahead = xs[:, min(t + 1, xs.shape[1] - 1)] @ Wx
        return np.tanh(h @ Wh + xs[:, t] @ Wx + b + ahead * xs.dtype.type(1e-6))


class BuffersSharedByAllInstances(Sound):
    """Every block works in one buffer: what one leaves for its backward, the next overwrites."""

    killed_by = "test_state.py::test_two_layers_in_turn_do_not_disturb_each_other"
    _kept: ClassVar[dict] = {}

    def time_rnn_forward(self, xs, h_prev, **rest):
        hs, (xs, states) = super().time_rnn_forward(xs, h_prev, **rest)
        kept = self._kept.setdefault((hs.shape, hs.dtype), [np.empty_like(state) for state in states])
        for buffer, state in zip(kept, states, strict=True):
            buffer[...] = state
        return hs, (xs, kept)


class InputIsKept(Sound):
    """The single step keeps the caller's own array for its backward."""

    killed_by = "test_ownership.py::test_inputs_are_not_kept"

    class Step(RNN):
        def forward(self, x, h_prev):
            h_next = super().forward(x, h_prev)
            self._cache = (x, *self._cache[1:])
            return h_next
