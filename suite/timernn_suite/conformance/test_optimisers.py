"""The optimiser kernels: gradient clipping by the global norm, SGD and Adam, against scalar arithmetic in float64."""

import math

import numpy as np
import pytest

ADAM = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


def gradients(case):
    return [case.Wx, case.Wh, case.b]


@pytest.mark.parametrize("part", [0.25, 0.999, 1.001, 4.0])
def test_clipping_scales_all_gradients_by_their_common_norm(subject, part):
    case = subject.case()
    norm = math.sqrt(sum(math.fsum(float(g) ** 2 for g in grad.flat) for grad in gradients(case)))
    limit = norm * part
    clipped, got_norm = subject.backend.clip_gradients([subject.array(g) for g in gradients(case)], limit)
    np.testing.assert_allclose(float(subject.numpy(got_norm)), norm, rtol=1e-6)
    for got, grad in zip(clipped, gradients(case), strict=True):
        np.testing.assert_allclose(subject.numpy(got), grad * min(1.0, part), rtol=2e-6, err_msg="clipped gradient")
        assert subject.numpy(got).dtype == np.dtype(subject.dtype)


def test_gradients_within_the_norm_keep_their_bits(subject):
    case = subject.case()
    clipped, _ = subject.backend.clip_gradients([subject.array(g) for g in gradients(case)], 1e6)
    for got, grad in zip(clipped, gradients(case), strict=True):
        np.testing.assert_array_equal(subject.numpy(got), grad, strict=True)


def test_zero_gradients_stay_zero(subject):
    zeros = np.zeros_like(subject.case().Wx)
    clipped, norm = subject.backend.clip_gradients([subject.array(zeros)], 1.0)
    assert float(subject.numpy(norm)) == 0.0
    np.testing.assert_array_equal(subject.numpy(clipped[0]), zeros, strict=True)


def test_sgd_steps_against_the_gradient(subject):
    case = subject.case()
    grad = subject.array(case.Wh.T.copy())
    got = subject.numpy(subject.backend.sgd_update(subject.array(case.Wh), grad, learning_rate=0.125))
    want = case.Wh.astype(np.float64) - 0.125 * case.Wh.T.astype(np.float64)
    np.testing.assert_allclose(got, want, rtol=0, atol=4 * np.finfo(subject.dtype).eps)
    assert got.dtype == np.dtype(subject.dtype)
    np.testing.assert_array_equal(subject.numpy(grad), case.Wh.T, strict=True)


def test_adam_follows_the_paper(subject):
    case = subject.case()
    shape = case.Wx.shape
    param, m, v = (subject.array(a) for a in (case.Wx, np.zeros_like(case.Wx), np.zeros_like(case.Wx)))
    want = case.Wx.astype(np.float64)
    want_m, want_v = np.zeros(shape), np.zeros(shape)
    for step in range(1, 8):
        grad = subject.case(seed=step).Wx
        param, m, v = subject.backend.adam_update(param, subject.array(grad), m, v, step=step, **ADAM)
        for place in np.ndindex(shape):
            g = float(grad[place])
            want_m[place] = 0.9 * want_m[place] + 0.1 * g
            want_v[place] = 0.999 * want_v[place] + 0.001 * g * g
            m_hat, v_hat = want_m[place] / (1 - 0.9**step), want_v[place] / (1 - 0.999**step)
            want[place] -= 0.01 * m_hat / (math.sqrt(v_hat) + 1e-8)
    unit = np.finfo(subject.dtype).eps
    for got, value, name in ((param, want, "param"), (m, want_m, "m"), (v, want_v, "v")):
        np.testing.assert_allclose(
            subject.numpy(got), value, rtol=0, atol=16 * unit * np.abs(value).max(), err_msg=name
        )
        assert subject.numpy(got).dtype == np.dtype(subject.dtype)


def test_adams_first_step_is_the_learning_rate_in_the_gradients_direction(subject):
    case = subject.case()
    zeros = np.zeros_like(case.Wx)
    param, _, _ = subject.backend.adam_update(
        subject.array(zeros), subject.array(case.Wx), subject.array(zeros), subject.array(zeros), step=1, **ADAM
    )
    np.testing.assert_allclose(subject.numpy(param), -0.01 * np.sign(case.Wx), rtol=1e-4)
