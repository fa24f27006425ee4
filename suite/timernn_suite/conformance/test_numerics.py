"""NaN and infinity spread as mathematics says, and nowhere else; large scores are as good as small ones."""

from dataclasses import replace

import numpy as np
import pytest

from timernn_suite.conformance.support import answers
from timernn_suite.conformance.support.harness import assert_agree

NOT_FINITE = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("bad", NOT_FINITE)
def test_what_is_not_finite_spreads_along_its_row_from_its_time_on(subject, bad):
    case = subject.case()
    n, t = 1, 3
    xs = case.xs.copy()
    xs[n, t, 2] = bad
    clean, spoilt = (subject.forward(subject.time_rnn(case), values) for values in (case.xs, xs))
    others = [row for row in range(case.sizes.N) if row != n]
    expected = answers.block(case, from_state=False)
    assert_agree(expected, {"hs": spoilt[others]}, {"hs": clean[others]}, at=others)
    np.testing.assert_array_equal(spoilt[n, :t], clean[n, :t])
    if np.isnan(bad):
        assert np.isnan(spoilt[n, t:]).all()
    else:  # an infinite input saturates every unit that it reaches
        np.testing.assert_array_equal(spoilt[n, t], np.sign(bad * case.Wx[2]).astype(subject.dtype))
        assert np.isfinite(spoilt[n]).all()


def test_nan_in_a_gradient_spreads_back_along_its_row(subject):
    case = subject.case()
    n, t = 1, 3
    dhs = case.dhs.copy()
    dhs[n, t, 0] = np.nan
    clean = subject.block(subject.time_rnn(case), case.xs, case.dhs)
    spoilt = subject.block(subject.time_rnn(case), case.xs, dhs)
    others = [row for row in range(case.sizes.N) if row != n]
    expected = answers.block(case, from_state=False)
    for untouched in (others, np.s_[n, t + 1 :]):  # the other rows, and later times of its own
        got, want = ({"dxs": found["dxs"][untouched]} for found in (spoilt, clean))
        assert_agree(expected, got, want, at=untouched)
    assert np.isnan(spoilt["dxs"][n, : t + 1]).all()
    for name in ("dWx", "dWh", "db"):
        assert np.isnan(spoilt[name]).any(), name


@pytest.mark.parametrize("offset", [-5000.0, 5000.0])
def test_scores_that_are_all_moved_give_the_same(subject, offset):
    case = subject.case()
    zs = np.round(case.zs * 8) / 8  # so that the sum is exact in both element types
    here = replace(case, zs=zs.astype(subject.dtype))
    there = replace(case, zs=(zs + offset).astype(subject.dtype))
    assert_agree(answers.loss(here), subject.run_loss(there), subject.run_loss(here))


def test_nan_among_scores_stays_in_its_position(subject):
    case = subject.case()
    zs, ts = case.zs.copy(), np.abs(case.ts)
    zs[1, 2, 3] = np.nan
    layer = subject.backend.time_softmax_with_loss()
    assert np.isnan(float(subject.forward(layer, zs, ts)))
    dzs = subject.numpy(layer.backward())
    assert np.isnan(dzs[1, 2]).all()
    dzs[1, 2] = 0
    assert np.isfinite(dzs).all()


def test_nan_at_an_ignored_label_is_of_no_account(subject):
    case = subject.case()
    zs, ts = case.zs.copy(), np.abs(case.ts)
    ts[1, 2] = -1
    want_layer, layer = (subject.backend.time_softmax_with_loss() for _ in range(2))
    want = float(subject.forward(want_layer, zs, ts))
    zs[1, 2, 3] = np.nan
    assert float(subject.forward(layer, zs, ts)) == want
    np.testing.assert_array_equal(subject.numpy(layer.backward()), subject.numpy(want_layer.backward()))


def test_a_score_of_minus_infinity_has_no_probability(subject, record_property):
    """The loss is that of the classes that are left, and so are their gradients; the class itself gets none."""
    case = subject.case()
    ts = np.where(case.ts < 0, -1, case.ts % (case.sizes.V - 1))
    zs = case.zs.copy()
    zs[..., -1] = -np.inf
    got = subject.run_loss(replace(case, zs=zs, ts=ts))
    assert not got["dzs"][..., -1].any()
    left = answers.loss(replace(case, zs=case.zs[..., :-1], ts=ts))
    subject.judge(left, got | {"dzs": got["dzs"][..., :-1]}, record_property)
