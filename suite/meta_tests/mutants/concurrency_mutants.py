"""Faults of threads, queues and compilation: what runs at the same time, later, or from a stale cache."""

from __future__ import annotations

import time
from typing import ClassVar

import numpy as np
from sound import Sound


class RaceInAReduction(Sound):
    """Rows are added up in whatever order threads come by: the same sum, other bits."""

    killed_by = "test_threads.py::test_a_hundred_repeats_give_the_same_bits"

    def bias_gradient(self, dz):
        return dz[np.random.default_rng().permutation(len(dz))].cumsum(axis=0)[-1]


class BufferSharedByThreads(Sound):
    """All blocks compute in one buffer, which is right as long as they take turns."""

    killed_by = "test_threads.py::test_two_layers_in_two_threads_equal_one_after_the_other"
    _kept: ClassVar[dict] = {}

    def next_state(self, h, xs, t, Wx, Wh, b):
        buffer = self._kept.setdefault((h.shape, h.dtype), np.empty_like(h))
        buffer[...] = h @ Wh + xs[:, t] @ Wx + b
        time.sleep(0)  # where a thread may give way to another
        return np.tanh(buffer)


class ResultReadBeforeItIsThere(Sound):
    """Work is queued, and reading its result doesn't wait for it."""

    killed_by = "test_threads.py::test_what_is_read_is_what_was_computed"
    _queue: ClassVar[list] = []

    def time_rnn_forward(self, xs, h_prev, **rest):
        self.synchronize()
        hs, cache = super().time_rnn_forward(xs, h_prev, **rest)
        late = np.zeros_like(hs)
        self._queue.append((late, hs))
        return late, cache

    def synchronize(self):
        while self._queue:
            np.copyto(*self._queue.pop())


class CompiledForOtherWeights(Sound):
    """A kernel with its weights compiled in is found again by their shapes."""

    killed_by = "test_gradients.py::test_time_rnn"
    _compiled: ClassVar[dict] = {}

    def next_state(self, h, xs, t, Wx, Wh, b):
        key = (Wx.shape, Wh.shape, Wx.dtype)
        Wx, Wh, b = self._compiled.setdefault(key, (Wx.copy(), Wh.copy(), b.copy()))
        return super().next_state(h, xs, t, Wx, Wh, b)


class CompiledForOneElementType(Sound):
    """A kernel compiled for the first element type that came serves every other."""

    killed_by = "test_values.py::test_time_rnn"
    _compiled: ClassVar[list] = []

    def next_state(self, h, xs, t, Wx, Wh, b):
        self._compiled.append(h.dtype)
        first = self._compiled[0]
        return np.tanh(h.astype(first) @ Wh.astype(first) + xs[:, t].astype(first) @ Wx + b).astype(h.dtype)
