"""Bad input: the documented error each, with a message that names the argument."""

import numpy as np
import pytest

from timernn_suite.conformance.support.harness import Subject

# The contract's errors derive from these built-in ones, and a backend that imports nothing of ours may raise those.
SHAPE, DTYPE, LABEL, STATE = ValueError, TypeError, ValueError, RuntimeError


def raises(error, argument):
    """Expect ``error`` with a message in which the argument's name stands as a word of its own."""
    return pytest.raises(error, match=rf"\b{argument}\b")


def wrong_shapes(value):
    """Values like ``value`` with an axis missing, an axis too many, and each axis of size 0."""
    yield value[0]
    yield value[None]
    for axis in range(value.ndim):
        yield value.take([], axis=axis)


def other_float(subject: Subject):
    others = [dtype for dtype in subject.backend.dtypes if dtype != subject.dtype]
    if not others:
        pytest.skip("the backend has one element type only")
    return others[0]


def array_of(subject, value, dtype):
    """A backend array of an element type that no layer takes, or a skip where the library has none such."""
    try:
        array = subject.backend.asarray(np.asarray(value).astype(dtype))
    except (TypeError, ValueError) as refusal:
        pytest.skip(f"the library has no {dtype}: {refusal}")
    if subject.numpy(array).dtype != np.dtype(dtype):
        pytest.skip(f"the library turns {dtype} into {subject.numpy(array).dtype}")
    return array


def test_rnn_refuses_wrong_shapes(subject):
    case = subject.case()
    layer = subject.rnn(case)
    x, h = subject.array(case.xs[:, 0]), subject.array(case.h0)
    for wrong in (*wrong_shapes(case.xs[:, 0]), case.xs[:, 0, :-1]):
        with raises(SHAPE, "x"):
            layer.forward(subject.array(wrong), h)
    for wrong in (*wrong_shapes(case.h0), case.h0[:, :-1], case.h0[:-1]):
        with raises(SHAPE, "h_prev"):
            layer.forward(x, subject.array(wrong))
    layer.forward(x, h)
    for wrong in (*wrong_shapes(case.h0), case.h0[:, :-1], case.h0[:-1]):
        with raises(SHAPE, "dh_next"):
            layer.backward(subject.array(wrong))


def test_time_rnn_refuses_wrong_shapes(subject):
    case = subject.case()
    layer = subject.time_rnn(case)
    for wrong in (*wrong_shapes(case.xs), case.xs[..., :-1]):
        with raises(SHAPE, "xs"):
            layer.forward(subject.array(wrong))
    for wrong in (*wrong_shapes(case.h0), case.h0[:, :-1]):
        with raises(SHAPE, "h"):
            layer.set_state(subject.array(wrong))
    layer.forward(subject.array(case.xs))
    for wrong in (*wrong_shapes(case.dhs), case.dhs[..., :-1], case.dhs[:-1], case.dhs[:, :-1]):
        with raises(SHAPE, "dhs"):
            layer.backward(subject.array(wrong))


def test_time_embedding_refuses_wrong_shapes(subject):
    case = subject.case()
    layer = subject.time_embedding(case)
    for wrong in wrong_shapes(case.ids):
        with raises(SHAPE, "ids"):
            layer.forward(subject.array(wrong))
    layer.forward(subject.array(case.ids))
    for wrong in (*wrong_shapes(case.dembedded), case.dembedded[..., :-1], case.dembedded[:, :-1]):
        with raises(SHAPE, "dxs"):
            layer.backward(subject.array(wrong))


def test_time_affine_refuses_wrong_shapes(subject):
    case = subject.case()
    layer = subject.time_affine(case)
    for wrong in (*wrong_shapes(case.dhs), case.dhs[..., :-1]):
        with raises(SHAPE, "xs"):
            layer.forward(subject.array(wrong))
    layer.forward(subject.array(case.dhs))
    for wrong in (*wrong_shapes(case.dzs), case.dzs[..., :-1], case.dzs[:, :-1]):
        with raises(SHAPE, "dzs"):
            layer.backward(subject.array(wrong))


