"""Faults of back-propagation through time: what goes back, how far, and where it is added."""

from __future__ import annotations

import numpy as np
from sound import Sound

from timernn.layers import TimeRNN


class NothingPassedBack(Sound):
    killed_by = "test_values.py::test_a_gradient_at_one_time_only_reaches_back_to_the_start"

    def passed_back(self, dh, t, T):
        return 0 * dh


class CutInsideTheBlock(Sound):
    """The gradient goes back 20 steps, whatever the block's length."""

    killed_by = "test_state.py::test_truncation_is_at_the_block_and_not_inside_it"

    def passed_back(self, dh, t, T):
        return 0 * dh if T - 1 - t == 20 else dh


class CutOneStepEarly(Sound):
    """The first time of a block gets nothing from those after it."""

    killed_by = "test_values.py::test_a_gradient_at_one_time_only_reaches_back_to_the_start"

    def passed_back(self, dh, t, T):
        return 0 * dh if t == 0 else dh


class LeaksFromTheBlockBefore(Sound):
    killed_by = "test_state.py::test_the_gradient_is_cut_at_the_blocks_edge"

    class Block(TimeRNN):
        def backward(self, dhs):
            if self._dh is not None and self._dh.shape == dhs[:, -1].shape:
                dhs = dhs.copy()
                dhs[:, -1] += self._dh
            return super().backward(dhs)


class LastTimesGradientsOnly(Sound):
    killed_by = "test_gradients.py::test_time_rnn"

    def add_to_gradients(self, dWx, dWh, db, xs, states, t, dz):
        for grad in (dWx, dWh, db):
            grad[...] = 0
        super().add_to_gradients(dWx, dWh, db, xs, states, t, dz)


class GradientsAddUpOverCalls(Sound):
    killed_by = "test_state.py::test_backward_overwrites_grads"

    class Block(TimeRNN):
        def backward(self, dhs):
            before = list(self.grads)
            dxs = super().backward(dhs)
            self.grads[:] = [old + new for old, new in zip(before, self.grads, strict=True)]
            return dxs


class FirstStateForAllTimes(Sound):
    killed_by = "test_gradients.py::test_time_rnn"

    def state_before(self, states, t):
        return states[0]


class StateAfterInsteadOfBefore(Sound):
    """h_t stands where h_{t-1} belongs, in the gradient of Wh."""

    killed_by = "test_gradients.py::test_time_rnn"

    def state_before(self, states, t):
        return states[t + 1]


class InitialStatesTermLost(Sound):
    killed_by = "test_gradients.py::test_time_rnn"

    def state_before(self, states, t):
        return 0 * states[0] if t == 0 else states[t]


class InitialStatesGradientLost(Sound):
    killed_by = "test_state.py::test_truncation_is_at_the_block_and_not_inside_it"

    def time_rnn_backward(self, dhs, **rest):
        dxs, dh, *grads = super().time_rnn_backward(dhs, **rest)
        return dxs, 0 * dh, *grads


class SlopeWithoutSquare(Sound):
    """tanh' is taken for 1 - h."""

    killed_by = "test_gradients.py::test_time_rnn"

    def slope(self, h):
        return 1 - h


class SlopeOffByOneTenThousandth(Sound):
    killed_by = "test_values.py::test_time_rnn"

    def slope(self, h):
        return (1 - h * h) * h.dtype.type(1.0001)


class UnusedOutputGivesNaN(Sound):
    """A time without a gradient is divided by it."""

    killed_by = "test_values.py::test_a_gradient_at_one_time_only_reaches_back_to_the_start"

    def time_rnn_backward(self, dhs, **rest):
        norm = np.abs(dhs).max(axis=(0, 2), keepdims=True)
        return super().time_rnn_backward(dhs / norm * norm, **rest)


class OutputsGradientOverwritten(Sound):
    killed_by = "test_ownership.py::test_inputs_stay_as_they_were"

    def time_rnn_backward(self, dhs, **rest):
        result = super().time_rnn_backward(dhs, **rest)
        dhs *= 2
        return result


class BiasDoubled(Sound):
    killed_by = "test_gradients.py::test_time_rnn"

    def bias_gradient(self, dz):
        return 2 * dz.sum(axis=0)


class BiasAveragedOverTheBatch(Sound):
    killed_by = "test_gradients.py::test_time_rnn"

    def bias_gradient(self, dz):
        return dz.mean(axis=0)


class BiasSummedOverTheWrongAxis(Sound):
    """The gradients are added up over the units, and handed out to as many of them as there are rows."""

    killed_by = "test_gradients.py::test_time_rnn"

    def bias_gradient(self, dz):
        return np.resize(dz.sum(axis=1), dz.shape[1])


class StepsStateGradientIsTheInputs(Sound):
    """The single step hands on dz·Wh instead of dz·Whᵀ."""

    killed_by = "test_gradients.py::test_rnn_step"

    def rnn_backward(self, dh_next, *, h_next, Wh, **rest):
        dx, _, *grads = super().rnn_backward(dh_next, h_next=h_next, Wh=Wh, **rest)
        return dx, (dh_next * (1 - h_next * h_next)) @ Wh, *grads
