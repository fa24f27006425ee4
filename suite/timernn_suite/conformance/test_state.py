"""Stateful behaviour: what is carried from block to block, what is cut, and what is forgotten."""

import numpy as np
import pytest

from timernn_suite.conformance.support import answers
from timernn_suite.conformance.support.cases import Sizes
from timernn_suite.conformance.support.harness import assert_agree, assert_same_bits

LONG = Sizes(3, 37, 4, 5, 11)


@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_split_sequence_equals_the_whole(subject, at):
    case = subject.case()
    whole = subject.forward(subject.time_rnn(case), case.xs)
    layer = subject.time_rnn(case, stateful=True)
    parts = [subject.forward(layer, case.xs[:, :at]), subject.forward(layer, case.xs[:, at:])]
    expected = answers.block(case, from_state=False)
    assert_agree(expected, {"hs": np.concatenate(parts, axis=1)}, {"hs": whole})
    assert_agree(expected, {"hs": subject.numpy(layer.h)}, {"hs": whole[:, -1]}, at=np.s_[:, -1])


def test_one_step_at_a_time_equals_the_rnn_step(subject):
    case = subject.case(LONG)
    block, step = subject.time_rnn(case, stateful=True), subject.rnn(case)
    h, expected = np.zeros_like(case.h0), answers.block(case, from_state=False)
    for t in range(case.sizes.T):
        h = subject.forward(step, case.xs[:, t], h)
        got = subject.forward(block, case.xs[:, t : t + 1])
        assert_agree(expected, {"hs": got[:, 0]}, {"hs": h}, at=np.s_[:, t])


def test_reset_state_forgets(subject):
    case = subject.case()
    fresh = subject.block(subject.time_rnn(case, stateful=True), case.xs, case.dhs)
    layer = subject.time_rnn(case, stateful=True, h0=case.h0)
    subject.block(layer, case.xs, case.dhs)
    subject.block(layer, case.dhs[:, :, :4], case.dhs)
    layer.reset_state()
    assert layer.h is None, "h must be None after reset_state()"
    assert_same_bits(subject.block(layer, case.xs, case.dhs), fresh)


def test_reset_state_takes_back_set_state(subject):
    case = subject.case()
    fresh = subject.forward(subject.time_rnn(case), case.xs)
    layer = subject.time_rnn(case, h0=case.h0)
    layer.reset_state()
    np.testing.assert_array_equal(subject.forward(layer, case.xs), fresh)


def test_without_state_the_same_call_gives_the_same_bits(subject):
    case = subject.case()
    layer = subject.time_rnn(case)
    first = subject.block(layer, case.xs, case.dhs)
    for _ in range(3):
        assert_same_bits(subject.block(layer, case.xs, case.dhs), first)


def test_without_state_set_state_counts_for_one_call(subject):
    case = subject.case()
    layer = subject.time_rnn(case)
    from_zeros = subject.forward(layer, case.xs)
    layer.set_state(subject.array(case.h0))
    from_given = subject.forward(layer, case.xs)
    assert np.abs(from_given[:, 0] - from_zeros[:, 0]).max() > 0
    np.testing.assert_array_equal(subject.forward(layer, case.xs), from_zeros)


def test_set_state_is_where_the_next_block_starts(subject):
    case = subject.case()
    step = subject.forward(subject.rnn(case), case.xs[:, 0], case.h0)
    layer = subject.time_rnn(case, stateful=True)
    subject.forward(layer, case.xs)
    layer.set_state(subject.array(case.h0))
    np.testing.assert_array_equal(subject.numpy(layer.h), case.h0, strict=True)
    first = subject.forward(layer, case.xs)[:, 0]
    assert_agree(answers.block(case), {"hs": first}, {"hs": step}, at=np.s_[:, 0])


def test_set_state_changes_the_batch_size(subject):
    case = subject.case()
    layer = subject.time_rnn(case, stateful=True)
    subject.forward(layer, case.xs)
    layer.set_state(subject.array(case.h0[:2]))
    assert subject.forward(layer, case.xs[:2]).shape == (2, case.sizes.T, case.sizes.H)


def test_reset_state_frees_the_batch_size(subject):
    case = subject.case()
    layer = subject.time_rnn(case, stateful=True)
    subject.forward(layer, case.xs)
    layer.reset_state()
    smaller = subject.forward(layer, case.xs[:2])
    fresh = subject.forward(subject.time_rnn(case), case.xs[:2])
    assert_agree(answers.block(case, from_state=False), {"hs": smaller}, {"hs": fresh}, at=np.s_[:2])


def test_without_state_the_batch_size_is_free(subject):
    case = subject.case()
    layer = subject.time_rnn(case)
    subject.forward(layer, case.xs[:1])
    larger = subject.forward(layer, case.xs)
    fresh = subject.forward(subject.time_rnn(case), case.xs)
    assert_agree(answers.block(case, from_state=False), {"hs": larger}, {"hs": fresh})


def test_the_gradient_is_cut_at_the_blocks_edge(subject):
    """The second of two blocks has the gradients of a fresh layer that was given its state."""
    case, other = subject.case(), subject.case(seed=1)
    layer = subject.time_rnn(case, stateful=True)
    subject.block(layer, case.xs, case.dhs)
    state = subject.numpy(layer.h)
    second = subject.block(layer, other.xs, other.dhs)
    alone = subject.block(subject.time_rnn(case, stateful=True, h0=state), other.xs, other.dhs)
    assert_same_bits(second, alone)


def test_backward_of_the_first_block_knows_nothing_of_the_second(subject):
    case, other = subject.case(), subject.case(seed=1)
    layer = subject.time_rnn(case, stateful=True)
    first = subject.block(layer, case.xs, case.dhs)
    subject.block(layer, other.xs, other.dhs)
    layer.reset_state()
    assert_same_bits(subject.block(layer, case.xs, case.dhs), first)