def test_time_softmax_with_loss_refuses_wrong_shapes(subject):
    case = subject.case()
    layer = subject.backend.time_softmax_with_loss()
    zs, ts = subject.array(case.zs), subject.array(case.ts)
    for wrong in wrong_shapes(case.zs):
        with raises(SHAPE, "zs"):
            layer.forward(subject.array(wrong), ts)
    for wrong in (*wrong_shapes(case.ts), case.ts[:, :-1], case.ts[:-1]):
        with raises(SHAPE, "ts"):
            layer.forward(zs, subject.array(wrong))


def test_factories_refuse_wrong_shapes(subject):
    case, backend = subject.case(), subject.backend
    Wx, Wh, b, W = (subject.array(a) for a in (case.Wx, case.Wh, case.b, case.W))
    for build in (backend.rnn, backend.time_rnn):
        for wrong in wrong_shapes(case.Wx):
            with raises(SHAPE, "Wx"):
                build(subject.array(wrong), Wh, b)
        for wrong in (*wrong_shapes(case.Wh), case.Wh[:-1], case.Wh[:, :-1], case.Wx):
            with raises(SHAPE, "Wh"):
                build(Wx, subject.array(wrong), b)
        for wrong in (case.b[None], case.b[:-1], case.b[:0]):
            with raises(SHAPE, "b"):
                build(Wx, Wh, subject.array(wrong))
    for wrong in wrong_shapes(case.W):
        with raises(SHAPE, "W"):
            backend.time_affine(subject.array(wrong), subject.array(case.output_b))
        with raises(SHAPE, "W"):
            backend.time_embedding(subject.array(wrong))
    with raises(SHAPE, "b"):
        backend.time_affine(W, subject.array(case.output_b[:-1]))


def test_a_changed_batch_size_is_refused_while_a_state_is_carried(subject):
    case = subject.case()
    layer = subject.time_rnn(case, stateful=True)
    layer.forward(subject.array(case.xs))
    for rows in (1, 2):
        with pytest.raises(SHAPE, match=r"(?s)\bxs\b.*reset_state.*set_state|\bxs\b.*set_state.*reset_state"):
            layer.forward(subject.array(case.xs[:rows]))


def test_a_given_state_of_another_batch_size_is_refused(subject):
    case = subject.case()
    for stateful in (False, True):
        layer = subject.time_rnn(case, stateful=stateful, h0=case.h0[:1])
        with pytest.raises(SHAPE, match=r"\bxs\b.*reset_state"):
            layer.forward(subject.array(case.xs))


def test_the_two_float_types_are_not_mixed(subject):
    case, other = subject.case(), other_float(subject)
    backend = subject.backend

    def changed(value):
        return subject.array(value.astype(other))

    Wx, Wh, b, xs, h0, dhs, x = (
        subject.array(a) for a in (case.Wx, case.Wh, case.b, case.xs, case.h0, case.dhs, case.xs[:, 0])
    )
    for build in (backend.rnn, backend.time_rnn):
        with raises(DTYPE, "Wh"):
            build(Wx, changed(case.Wh), b)
        with raises(DTYPE, "b"):
            build(Wx, Wh, changed(case.b))
    with raises(DTYPE, "b"):
        backend.time_affine(subject.array(case.W), changed(case.output_b))
    step = backend.rnn(Wx, Wh, b)
    with raises(DTYPE, "x"):
        step.forward(changed(case.xs[:, 0]), h0)
    with raises(DTYPE, "h_prev"):
        step.forward(x, changed(case.h0))
    step.forward(x, h0)
    with raises(DTYPE, "dh_next"):
        step.backward(changed(case.h0))
    block = backend.time_rnn(Wx, Wh, b)
    with raises(DTYPE, "xs"):
        block.forward(changed(case.xs))
    with raises(DTYPE, "h"):
        block.set_state(changed(case.h0))
    block.forward(xs)
    with raises(DTYPE, "dhs"):
        block.backward(changed(case.dhs))
    affine, embedding = subject.time_affine(case), subject.time_embedding(case)
    with raises(DTYPE, "xs"):
        affine.forward(changed(case.dhs))
    affine.forward(dhs)
    with raises(DTYPE, "dzs"):
        affine.backward(changed(case.dzs))
    embedding.forward(subject.array(case.ids))
    with raises(DTYPE, "dxs"):
        embedding.backward(changed(case.dembedded))


