"""Work that waits till something synchronises gives what work that runs at once gives."""

from __future__ import annotations

import cupy as cp
import numpy as np
import pytest
from kernel_probes import ALONE, BLOCK, SHARED_OUT
from planned import planned

import cuda_on_host
from cuda_on_host.streams import LEGACY, timeline
from timernn.cupy_backend import CupyBackend
from timernn.cupy_kernels.planning import Plan
from timernn_suite.conformance.support.harness import assert_same_bits
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.optim import SGD, Adam
from timernn_suite.lm.rnnlm import Rnnlm

PLANS = {"stepwise": Plan("stepwise"), "graph": Plan("graph"), "alone": ALONE, "shared out": SHARED_OUT}


def waiting():
    stream = timeline.stream(LEGACY)
    return stream.submitted - stream.done


def lazily_and_at_once(run):
    """Return what ``run`` returns in either mode."""
    results = []
    for lazy in (True, False):
        cuda_on_host.set_lazy(lazy)
        results.append(run())
    cuda_on_host.check()
    return results


@pytest.mark.parametrize("plan", PLANS)
def test_a_block_gives_the_same_bits(plan, dtype):
    subject = planned(PLANS[plan], dtype)
    case = subject.case(BLOCK)

    def run():
        layer = subject.time_rnn(case, h0=case.h0)
        first = subject.block(layer, case.xs, case.dhs)
        again = subject.block(layer, case.xs[::-1], case.dhs[::-1])  # a graph is recorded now
        once_more = subject.block(layer, case.xs[::-1], case.dhs)  # and replayed
        return {f"{call}: {name}": a for call, got in enumerate((first, again, once_more)) for name, a in got.items()}

    assert_same_bits(*lazily_and_at_once(run))


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_training_gives_the_same_bits(kind, dtype, optimiser):
    """Nothing is read till the end, so that all steps wait; the host's arrays change meanwhile, as a caller's may."""
    random = np.random.default_rng(6)
    blocks = random.integers(0, 13, (4, 2, 3, 5))

    def run():
        model, updates = Rnnlm(kind(), initial_weights(13, 6, 9, seed=1, dtype=dtype)), optimiser(0.1)
        losses = []
        for ids, labels in blocks.copy():
            losses.append(model.forward(ids, labels))
            ids[:], labels[:] = 0, 0
            model.backward()
            updates.update(model, 0.5)
        return {f"loss {step}": cp.asnumpy(loss) for step, loss in enumerate(losses)} | model.to_weights()

    assert_same_bits(*lazily_and_at_once(run))


def test_a_training_step_is_only_queued_till_its_loss_is_read(kind):
    backend = kind()
    model, updates = Rnnlm(backend, initial_weights(13, 6, 9, seed=1)), SGD(0.1)
    ids = np.arange(12).reshape(3, 4)
    cuda_on_host.set_lazy(True)
    losses = []
    for _ in range(3):
        before = waiting()
        losses.append(model.forward(ids, ids))
        model.backward()
        updates.update(model, 0.5)
        assert waiting() >= before + 20  # nothing of the step has run, nor anything before it
    assert np.isfinite(backend.to_numpy(losses[-1]))
    assert waiting() == 0


def test_integers_are_those_that_were_given_whatever_the_caller_does_with_his_array():
    backend = CupyBackend()
    ids = np.arange(6).reshape(2, 3)
    cuda_on_host.set_lazy(True)
    array = backend.asarray(ids)
    ids[:] = -7
    np.testing.assert_array_equal(backend.to_numpy(array), np.arange(6).reshape(2, 3))
    backend.check_labels("ids", array, size=6)
