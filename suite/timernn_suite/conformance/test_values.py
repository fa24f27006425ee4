"""Values and all gradients of every layer, against the oracle."""

from dataclasses import replace

import numpy as np
import pytest

from timernn_suite.conformance.support import answers
from timernn_suite.conformance.support.cases import SIZES, Sizes, draw

GAINS = (0.5, 1.0, 1.5)
every_size = pytest.mark.parametrize("sizes", SIZES, ids=str)


@every_size
def test_rnn_step(subject, sizes, record_property):
    case = subject.case(sizes)
    subject.judge(answers.step(case), subject.run_step(case), record_property)


@every_size
def test_time_rnn(subject, sizes, record_property):
    case = subject.case(sizes)
    subject.judge(answers.block(case), subject.run_block(case), record_property)


@pytest.mark.parametrize("gain", GAINS)
def test_time_rnn_for_small_and_large_recurrent_weights(subject, gain, record_property):
    case = subject.case(Sizes(4, 43, 6, 9, 3), gain)
    subject.judge(answers.block(case), subject.run_block(case), record_property)


def test_time_rnn_from_zeros(subject, record_property):
    case = subject.case()
    got = subject.run_block(case, from_state=False)
    subject.judge(answers.block(case, from_state=False), got, record_property)


@pytest.mark.parametrize("t", range(7))
def test_a_gradient_at_one_time_only_reaches_back_to_the_start(subject, t, record_property):
    case = subject.case()
    dhs = np.zeros_like(case.dhs)
    dhs[:, t] = case.dhs[:, t]
    impulse = replace(case, dhs=dhs)
    got = subject.run_block(impulse)
    subject.judge(answers.block(impulse), got, record_property)
    assert not got["dxs"][:, t + 1 :].any()


@every_size
def test_time_embedding(subject, sizes, record_property):
    case = subject.case(sizes)
    subject.judge(answers.embedding(case), subject.run_embedding(case), record_property)


@pytest.mark.parametrize("id_type", ["int32", "int64"])
def test_repeated_ids_add_up(subject, id_type, record_property):
    case = subject.case(Sizes(8, 50, 3, 2, 5))
    ids = np.full((8, 50), 3, dtype=id_type)
    ids[:, ::7] = 0
    repeated = replace(case, ids=ids)
    subject.judge(answers.embedding(repeated), subject.run_embedding(repeated), record_property)


@every_size
def test_time_affine(subject, sizes, record_property):
    case = subject.case(sizes)
    subject.judge(answers.affine(case), subject.run_affine(case), record_property)


@every_size
def test_time_softmax_with_loss(subject, sizes, record_property):
    judge_loss(subject, subject.case(sizes), record_property)


def test_an_ignored_label_of_another_value(subject, record_property):
    case = subject.case()
    judge_loss(subject, replace(case, ts=np.where(case.ts == -1, 2, case.ts)), record_property, ignore_label=2)


def test_the_last_class_counts_when_minus_one_is_ignored(subject, record_property):
    case = subject.case()
    judge_loss(subject, replace(case, ts=np.full_like(case.ts, case.sizes.V - 1)), record_property)


def test_the_loss_is_scaled_back(subject, record_property):
    judge_loss(subject, subject.case(), record_property, dloss=0.3125)


@pytest.mark.parametrize("gap", [30.0, 120.0, 1000.0])
def test_a_wide_gap_between_scores_gives_a_finite_loss(subject, gap, record_property):
    case = subject.case()
    zs = case.zs.copy()
    zs[..., 0] += case.zs.dtype.type(gap)
    judge_loss(subject, replace(case, zs=zs, ts=np.full_like(case.ts, case.sizes.V - 1)), record_property)


@pytest.mark.parametrize("offset", [-5000.0, 5000.0])
def test_a_common_offset_of_all_scores_changes_nothing(subject, offset, record_property):
    case = subject.case()
    zs = np.round(case.zs * 8) / 8 + case.zs.dtype.type(offset)  # exact in both element types
    judge_loss(subject, replace(case, zs=zs.astype(subject.dtype)), record_property)


def test_all_labels_ignored_is_no_loss_and_no_gradient(subject):
    case = subject.case()
    got = subject.run_loss(replace(case, ts=np.full_like(case.ts, -1)))
    assert float(got["loss"]) == 0.0
    np.testing.assert_array_equal(got["dzs"], np.zeros_like(case.zs), strict=True)


def test_a_likely_label_has_the_loss_of_a_tiny_probability_gap(subject, record_property):
    """A constant inside the logarithm would show here."""
    zs = np.zeros((2, 3, 4), dtype=subject.dtype)
    zs[..., 1] = 9.0
    zs[0, 0, 1] = 30.0
    for label in (1, 2):
        judge_loss(subject, replace(subject.case(), zs=zs, ts=np.full((2, 3), label)), record_property)


def judge_loss(subject, case, record_property, **options):
    subject.judge(answers.loss(case, **options), subject.run_loss(case, **options), record_property)


def test_draws_differ_where_shapes_agree():
    """Two arguments of one shape that held the same values could be swapped unseen."""
    case = draw(Sizes(5, 3, 5, 5, 5), "float64")
    for one, other in ((case.Wx, case.Wh), (case.xs, case.dhs), (case.h0, case.xs[:, 0])):
        assert np.abs(one - other).min() > 0
        assert np.abs(one).min() > 0
