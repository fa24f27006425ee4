"""The optimiser kernels: gradient clipping by the global norm, SGD and Adam, against the oracle."""

import math

import numpy as np
import pytest

from timernn_suite.conformance.support import answers, oracle
from timernn_suite.conformance.support.harness import assert_agree
from timernn_suite.conformance.support.tolerance import LIMIT, Expected

ADAM = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


def gradients(case):
    return [case.Wx, case.Wh, case.b]


@pytest.mark.parametrize("part", [0.25, 0.999, 1.001, 4.0])
def test_clipping_scales_all_gradients_by_their_common_norm(subject, part, record_property):
    grads = gradients(subject.case())
    limit = part * math.sqrt(sum(math.fsum(float(g) ** 2 for g in grad.flat) for grad in grads))
    subject.judge(answers.clipping(grads, limit), subject.run_clipping(grads, limit), record_property)


def test_gradients_within_the_norm_keep_their_bits(subject):
    case = subject.case()
    clipped, _ = subject.backend.clip_gradients([subject.array(g) for g in gradients(case)], 1e6)
    for got, grad in zip(clipped, gradients(case), strict=True):
        np.testing.assert_array_equal(subject.numpy(got), grad, strict=True)


def test_gradients_are_clipped_together_and_not_each_for_itself(subject):
    """One long gradient is clipped as its parts are."""
    grads = gradients(subject.case())
    limit = 0.25 * math.sqrt(sum(math.fsum(float(g) ** 2 for g in grad.flat) for grad in grads))
    whole = subject.run_clipping([np.concatenate([grad.reshape(-1) for grad in grads])], limit)
    parts = subject.run_clipping(grads, limit)
    joined = np.concatenate([parts[f"grads[{index}]"].reshape(-1) for index in range(len(grads))])
    expected = answers.clipping([np.concatenate([grad.reshape(-1) for grad in grads])], limit)
    assert_agree(expected, {"grads[0]": joined, "norm": parts["norm"]}, whole)


def test_the_norm_is_that_before_clipping(subject):
    grads = gradients(subject.case())
    norms = [subject.backend.clip_gradients([subject.array(g) for g in grads], limit)[1] for limit in (1e-3, 1e6)]
    assert float(subject.numpy(norms[0])) == float(subject.numpy(norms[1]))


def test_zero_gradients_stay_zero(subject):
    zeros = np.zeros_like(subject.case().Wx)
    clipped, norm = subject.backend.clip_gradients([subject.array(zeros)], 1.0)
    assert float(subject.numpy(norm)) == 0.0
    np.testing.assert_array_equal(subject.numpy(clipped[0]), zeros, strict=True)


def test_sgd_steps_against_the_gradient(subject, record_property):
    case = subject.case()
    grad = subject.array(case.Wh.T.copy())
    got = subject.numpy(subject.backend.sgd_update(subject.array(case.Wh), grad, learning_rate=0.125))
    expected = Expected(lambda ar: oracle.sgd_update(case.Wh, case.Wh.T, 0.125, ar), subject.dtype)
    subject.judge(expected, {"param": got}, record_property)
    np.testing.assert_array_equal(subject.numpy(grad), case.Wh.T, strict=True)


def test_adam_follows_the_paper(subject, record_property):
    first = subject.case().Wx
    grads = [subject.case(seed=step).Wx for step in range(1, 8)]
    param, m, v = (subject.array(a) for a in (first, np.zeros_like(first), np.zeros_like(first)))
    for step, grad in enumerate(grads, start=1):
        param, m, v = subject.backend.adam_update(param, subject.array(grad), m, v, step=step, **ADAM)
    got = {name: subject.numpy(array) for name, array in (("param", param), ("m", m), ("v", v))}
    expected = Expected(lambda ar: oracle.adam(first, grads, ar=ar, **ADAM), subject.dtype)
    subject.judge(expected, got, record_property)


def test_adams_first_step_is_the_learning_rate_in_the_gradients_direction(subject):
    case = subject.case()
    zeros = np.zeros_like(case.Wx)
    param, _, _ = subject.backend.adam_update(
        subject.array(zeros), subject.array(case.Wx), subject.array(zeros), subject.array(zeros), step=1, **ADAM
    )
    # Both moments have the size of the gradient then, so that all but epsilon cancels.
    gradient = case.Wx.astype(np.longdouble)
    change = -ADAM["learning_rate"] * gradient / (np.abs(gradient) + ADAM["epsilon"])
    expected = Expected(lambda ar: {"param": ar.rounded(ar.rounded(ar.rounded(change)))}, subject.dtype)
    assert expected.score("param", subject.numpy(param)) <= LIMIT
