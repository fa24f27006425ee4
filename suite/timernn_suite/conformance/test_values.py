"""Values and all gradients of every layer, against the oracle."""

import numpy as np
import pytest

from timernn_suite.conformance.support import oracle
from timernn_suite.conformance.support.cases import SIZES, Sizes, draw, expected_time_rnn
from timernn_suite.conformance.support.tolerance import Expected

GAINS = (0.5, 1.0, 1.5)
every_size = pytest.mark.parametrize("sizes", SIZES, ids=str)


def wide(*arrays):
    return tuple(array.astype(np.float64) for array in arrays)


@every_size
def test_rnn_step(subject, sizes, record_property):
    case = subject.case(sizes)
    x, dh_next = case.xs[:, 0], case.dhs[:, 0]
    xs, h0, Wx, Wh, b, dhs = wide(case.xs[:, :1], case.h0, case.Wx, case.Wh, case.b, case.dhs[:, :1])

    def ask(ar):
        block = oracle.time_rnn(xs, h0, Wx, Wh, b, dhs, ar)
        return block | {"h_next": block["hs"][:, 0], "dx": block["dxs"][:, 0], "dh_prev": block["dh"]}

    layer = subject.rnn(case)
    got = {"h_next": subject.forward(layer, x, case.h0)}
    got["dx"], got["dh_prev"] = (subject.numpy(a) for a in layer.backward(subject.array(dh_next)))
    got["dWx"], got["dWh"], got["db"] = (subject.numpy(grad) for grad in layer.grads)
    subject.judge(Expected(ask, subject.dtype), got, record_property)


@every_size
def test_time_rnn(subject, sizes, record_property):
    case = subject.case(sizes)
    got = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, case.dhs)
    subject.judge(expected_time_rnn(sizes, subject.dtype), got, record_property)


@pytest.mark.parametrize("gain", GAINS)
def test_time_rnn_for_small_and_large_recurrent_weights(subject, gain, record_property):
    sizes = Sizes(4, 43, 6, 9, 3)
    case = subject.case(sizes, gain)
    got = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, case.dhs)
    subject.judge(expected_time_rnn(sizes, subject.dtype, gain), got, record_property)


def test_time_rnn_from_zeros(subject, record_property):
    case = subject.case()
    got = subject.block(subject.time_rnn(case), case.xs, case.dhs)
    subject.judge(expected_time_rnn(case.sizes, subject.dtype, from_state=False), got, record_property)


@pytest.mark.parametrize("t", range(7))
def test_a_gradient_at_one_time_only_reaches_back_to_the_start(subject, t, record_property):
    case = subject.case()
    dhs = np.zeros_like(case.dhs)
    dhs[:, t] = case.dhs[:, t]
    xs, h0, Wx, Wh, b, impulse = wide(case.xs, case.h0, case.Wx, case.Wh, case.b, dhs)
    expected = Expected(lambda ar: oracle.time_rnn(xs, h0, Wx, Wh, b, impulse, ar), subject.dtype)
    got = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, dhs)
    subject.judge(expected, got, record_property)
    assert not got["dxs"][:, t + 1 :].any()


@every_size
def test_time_embedding(subject, sizes, record_property):
    case = subject.case(sizes)
    layer = subject.time_embedding(case)
    got = {"xs": subject.forward(layer, case.ids)}
    assert layer.backward(subject.array(case.dembedded)) is None
    got["dW"] = subject.numpy(layer.grads[0])
    W, dxs = wide(case.embedding, case.dembedded)
    subject.judge(Expected(lambda ar: oracle.time_embedding(W, case.ids, dxs, ar), subject.dtype), got, record_property)


@pytest.mark.parametrize("id_type", ["int32", "int64"])
def test_repeated_ids_add_up(subject, id_type, record_property):
    case = subject.case(Sizes(8, 50, 3, 2, 5))
    ids = np.full((8, 50), 3, dtype=id_type)
    ids[:, ::7] = 0
    layer = subject.time_embedding(case)
    subject.forward(layer, ids)
    layer.backward(subject.array(case.dembedded))
    W, dxs = wide(case.embedding, case.dembedded)
    expected = Expected(lambda ar: oracle.time_embedding(W, ids, dxs, ar), subject.dtype)
    subject.judge(expected, {"dW": subject.numpy(layer.grads[0])}, record_property)


