"""Faults of the state: what is carried, what is forgotten, whose it is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sound import Sound

from timernn.layers import TimeRNN


class ResetDoesNothing(Sound):
    killed_by = "test_state.py::test_reset_state_forgets"

    class Block(TimeRNN):
        def reset_state(self):
            pass


class ResetLeavesTheGivenState(Sound):
    killed_by = "test_state.py::test_reset_state_takes_back_set_state"

    class Block(TimeRNN):
        def reset_state(self):
            self._h = None


class StateKeptThoughStateless(Sound):
    killed_by = "test_state.py::test_without_state_the_same_call_gives_the_same_bits"

    class Block(TimeRNN):
        def forward(self, xs):
            self._given = self._h if self._given is None else self._given
            return super().forward(xs)


class GivenStateKeptThoughStateless(Sound):
    killed_by = "test_state.py::test_without_state_set_state_counts_for_one_call"

    class Block(TimeRNN):
        def forward(self, xs):
            given = self._given
            hs = super().forward(xs)
            self._given = given if not self.stateful else None
            return hs


class StateNotCarried(Sound):
    killed_by = "test_state.py::test_a_split_sequence_equals_the_whole"

    class Block(TimeRNN):
        def forward(self, xs):
            self._h = None
            return super().forward(xs)


class FirstStateStored(Sound):
    killed_by = "test_state.py::test_a_split_sequence_equals_the_whole"

    class Block(TimeRNN):
        def forward(self, xs):
            hs = super().forward(xs)
            self._h = hs[:, 0].copy()
            return hs


class ChangedBatchIsBroadcast(Sound):
    killed_by = "test_errors.py::test_a_changed_batch_size_is_refused_while_a_state_is_carried"

    class Block(TimeRNN):
        def _initial_state(self, xs):
            held = self._given if self._given is not None else self._h
            if held is not None and self.stateful and len(held) != len(xs):
                return np.repeat(held[:1], len(xs), axis=0)
            return super()._initial_state(xs)


class ShortLastBatchCutsTheState(Sound):
    killed_by = "test_errors.py::test_a_changed_batch_size_is_refused_while_a_state_is_carried"

    class Block(TimeRNN):
        def _initial_state(self, xs):
            if self._h is not None and self.stateful:
                self._h = self._h[: len(xs)]
            return super()._initial_state(xs)


class OneStateForAllInstances(Sound):
    killed_by = "test_state.py::test_two_layers_in_turn_do_not_disturb_each_other"

    class Block(TimeRNN):
        _shared: ClassVar[dict] = {}

        _h = property(lambda self: self._shared.get("h"), lambda self, h: self._shared.update(h=h))


class GivenStateIsTheCallersArray(Sound):
    killed_by = "test_ownership.py::test_a_given_state_is_not_kept"

    class Block(TimeRNN):
        def set_state(self, h):
            super().set_state(h)
            self._given = h


class InputOverwritten(Sound):
    """The caller's xs becomes the layer's scratch space."""

    killed_by = "test_ownership.py::test_inputs_stay_as_they_were"

    def time_rnn_forward(self, xs, h_prev, **rest):
        result = super().time_rnn_forward(xs, h_prev, **rest)
        xs[...] = 0
        return result


class ShownStateIsTheLayersOwn(Sound):
    killed_by = "test_ownership.py::test_a_shown_state_is_a_copy"

    class Block(TimeRNN):
        h = property(lambda self: self._given if self._given is not None else self._h)


class OutputIsALiveBuffer(Sound):
    killed_by = "test_ownership.py::test_outputs_are_never_touched_again"

    def time_rnn_forward(self, xs, h_prev, *, workspace, **rest):
        hs, cache = super().time_rnn_forward(xs, h_prev, workspace=workspace, **rest)
        buffer = workspace.buffer("hs", hs.shape, hs.dtype)
        buffer[...] = hs
        return buffer, cache


class OutputOfOneRowIsALiveBuffer(Sound):
    """Seen in NumPy: an array made contiguous is a copy, but for one row or one time, where it is so already."""

    killed_by = "test_ownership.py::test_outputs_are_never_touched_again"

    def time_rnn_backward(self, dhs, *, workspace, **rest):
        dxs, *others = super().time_rnn_backward(dhs, workspace=workspace, **rest)
        by_time = workspace.buffer("dxs by time", dxs.swapaxes(0, 1).shape, dxs.dtype)
        by_time[...] = dxs.swapaxes(0, 1)
        return np.ascontiguousarray(by_time.swapaxes(0, 1)), *others


class FailedCallChangesTheState(Sound):
    """A block that is refused takes the state with it."""

    killed_by = "test_state.py::test_a_call_that_fails_leaves_the_state_as_it_was"

    class Block(TimeRNN):
        def forward(self, xs):
            try:
                return super().forward(xs)
            except ValueError:
                self._h = None
                raise


class ParametersReadOnce(Sound):
    killed_by = "test_state.py::test_forward_reads_the_parameters_afresh"

    class Block(TimeRNN):
        _first = None

        def _native_params(self):
            self._first = self._first or [param.copy() for param in self.params]
            return self._first


class SetStateDropsTheBlock(Sound):
    """A state that is set between forward and backward takes with it what backward goes back through."""

    killed_by = "test_generated.py::test_any_case_holds"
    no_law = "no fixed test has this order of calls, and what is generated is not run on the other mutants"

    class Block(TimeRNN):
        def set_state(self, h):
            super().set_state(h)
            self._cache = None


class StepOverwritesItsState(Sound):
    """The single step puts its result where the caller's state is."""

    killed_by = "test_ownership.py::test_inputs_stay_as_they_were"

    def rnn_forward(self, x, h_prev, **weights):
        h_next = super().rnn_forward(x, h_prev, **weights)
        h_prev[...] = h_next
        return h_next
