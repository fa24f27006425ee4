"""A block of some shapes once, forward and backward, for ncu to look at the persistent kernels."""

import numpy as np
from implementations import inputs, weights

from timernn.cupy_backend import CupyPersistentBackend
from timernn_suite.speed.shapes import BLOCKS


def main():
    backend = CupyPersistentBackend()
    for shape in BLOCKS:
        if shape.name in ("small", "medium", "big"):
            layer = backend.time_rnn(*map(backend.asarray, weights(shape.D, shape.H, "float32")))
            xs, dhs = map(backend.asarray, inputs(shape.N, shape.T, shape.D, shape.H, "float32")[0])
            hs = layer.forward(xs)
            layer.backward(dhs)
            assert np.isfinite(backend.to_numpy(hs)).all()


if __name__ == "__main__":
    main()
