"""The layers: state and argument checks, written once for every backend that builds on `timernn.base`.

A layer owns its parameters, gradients, state and a `Workspace`; the mathematics is in the backend's
kernels. The order of work in every call is the same: check all arguments, compute, and only then
change the state, so that a call that raises changes nothing.
"""

from timernn.layers.recurrent import RNN, TimeRNN
from timernn.layers.shared import Workspace
from timernn.layers.timewise import TimeAffine, TimeEmbedding, TimeSoftmaxWithLoss

__all__ = ["RNN", "TimeAffine", "TimeEmbedding", "TimeRNN", "TimeSoftmaxWithLoss", "Workspace"]
