"""A training step is recorded by a stream in the strictest mode: then it waits for nothing and allocates nothing."""

from __future__ import annotations

import cupy as cp
import numpy as np
import pytest
from planned import KINDS

from cuda_on_host import CaptureError
from timernn_suite.conformance.support.harness import assert_same_bits
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.optim import SGD
from timernn_suite.lm.rnnlm import Rnnlm

WARM, REPLAYED = 2, 3


class OneStep:
    """A model that takes the same step again and again, from a state of zeros, on ids that are on the device."""

    def __init__(self, backend, dtype):
        self.model = Rnnlm(backend, initial_weights(13, 6, 9, seed=1, dtype=dtype))
        random = np.random.default_rng(6)
        self.ids, self.labels = (backend.asarray(ids) for ids in random.integers(0, 13, (2, 3, 5)))
        self.optimiser = SGD(0.1)

    def __call__(self):
        model = self.model
        model.reset_state()
        zs = model.output.forward(model.recurrent.forward(model.embedding.forward(self.ids)))
        loss = model.loss.forward(zs, self.labels)
        model.backward()
        self.optimiser.update(model, 0.5)
        return loss


# While somebody else records, the strategy `graph` has its steps recorded: CUDA launches no graph into another.
@pytest.mark.parametrize("strategy", sorted(KINDS))
def test_a_training_step_can_be_recorded_and_its_replays_train(strategy, dtype):
    stream = cp.cuda.Stream(non_blocking=True)
    recorded, direct = (OneStep(KINDS[strategy](), dtype) for _ in range(2))
    with stream:
        for _ in range(WARM):
            recorded()
        stream.begin_capture(cp.cuda.runtime.streamCaptureModeGlobal)
        loss = recorded()
        graph = stream.end_capture()
        for _ in range(REPLAYED):
            graph.launch(stream)
        stream.synchronize()
        got = recorded.model.to_weights() | {"loss": cp.asnumpy(loss)}
    for _ in range(WARM + REPLAYED):
        loss = direct()
    assert_same_bits(got, direct.model.to_weights() | {"loss": cp.asnumpy(loss)})


def test_a_step_that_reads_its_loss_can_not_be_recorded():
    """The recording is strict: else the test above could not fail."""
    step = OneStep(KINDS["persistent"](), "float32")
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        step()
        stream.begin_capture(cp.cuda.runtime.streamCaptureModeGlobal)
        with pytest.raises(CaptureError):
            cp.asnumpy(step())
        with pytest.raises(CaptureError):
            stream.end_capture()
