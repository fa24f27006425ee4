"""Speed as a ratio to something that is timed in the same process, in turns: of a machine's moods least is left."""

import statistics

from timernn_suite.speed import worker  # no function of it by name: one that begins with time_ is a benchmark to asv
from timernn_suite.speed.limit import LIMIT, limit_milliseconds
from timernn_suite.speed.worker import TEXTBOOK, build

from .common import BACKENDS, SHAPES, SPECS, Timed, backend_for

TURNS, SECONDS = 5, 0.04


class Block(Timed):
    """Forward and backward of a block, float32."""

    params = (BACKENDS, ("toy", "small", "stream", "medium"))
    param_names = ("backend", "shape")

    def setup(self, backend, shape):
        """Build the block, run it once, and keep what a ratio is taken of."""
        backend_for(backend)
        self.shape = SHAPES[shape]
        self.request = self.shape.as_request() | {"dtype": "float32"}
        self.block = build(SPECS[backend], self.request)
        self.block()

    def ratios(self, other):
        """Return the block's milliseconds and those of something else, for each of some turns."""
        other()
        found = []
        for _ in range(TURNS):
            taken = []
            for timed in (self.block, other):
                taken.append(worker.time_round(timed, SECONDS)["milliseconds"])
            found.append((taken[0], taken[1]))
        return found

    def track_ratio_to_reference(self, backend, shape):
        """Time over that of the textbook's loop: below 1 is faster."""
        return statistics.median(mine / other for mine, other in self.ratios(build(TEXTBOOK, self.request)))

    def track_ratio_to_gemm(self, backend, shape):
        """Time over that of the block's matrix products alone, at the rate of one large product."""
        pairs = self.ratios(build(LIMIT, self.request))
        return statistics.median(mine / limit_milliseconds(self.shape.flops, product) for mine, product in pairs)

    track_ratio_to_reference.unit = track_ratio_to_gemm.unit = "times"