def test_truncation_is_at_the_block_and_not_inside_it(subject):
    """A gradient at the last time of a long block still reaches the initial state."""
    case = subject.case(LONG, gain=1.5)
    dhs = np.zeros_like(case.dhs)
    dhs[:, -1] = case.dhs[:, -1] * 1e6
    got = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, dhs)
    assert np.abs(got["dh"]).max() > 0
    assert np.abs(got["dxs"][:, 0]).max() > 0


def test_backward_overwrites_grads(subject):
    case = subject.case()
    layer = subject.time_rnn(case)
    first = subject.block(layer, case.xs, case.dhs)
    again = [subject.numpy(layer.backward(subject.array(case.dhs))), *map(subject.numpy, layer.grads)]
    for got, name in zip(again, ("dxs", "dWx", "dWh", "db"), strict=True):
        np.testing.assert_array_equal(got, first[name], err_msg=name)


def test_backward_overwrites_grads_in_every_layer(subject):
    case = subject.case()
    for layer, inputs, gradient in (
        (subject.rnn(case), (case.xs[:, 0], case.h0), case.dhs[:, 0]),
        (subject.time_embedding(case), (case.ids,), case.dembedded),
        (subject.time_affine(case), (case.dhs,), case.dzs),
    ):
        subject.forward(layer, *inputs)
        layer.backward(subject.array(gradient))
        first = [subject.numpy(grad) for grad in layer.grads]
        layer.backward(subject.array(gradient))
        for got, want in zip(layer.grads, first, strict=True):
            np.testing.assert_array_equal(subject.numpy(got), want, err_msg=type(layer).__name__)


def test_backward_of_the_loss_twice_gives_the_same_bits(subject):
    case = subject.case()
    layer = subject.backend.time_softmax_with_loss()
    subject.forward(layer, case.zs, case.ts)
    first = subject.numpy(layer.backward())
    np.testing.assert_array_equal(subject.numpy(layer.backward()), first, strict=True)


def test_backward_is_linear(subject):
    case = subject.case()
    layer = subject.time_rnn(case, h0=case.h0)
    one = subject.block(layer, case.xs, case.dhs)
    doubled = subject.numpy(layer.backward(subject.array(case.dhs * 2)))
    np.testing.assert_array_equal(doubled, one["dxs"] * 2, strict=True)  # a power of two scales exactly
    np.testing.assert_array_equal(subject.numpy(layer.dh), one["dh"] * 2, strict=True)


def test_backward_of_the_loss_is_linear(subject):
    case = subject.case()
    layer = subject.backend.time_softmax_with_loss()
    subject.forward(layer, case.zs, case.ts)
    one, twice = subject.numpy(layer.backward()), subject.numpy(layer.backward(2.0))
    np.testing.assert_array_equal(twice, one * 2, strict=True)  # a power of two scales exactly


def test_two_layers_in_turn_do_not_disturb_each_other(subject):
    case, other = subject.case(), subject.case(seed=1)
    alone = []
    for own in (case, other):
        layer = subject.time_rnn(own, stateful=True)
        alone.append([subject.block(layer, own.xs, own.dhs) for _ in range(3)])
    layers = [subject.time_rnn(own, stateful=True) for own in (case, other)]
    for turn in range(3):
        forwards = [subject.forward(layer, own.xs) for layer, own in zip(layers, (case, other), strict=True)]
        for layer, own, hs, want in zip(layers, (case, other), forwards, alone, strict=True):
            dxs = subject.numpy(layer.backward(subject.array(own.dhs)))
            np.testing.assert_array_equal(hs, want[turn]["hs"])
            np.testing.assert_array_equal(dxs, want[turn]["dxs"])
            np.testing.assert_array_equal(subject.numpy(layer.grads[1]), want[turn]["dWh"])


def test_two_layers_on_the_same_parameters_have_states_of_their_own(subject):
    case = subject.case()
    Wx, Wh, b = (subject.array(a) for a in (case.Wx, case.Wh, case.b))
    one = subject.backend.time_rnn(Wx, Wh, b, stateful=True)
    other = subject.backend.time_rnn(Wx, Wh, b, stateful=True)
    subject.forward(one, case.xs)
    assert other.h is None
    from_zeros = subject.forward(subject.time_rnn(case), case.xs)
    np.testing.assert_array_equal(subject.forward(other, case.xs), from_zeros)


def test_forward_reads_the_parameters_afresh(subject):
    """An optimiser changes a parameter in place, or puts a new array in its place: both must be seen."""
    case, other = subject.case(), subject.case(seed=1)
    layer = subject.time_rnn(case)
    subject.forward(layer, case.xs)
    for index, value in enumerate((other.Wx, other.Wh, other.b)):
        layer.params[index] = subject.array(value)
    want = subject.block(subject.time_rnn(other), case.xs, case.dhs)
    assert_same_bits(subject.block(layer, case.xs, case.dhs), want)


def test_a_call_that_fails_leaves_the_state_as_it_was(subject):
    case = subject.case()
    layer = subject.time_rnn(case, stateful=True)
    subject.forward(layer, case.xs)
    state = subject.numpy(layer.h)
    with pytest.raises(ValueError, match="xs"):
        layer.forward(subject.array(case.xs[:2]))
    with pytest.raises(ValueError, match="xs"):
        layer.forward(subject.array(case.xs[:, :, :2]))
    np.testing.assert_array_equal(subject.numpy(layer.h), state, strict=True)
    layer.backward(subject.array(case.dhs))  # still that of the last block that went through
