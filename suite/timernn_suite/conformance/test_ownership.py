"""Ownership: no input is written to or kept, and what is returned belongs to the caller."""

import numpy as np
import pytest

from timernn_suite.conformance.support.cases import PLAIN, Sizes
from timernn_suite.conformance.support.harness import assert_same_bits

#: With one row or one time, a change of axes is no copy: what is returned may be the layer's own memory.
OF_ANY_SIZE = pytest.mark.parametrize("sizes", [PLAIN, Sizes(1, 5, 3, 4, 7), Sizes(4, 1, 3, 5, 7)], ids=str)


def overwrite(array):
    """Write rubbish over a backend array where the library lets one; say whether it did."""
    try:
        array[...] = 77
    except (TypeError, ValueError, RuntimeError):
        return False
    return True


def test_inputs_stay_as_they_were(subject):
    case = subject.case()
    for layer, inputs, gradient in all_layers(subject, case):
        arrays = [subject.array(value) for value in inputs]
        dout = subject.array(gradient)
        layer.forward(*arrays)
        layer.backward(dout)
        for array, value in zip([*arrays, dout], [*inputs, gradient], strict=True):
            np.testing.assert_array_equal(subject.numpy(array), value, err_msg=type(layer).__name__, strict=True)


def test_parameters_stay_as_they_were(subject):
    case = subject.case()
    for layer, inputs, gradient in all_layers(subject, case):
        before = [subject.numpy(param) for param in layer.params]
        subject.forward(layer, *inputs)
        layer.backward(subject.array(gradient))
        for param, value in zip(layer.params, before, strict=True):
            np.testing.assert_array_equal(subject.numpy(param), value, err_msg=type(layer).__name__, strict=True)


def test_scores_and_labels_stay_as_they_were(subject):
    case = subject.case()
    zs, ts = subject.array(case.zs), subject.array(case.ts)
    layer = subject.backend.time_softmax_with_loss()
    layer.forward(zs, ts)
    layer.backward()
    np.testing.assert_array_equal(subject.numpy(zs), case.zs, strict=True)
    np.testing.assert_array_equal(subject.numpy(ts), case.ts, strict=True)


@OF_ANY_SIZE
def test_inputs_are_not_kept(subject, sizes):
    """The caller may reuse its arrays between forward and backward."""
    case = subject.case(sizes)
    for build, inputs, gradient in all_builders(subject, case):
        kept, reused = build(), build()
        subject.forward(kept, *inputs)
        want = backward(subject, kept, gradient)
        arrays = [subject.array(value) for value in inputs]
        reused.forward(*arrays)
        for array in arrays:
            overwrite(array)
        assert_same_bits(backward(subject, reused, gradient), want)


def test_scores_and_labels_are_not_kept(subject):
    case = subject.case()
    layer = subject.backend.time_softmax_with_loss()
    subject.forward(layer, case.zs, case.ts)
    want = subject.numpy(layer.backward())
    zs, ts = subject.array(case.zs), subject.array(case.ts)
    layer.forward(zs, ts)
    overwrite(zs)
    overwrite(ts)
    np.testing.assert_array_equal(subject.numpy(layer.backward()), want)


def test_a_given_state_is_not_kept(subject):
    case = subject.case()
    want = subject.forward(subject.time_rnn(case, h0=case.h0), case.xs)
    layer, h = subject.time_rnn(case), subject.array(case.h0)
    layer.set_state(h)
    overwrite(h)
    np.testing.assert_array_equal(subject.forward(layer, case.xs), want)


def test_a_shown_state_is_a_copy(subject):
    case = subject.case()
    want = subject.time_rnn(case, stateful=True)
    layer = subject.time_rnn(case, stateful=True)
    for one in (want, layer):
        subject.block(one, case.xs, case.dhs)
    overwrite(layer.h)
    overwrite(layer.dh)
    np.testing.assert_array_equal(subject.numpy(layer.dh), subject.numpy(want.dh))
    np.testing.assert_array_equal(subject.forward(layer, case.xs), subject.forward(want, case.xs))


@OF_ANY_SIZE
def test_outputs_are_never_touched_again(subject, sizes):
    case, other = subject.case(sizes), subject.case(sizes, seed=1)
    others = all_layers(subject, other)
    for (layer, inputs, gradient), (_, other_inputs, other_gradient) in zip(
        all_layers(subject, case), others, strict=True
    ):
        out = layer.forward(*(subject.array(value) for value in inputs))
        back = layer.backward(subject.array(gradient))
        returned = [array for array in (out, *(back if isinstance(back, tuple) else (back,))) if array is not None]
        before = [subject.numpy(array) for array in returned]
        for _ in range(2):
            subject.forward(layer, *other_inputs)
            layer.backward(subject.array(other_gradient))
        for array, value in zip(returned, before, strict=True):
            np.testing.assert_array_equal(subject.numpy(array), value, err_msg=type(layer).__name__)


@OF_ANY_SIZE
def test_a_gradient_of_scores_is_never_touched_again(subject, sizes):
    case, other = subject.case(sizes), subject.case(sizes, seed=1)
    layer = subject.backend.time_softmax_with_loss()
    layer.forward(subject.array(case.zs), subject.array(case.ts))
    dzs = layer.backward()
    before = subject.numpy(dzs)
    layer.forward(subject.array(other.zs), subject.array(other.ts))
    layer.backward()
    np.testing.assert_array_equal(subject.numpy(dzs), before)


@OF_ANY_SIZE
def test_outputs_may_be_written_to(subject, sizes):
    """A caller that reuses what it was given must not change the layer's own memory of it."""
    case = subject.case(sizes)
    for build, inputs, gradient in all_builders(subject, case):
        left, used = build(), build()
        subject.forward(left, *inputs)
        want = backward(subject, left, gradient)
        overwrite(used.forward(*(subject.array(value) for value in inputs)))
        assert_same_bits(backward(subject, used, gradient), want)


@OF_ANY_SIZE
def test_a_written_output_does_not_change_the_carried_state(subject, sizes):
    case = subject.case(sizes)
    left, used = (subject.time_rnn(case, stateful=True) for _ in range(2))
    subject.forward(left, case.xs)
    overwrite(used.forward(subject.array(case.xs)))
    np.testing.assert_array_equal(subject.forward(used, case.xs), subject.forward(left, case.xs))


def all_builders(subject, case):
    """For every layer with a gradient input: how to build it, its inputs, and its output's gradient."""
    return [
        (lambda: subject.rnn(case), (case.xs[:, 0], case.h0), case.dhs[:, 0]),
        (lambda: subject.time_rnn(case, stateful=True), (case.xs,), case.dhs),
        (lambda: subject.time_embedding(case), (case.ids,), case.dembedded),
        (lambda: subject.time_affine(case), (case.dhs,), case.dzs),
    ]


def all_layers(subject, case):
    return [(build(), inputs, gradient) for build, inputs, gradient in all_builders(subject, case)]


def backward(subject, layer, gradient):
    back = layer.backward(subject.array(gradient))
    returned = [array for array in (back if isinstance(back, tuple) else (back,)) if array is not None]
    arrays = [*returned, *layer.grads]
    return {str(index): subject.numpy(array) for index, array in enumerate(arrays)}