@pytest.mark.parametrize("dtype", ["float16", "int32", "complex64", "bool"])
def test_no_other_type_of_numbers_is_taken(subject, dtype):
    case, backend = subject.case(), subject.backend
    with raises(DTYPE, "xs"):
        subject.time_rnn(case).forward(array_of(subject, case.xs.real > 0, dtype))
    with raises(DTYPE, "x"):
        subject.rnn(case).forward(array_of(subject, case.xs[:, 0] > 0, dtype), subject.array(case.h0))
    with raises(DTYPE, "xs"):
        subject.time_affine(case).forward(array_of(subject, case.dhs > 0, dtype))
    with raises(DTYPE, "zs"):
        backend.time_softmax_with_loss().forward(array_of(subject, case.zs > 0, dtype), subject.array(case.ts))
    with raises(DTYPE, "Wx"):
        backend.time_rnn(*(array_of(subject, a > 0, dtype) for a in (case.Wx, case.Wh, case.b)))
    with raises(DTYPE, "W"):
        backend.time_embedding(array_of(subject, case.embedding > 0, dtype))


def test_ids_and_labels_are_integers(subject):
    case = subject.case()
    floats, booleans = case.ids.astype(subject.dtype), case.ids > 2
    for wrong in (floats, booleans):
        with raises(DTYPE, "ids"):
            subject.time_embedding(case).forward(subject.array(wrong))
        with raises(DTYPE, "ts"):
            subject.backend.time_softmax_with_loss().forward(subject.array(case.zs), subject.array(wrong))


@pytest.mark.parametrize("outside", [-1, -11, 11, 1000])
def test_an_id_out_of_range_is_refused(subject, outside):
    case = subject.case()
    ids = case.ids.copy()
    ids[1, 3] = outside
    with raises(LABEL, "ids"):
        subject.time_embedding(case).forward(subject.array(ids))


@pytest.mark.parametrize("outside", [-2, 11, 1000])
def test_a_label_out_of_range_is_refused(subject, outside):
    case = subject.case()
    ts = case.ts.copy()
    ts[1, 3] = outside
    with raises(LABEL, "ts"):
        subject.backend.time_softmax_with_loss().forward(subject.array(case.zs), subject.array(ts))


def test_minus_one_is_refused_when_another_label_is_ignored(subject):
    case = subject.case()
    ts = np.abs(case.ts)
    ts[0, 0] = -1
    with raises(LABEL, "ts"):
        subject.backend.time_softmax_with_loss(ignore_label=3).forward(subject.array(case.zs), subject.array(ts))


def test_backward_before_forward_is_refused(subject):
    case = subject.case()
    for layer, gradient in (
        (subject.rnn(case), case.h0),
        (subject.time_rnn(case), case.dhs),
        (subject.time_embedding(case), case.dembedded),
        (subject.time_affine(case), case.dzs),
    ):
        with raises(STATE, "forward"):
            layer.backward(subject.array(gradient))
    with raises(STATE, "forward"):
        subject.backend.time_softmax_with_loss().backward()


def test_set_state_is_no_forward(subject):
    case = subject.case()
    layer = subject.time_rnn(case, h0=case.h0)
    with raises(STATE, "forward"):
        layer.backward(subject.array(case.dhs))


def test_an_array_of_no_array_library_is_refused(subject):
    case = subject.case()
    with raises(DTYPE, "xs"):
        subject.time_rnn(case).forward(None)
    with raises(DTYPE, "ids"):
        subject.time_embedding(case).forward(None)
