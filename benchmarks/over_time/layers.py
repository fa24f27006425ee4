"""Each layer alone, forward and backward."""

import numpy as np

from .common import BACKENDS, DTYPES, SHAPES, Timed, backend_for, normal

#: Of the model whose whole step is timed in `model`.
STEP = SHAPES["small model"]


class TimeRNN(Timed):
    """The block of T steps."""

    params = (BACKENDS, ("small", "stream"), DTYPES)
    param_names = ("backend", "shape", "dtype")

    def setup(self, backend, shape, dtype):
        """Build the block and run it once, so that what is compiled at the first call is compiled."""
        self.backend, block = backend_for(backend), SHAPES[shape]
        N, T, D, H = block.N, block.T, block.D, block.H
        sizes = ((D, H), (H, H), (H,))
        weights = [normal(self.backend, dtype, *size, seed=seed) for seed, size in enumerate(sizes)]
        self.layer = self.backend.time_rnn(*weights, stateful=True)
        self.xs, self.dhs = normal(self.backend, dtype, N, T, D), normal(self.backend, dtype, N, T, H)
        self.layer.forward(self.xs)
        self.layer.backward(self.dhs)

    def time_forward(self, backend, shape, dtype):
        """Time forward."""
        self.layer.forward(self.xs)
        self.backend.synchronize()

    def time_backward(self, backend, shape, dtype):
        """Time backward."""
        self.layer.backward(self.dhs)
        self.backend.synchronize()


class TimeRNNMemory(TimeRNN):
    """The block's memory, where it is well above that of interpreter and libraries, which are in the figure."""

    params = (BACKENDS, ("medium",), ("float32",))
    time_forward = time_backward = None

    def peakmem_both(self, backend, shape, dtype):
        """Take the most memory of the process."""
        self.layer.backward(self.layer.forward(self.xs))


class RNN(Timed):
    """The single step, 20 rows and 100 numbers each way."""

    params = (BACKENDS,)
    param_names = ("backend",)
    N, D, H = 20, 100, 100

    def setup(self, backend):
        """Build the step and run it once."""
        self.backend = backend_for(backend)
        sizes = ((self.D, self.H), (self.H, self.H), (self.H,))
        weights = [normal(self.backend, "float32", *size, seed=seed) for seed, size in enumerate(sizes)]
        self.layer = self.backend.rnn(*weights)
        self.x, self.h = (normal(self.backend, "float32", self.N, size) for size in (self.D, self.H))
        self.layer.forward(self.x, self.h)
        self.layer.backward(self.h)

    def time_forward(self, backend):
        """Time forward."""
        self.layer.forward(self.x, self.h)
        self.backend.synchronize()

    def time_backward(self, backend):
        """Time backward."""
        self.layer.backward(self.h)
        self.backend.synchronize()


class _TimeLayer(Timed):
    """A layer that treats every time alike, at the size that it has in the language model."""

    params = (BACKENDS,)
    param_names = ("backend",)

    def setup(self, backend):
        """Build the layer and run it once."""
        self.backend = backend_for(backend)
        self.build(STEP.N, STEP.T, STEP.H, STEP.V)
        self.layer.forward(*self.inputs)
        self.layer.backward(*self.gradient)

    def time_forward(self, backend):
        """Time forward."""
        self.layer.forward(*self.inputs)
        self.backend.synchronize()

    def time_backward(self, backend):
        """Time backward."""
        self.layer.backward(*self.gradient)
        self.backend.synchronize()


class TimeEmbedding(_TimeLayer):
    """The embedding."""

    def build(self, N, T, H, V):
        """Build it."""
        self.layer = self.backend.time_embedding(normal(self.backend, "float32", V, H))
        self.inputs = (self.backend.asarray(np.random.default_rng(0).integers(0, V, (N, T))),)
        self.gradient = (normal(self.backend, "float32", N, T, H),)


class TimeAffine(_TimeLayer):
    """The affine layer."""

    def build(self, N, T, H, V):
        """Build it."""
        W, b = normal(self.backend, "float32", H, V), normal(self.backend, "float32", V)
        self.layer = self.backend.time_affine(W, b)
        self.inputs = (normal(self.backend, "float32", N, T, H),)
        self.gradient = (normal(self.backend, "float32", N, T, V),)


class TimeSoftmaxWithLoss(_TimeLayer):
    """Softmax with cross-entropy."""

    def build(self, N, T, H, V):
        """Build it."""
        self.layer = self.backend.time_softmax_with_loss()
        labels = self.backend.asarray(np.random.default_rng(0).integers(0, V, (N, T)))
        self.inputs, self.gradient = (normal(self.backend, "float32", N, T, V), labels), ()
