"""What must not matter: later times, other rows of the batch, and how an array lies in memory."""

from dataclasses import replace

import numpy as np
import pytest

from timernn_suite.conformance.support import answers
from timernn_suite.conformance.support.cases import Sizes
from timernn_suite.conformance.support.harness import assert_agree, assert_same_bits
from timernn_suite.conformance.support.layouts import VIEWS, LayoutRefused, laid_out


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
    straight, expected = subject.run_block(case), answers.block(case)
    shuffled = subject.block(subject.time_rnn(case, h0=case.h0[order]), case.xs[order], case.dhs[order])
    assert_agree(expected, {name: shuffled[name] for name in ("dWx", "dWh", "db")}, straight)
    for name in ("hs", "dxs", "dh"):
        assert_agree(expected, {name: shuffled[name]}, {name: straight[name][order]}, at=order)


def test_a_row_alone_is_the_same_row(subject):
    case = subject.case()
    whole, expected = subject.run_block(case), answers.block(case)
    for n in range(case.sizes.N):
        row = slice(n, n + 1)
        alone = subject.block(subject.time_rnn(case, h0=case.h0[row]), case.xs[row], case.dhs[row])
        for name in ("hs", "dxs", "dh"):
            assert_agree(expected, {name: alone[name]}, {name: whole[name][row]}, at=row)


def test_what_is_ignored_might_as_well_not_be_there(subject):
    """The loss is the mean over the labels that count, so that a row without any is no part of it."""
    case = subject.case()
    ts = case.ts.copy()
    ts[1] = -1
    with_it = replace(case, ts=ts)
    without = replace(case, ts=np.delete(ts, 1, axis=0), zs=np.delete(case.zs, 1, axis=0))
    got = subject.run_loss(with_it)
    got["dzs"] = np.delete(got["dzs"], 1, axis=0)
    assert_agree(answers.loss(without), got, subject.run_loss(without))


@pytest.mark.parametrize("layout", VIEWS)
def test_a_view_gives_what_its_copy_gives(subject, layout):
    case = subject.case()
    view = viewer(subject, layout)
    layer = subject.backend.time_rnn(view(case.Wx), view(case.Wh), subject.array(case.b))
    layer.set_state(view(case.h0))
    got = {"hs": subject.numpy(layer.forward(view(case.xs)))}
    got["dxs"] = subject.numpy(layer.backward(view(case.dhs)))
    got |= {"dh": subject.numpy(layer.dh)}
    got |= {name: subject.numpy(grad) for name, grad in zip(("dWx", "dWh", "db"), layer.grads, strict=True)}
    assert_agree(answers.block(case), got, subject.run_block(case))


@pytest.mark.parametrize("layout", VIEWS)
def test_a_view_gives_what_its_copy_gives_in_the_time_layers(subject, layout):
    case = subject.case()
    view, backend = viewer(subject, layout), subject.backend

    embedding = backend.time_embedding(view(case.embedding))
    got = {"xs": subject.numpy(embedding.forward(view(case.ids)))}
    embedding.backward(view(case.dembedded))
    got["dW"] = subject.numpy(embedding.grads[0])
    assert_agree(answers.embedding(case), got, subject.run_embedding(case))

    affine = backend.time_affine(view(case.W), subject.array(case.output_b))
    got = {"zs": subject.numpy(affine.forward(view(case.dhs)))}
    got["dxs"] = subject.numpy(affine.backward(view(case.dzs)))
    got["dW"], got["db"] = (subject.numpy(grad) for grad in affine.grads)
    assert_agree(answers.affine(case), got, subject.run_affine(case))

    loss = backend.time_softmax_with_loss()
    got = {"loss": subject.numpy(loss.forward(view(case.zs), view(case.ts)))}
    got["dzs"] = subject.numpy(loss.backward())
    assert_agree(answers.loss(case), got, subject.run_loss(case))


def test_read_only_arrays_are_welcome(subject):
    case = subject.case()
    view = viewer(subject, "read-only")
    layer = subject.backend.time_rnn(view(case.Wx), view(case.Wh), view(case.b))
    layer.set_state(view(case.h0))
    got = {"hs": subject.numpy(layer.forward(view(case.xs))), "dxs": subject.numpy(layer.backward(view(case.dhs)))}
    want = subject.run_block(case)
    assert_same_bits(got, {name: want[name] for name in got})


def test_the_other_byte_order_gives_the_same(subject):
    case = subject.case()
    view = viewer(subject, "other byte order")
    layer = subject.backend.time_rnn(view(case.Wx), view(case.Wh), view(case.b))
    got = {"hs": subject.numpy(layer.forward(view(case.xs))), "dxs": subject.numpy(layer.backward(view(case.dhs)))}
    want = subject.run_block(case, from_state=False)
    assert_same_bits(got, {name: want[name] for name in got})
    embedded = subject.numpy(subject.backend.time_embedding(view(case.embedding)).forward(view(case.ids)))
    np.testing.assert_array_equal(embedded, case.embedding[case.ids], strict=True)


def viewer(subject, layout):
    """Return a function that makes a backend array with the values of a NumPy array and an unusual layout."""

    def view(array):
        try:
            made = laid_out(array, layout, subject.array)
        except LayoutRefused as refusal:
            pytest.skip(f"the library has no array that is {layout}: {refusal}")
        np.testing.assert_array_equal(subject.numpy(made), array)
        return made

    return view
