"""The right backend that every mutant is made of: plain loops in small methods, so that a fault is one override."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from timernn.base import ArrayBackend
from timernn.layers import RNN, TimeAffine, TimeRNN


class Sound(ArrayBackend):
    """A backend without a fault; a mutant overrides one of its methods or layers."""

    name = "sound"
    xp = np
    #: The test that must fail on the mutant, by the file's name and the test's, without parameters.
    killed_by: ClassVar[str]
    Step: type[RNN] = RNN
    Block: type[TimeRNN] = TimeRNN
    Affine: type[TimeAffine] = TimeAffine

    def quiet(self):
        return np.errstate(all="ignore")

    def rnn(self, Wx, Wh, b):
        return self.Step(self, Wx, Wh, b)

    def time_rnn(self, Wx, Wh, b, *, stateful=False):
        return self.Block(self, Wx, Wh, b, stateful=stateful)

    def time_affine(self, W, b):
        return self.Affine(self, W, b)

    # -- the block, a time at a time ---------------------------------------------------------------

    def time_rnn_forward(self, xs, h_prev, *, Wx, Wh, b, workspace):
        states = [h_prev.copy()]
        for t in range(xs.shape[1]):
            states.append(self.next_state(states[-1], xs, t, Wx, Wh, b))
        return np.stack(states[1:], axis=1), (xs.copy(), states)

    def next_state(self, h, xs, t, Wx, Wh, b):
        return np.tanh(h @ Wh + xs[:, t] @ Wx + b)

    def time_rnn_backward(self, dhs, *, cache, Wx, Wh, workspace):
        xs, states = cache
        T = xs.shape[1]
        dxs = np.zeros_like(xs)
        dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wx[0])
        dh = np.zeros_like(states[0])
        for t in reversed(range(T)):
            dz = (dhs[:, t] + self.passed_back(dh, t, T)) * self.slope(states[t + 1])
            dh = dz @ Wh.T
            dxs[:, t] = dz @ Wx.T
            self.add_to_gradients(dWx, dWh, db, xs, states, t, dz)
        return dxs, dh, dWx, dWh, db

    def passed_back(self, dh, t, T):
        """What comes back from time t + 1; 0 for the last time."""
        return dh

    def slope(self, h):
        return 1 - h * h

    def add_to_gradients(self, dWx, dWh, db, xs, states, t, dz):
        dWx += xs[:, t].T @ dz
        dWh += self.state_before(states, t).T @ dz
        db += self.bias_gradient(dz)

    def state_before(self, states, t):
        """The state that went into time t."""
        return states[t]

    def bias_gradient(self, dz):
        return dz.sum(axis=0)