@every_size
def test_time_affine(subject, sizes, record_property):
    case = subject.case(sizes)
    layer = subject.time_affine(case)
    got = {"zs": subject.forward(layer, case.dhs)}
    got["dxs"] = subject.numpy(layer.backward(subject.array(case.dzs)))
    got["dW"], got["db"] = (subject.numpy(grad) for grad in layer.grads)
    xs, W, b, dzs = wide(case.dhs, case.W, case.output_b, case.dzs)
    subject.judge(Expected(lambda ar: oracle.time_affine(xs, W, b, dzs, ar), subject.dtype), got, record_property)


@every_size
def test_time_softmax_with_loss(subject, sizes, record_property):
    case = subject.case(sizes)
    judge_softmax(subject, case.zs, case.ts, record_property)


def test_an_ignored_label_of_another_value(subject, record_property):
    case = subject.case()
    ts = np.where(case.ts == -1, 2, case.ts)
    judge_softmax(subject, case.zs, ts, record_property, ignore_label=2)


def test_the_last_class_counts_when_minus_one_is_ignored(subject, record_property):
    case = subject.case()
    ts = np.full_like(case.ts, case.sizes.V - 1)
    judge_softmax(subject, case.zs, ts, record_property)


def test_the_loss_is_scaled_back(subject, record_property):
    case = subject.case()
    judge_softmax(subject, case.zs, case.ts, record_property, dloss=0.3125)


@pytest.mark.parametrize("gap", [30.0, 120.0, 1000.0])
def test_a_wide_gap_between_scores_gives_a_finite_loss(subject, gap, record_property):
    case = subject.case()
    zs = case.zs.copy()
    zs[..., 0] += case.zs.dtype.type(gap)
    judge_softmax(subject, zs, np.full_like(case.ts, case.sizes.V - 1), record_property)


@pytest.mark.parametrize("offset", [-5000.0, 5000.0])
def test_a_common_offset_of_all_scores_changes_nothing(subject, offset, record_property):
    case = subject.case()
    zs = np.round(case.zs * 8) / 8 + case.zs.dtype.type(offset)  # exact in both element types
    judge_softmax(subject, zs.astype(subject.dtype), case.ts, record_property)


def test_all_labels_ignored_is_no_loss_and_no_gradient(subject):
    case = subject.case()
    layer = subject.backend.time_softmax_with_loss()
    loss = subject.numpy(layer.forward(subject.array(case.zs), subject.array(np.full_like(case.ts, -1))))
    assert float(loss) == 0.0
    gradient = subject.numpy(layer.backward())
    np.testing.assert_array_equal(gradient, np.zeros_like(case.zs), strict=True)


def test_a_likely_label_has_the_loss_of_a_tiny_probability_gap(subject, record_property):
    """A constant inside the logarithm would show here."""
    zs = np.zeros((2, 3, 4), dtype=subject.dtype)
    zs[..., 1] = 9.0
    zs[0, 0, 1] = 30.0
    judge_softmax(subject, zs, np.ones((2, 3), dtype=np.int64), record_property)
    judge_softmax(subject, zs, np.full((2, 3), 2, dtype=np.int64), record_property)


def judge_softmax(subject, zs, ts, record_property, ignore_label=-1, dloss=1.0):
    layer = subject.backend.time_softmax_with_loss(ignore_label=ignore_label)
    got = {"loss": subject.forward(layer, zs, ts)}
    got["dzs"] = subject.numpy(layer.backward(dloss) if dloss != 1.0 else layer.backward())
    (scores,) = wide(zs)
    expected = Expected(lambda ar: oracle.time_softmax_with_loss(scores, ts, ignore_label, dloss, ar), subject.dtype)
    subject.judge(expected, got, record_property)


def test_draws_differ_where_shapes_agree():
    """Two arguments of one shape that held the same values could be swapped unseen."""
    case = draw(Sizes(5, 3, 5, 5, 5), "float64")
    for one, other in ((case.Wx, case.Wh), (case.xs, case.dhs), (case.h0, case.xs[:, 0])):
        assert np.abs(one - other).min() > 0
        assert np.abs(one).min() > 0
