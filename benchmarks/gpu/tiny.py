"""Every kernel once on shapes small enough for compute-sanitizer, which slows them down a hundred times.

All strategies, kernels whose blocks are alone and such as wait for each other, tails of rows and columns, both types.
"""

import numpy as np

from timernn.cupy_backend import CupyGraphBackend, CupyPersistentBackend, CupyStepwiseBackend
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.optim import SGD, Adam
from timernn_suite.lm.rnnlm import Rnnlm


def main():
    random = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for backend in (CupyPersistentBackend(), CupyGraphBackend(), CupyStepwiseBackend()):
            for N, T, H in ((3, 3, 7), (2, 3, 130)):
                model = Rnnlm(backend, initial_weights(11, 5, H, seed=0, dtype=dtype))
                ids = random.integers(0, 11, (2, N, T))
                for optimiser in (SGD(0.1), SGD(0.1), Adam(0.01)):
                    loss = model.forward(*ids)
                    model.backward()
                    optimiser.update(model, 1.0)
                if not np.isfinite(backend.to_numpy(loss)):
                    raise SystemExit(f"{backend.name} {dtype}: the loss is not finite")
            print(f"{backend.name} {dtype}", flush=True)


if __name__ == "__main__":
    main()
