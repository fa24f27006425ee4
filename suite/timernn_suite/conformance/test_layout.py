"""What must not matter: later times, other rows of the batch, and how an array lies in memory."""

import numpy as np
import pytest

from timernn_suite.conformance.support.cases import Sizes
from timernn_suite.conformance.support.harness import assert_close, assert_same_bits


@pytest.mark.parametrize("t", [1, 3, 6])
def test_no_output_depends_on_a_later_input(subject, t):
    case = subject.case()
    changed = case.xs.copy()
    changed[:, t:] = case.dhs[:, t:, : case.sizes.D]
    before, after = (subject.forward(subject.time_rnn(case), xs) for xs in (case.xs, changed))
    np.testing.assert_array_equal(after[:, :t], before[:, :t], strict=True)
    assert np.abs(after[:, t] - before[:, t]).max() > 0


def test_rows_of_the_batch_are_independent(subject):
    case = subject.case(Sizes(5, 7, 4, 6, 11))
    order = np.array([3, 0, 4, 2, 1])
    straight = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, case.dhs)
    shuffled = subject.block(subject.time_rnn(case, h0=case.h0[order]), case.xs[order], case.dhs[order])
    for name in ("hs", "dxs", "dh"):
        assert_close(subject, shuffled[name], straight[name][order], name)
    for name in ("dWx", "dWh", "db"):
        assert_close(subject, shuffled[name], straight[name], name)


def test_a_row_alone_is_the_same_row(subject):
    case = subject.case()
    whole = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, case.dhs)
    for n in range(case.sizes.N):
        row = slice(n, n + 1)
        alone = subject.block(subject.time_rnn(case, h0=case.h0[row]), case.xs[row], case.dhs[row])
        for name in ("hs", "dxs", "dh"):
            assert_close(subject, alone[name], whole[name][row], f"{name} of row {n}")


LAYOUTS = {
    "transposed": lambda array, a: a(np.ascontiguousarray(array.swapaxes(0, 1))).swapaxes(0, 1),
    "every other": lambda array, a: a(np.repeat(array, 2, axis=1))[:, ::2],
    "part of a larger one": lambda array, a: a(np.pad(array, [(1, 2)] * array.ndim))[(slice(1, -2),) * array.ndim],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_view_gives_what_its_copy_gives(subject, layout):
    case = subject.case()
    view = viewer(subject, layout)
    plain = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, case.dhs)
    layer = subject.backend.time_rnn(view(case.Wx), view(case.Wh), subject.array(case.b))
    layer.set_state(view(case.h0))
    got = {"hs": subject.numpy(layer.forward(view(case.xs)))}
    got["dxs"] = subject.numpy(layer.backward(view(case.dhs)))
    got |= {"dh": subject.numpy(layer.dh)}
    got |= {name: subject.numpy(grad) for name, grad in zip(("dWx", "dWh", "db"), layer.grads, strict=True)}
    for name, value in plain.items():
        assert_close(subject, got[name], value, name)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_view_gives_what_its_copy_gives_in_the_time_layers(subject, layout):
    case = subject.case()
    view = viewer(subject, layout)
    backend = subject.backend
    embedding, plain_embedding = backend.time_embedding(view(case.embedding)), subject.time_embedding(case)
    affine, plain_affine = backend.time_affine(view(case.W), subject.array(case.output_b)), subject.time_affine(case)
    for layer, plain, inputs, gradient in (
        (embedding, plain_embedding, case.ids, case.dembedded),
        (affine, plain_affine, case.dhs, case.dzs),
    ):
        assert_close(
            subject, subject.numpy(layer.forward(view(inputs))), subject.forward(plain, inputs), type(layer).__name__
        )
        layer.backward(view(gradient))
        plain.backward(subject.array(gradient))
        for got, want in zip(layer.grads, plain.grads, strict=True):
            assert_close(subject, subject.numpy(got), subject.numpy(want), type(layer).__name__)
    loss, plain_loss = backend.time_softmax_with_loss(), backend.time_softmax_with_loss()
    got = subject.numpy(loss.forward(view(case.zs), view(case.ts)))
    assert_close(subject, got, subject.forward(plain_loss, case.zs, case.ts), "loss")
    assert_close(subject, subject.numpy(loss.backward()), subject.numpy(plain_loss.backward()), "dzs")


def test_read_only_arrays_are_welcome(subject):
    case = subject.case()
    arrays = [subject.array(a) for a in (case.Wx, case.Wh, case.b, case.xs, case.dhs, case.h0)]
    for array in arrays:
        if hasattr(array, "setflags"):
            array.setflags(write=False)
    Wx, Wh, b, xs, dhs, h0 = arrays
    layer = subject.backend.time_rnn(Wx, Wh, b)
    layer.set_state(h0)
    got = subject.numpy(layer.forward(xs))
    want = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, case.dhs)
    np.testing.assert_array_equal(got, want["hs"])
    np.testing.assert_array_equal(subject.numpy(layer.backward(dhs)), want["dxs"])


def test_the_other_byte_order_gives_the_same(subject):
    case = subject.case()

    def swapped(value):
        return value.astype(value.dtype.newbyteorder(">"))

    try:
        Wx, Wh, b, xs, dhs, ids, W = (
            subject.backend.asarray(swapped(a))
            for a in (case.Wx, case.Wh, case.b, case.xs, case.dhs, case.ids, case.embedding)
        )
    except (TypeError, ValueError) as refusal:
        pytest.skip(f"the library has no other byte order: {refusal}")
    layer = subject.backend.time_rnn(Wx, Wh, b)
    got = {"hs": subject.numpy(layer.forward(xs)), "dxs": subject.numpy(layer.backward(dhs))}
    want = subject.block(subject.time_rnn(case), case.xs, case.dhs)
    assert_same_bits(got, {name: want[name] for name in got})
    embedded = subject.numpy(subject.backend.time_embedding(W).forward(ids))
    np.testing.assert_array_equal(embedded, case.embedding[case.ids], strict=True)


def viewer(subject, layout):
    """Return a function that makes a backend array with the values of a NumPy array and an unusual layout."""

    def view(array):
        try:
            made = LAYOUTS[layout](array, subject.array)
        except (TypeError, AttributeError, IndexError) as refusal:
            pytest.skip(f"the library has no such view: {refusal}")
        np.testing.assert_array_equal(subject.numpy(made), array)
        return made

    return view
