"""A whole training step of the language model, at a small vocabulary and at one of 10,000."""

import time

from timernn_suite.speed.worker import backend_step

from .common import BACKENDS, SHAPES, SPECS, Timed, backend_for


class LanguageModel(Timed):
    """All layers forward and backward, and plain gradient descent."""

    params = (BACKENDS, ("toy model", "small model"))
    param_names = ("backend", "shape")

    def setup(self, backend, shape):
        """Build the model and take one step."""
        backend_for(backend)
        self.shape = SHAPES[shape]
        sizes = (self.shape.N, self.shape.T, self.shape.H, self.shape.V)
        self.step = backend_step(SPECS[backend], *sizes, "float32")
        self.step()

    def time_step(self, backend, shape):
        """Time a step."""
        self.step()

    def peakmem_step(self, backend, shape):
        """Take the memory of the process, interpreter and libraries included."""
        self.step()

    def track_tokens_per_second(self, backend, shape):
        """Tokens a second, of the best of half a second's steps."""
        best, end = float("inf"), time.perf_counter() + 0.5
        while time.perf_counter() < end:
            begun = time.perf_counter()
            self.step()
            best = min(best, time.perf_counter() - begun)
        return self.shape.tokens / best

    track_tokens_per_second.unit = "tokens/s"
