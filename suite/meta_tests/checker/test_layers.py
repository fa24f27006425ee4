"""The layers written once for every backend: what they say of a mistake, and what they keep; on the NumPy backend."""

from __future__ import annotations

import numpy as np
import pytest

from timernn import checks, load_backend
from timernn.contract import DTypeError, LabelError, ShapeError, StateError
from timernn.layers import TimeRNN, TimeSoftmaxWithLoss, Workspace

N, T, D, H, V = 3, 7, 4, 5, 12


@pytest.fixture
def backend():
    return load_backend("numpy")


def floats(*shape, dtype="float32"):
    return np.random.default_rng(shape).normal(size=shape).astype(dtype)


@pytest.fixture
def block(backend):
    return backend.time_rnn(floats(D, H), floats(H, H), floats(H), stateful=True)


SHAPE = "shape must be (N, T, D=4) with every size at least 1"
MISTAKES = {
    "another size": (
        ShapeError,
        floats(N, T, 6),
        "shape must be (N, T, D=4) with every size at least 1, got (3, 7, 6)",
    ),
    "no time": (ShapeError, floats(N, 0, D), "shape must be (N, T, D=4) with every size at least 1, got (3, 0, 4)"),
    "an axis less": (ShapeError, floats(N, D), "shape must be (N, T, D=4) with every size at least 1, got (3, 4)"),
    "the other float": (
        DTypeError,
        floats(N, T, D, dtype="float64"),
        "dtype must be float32 like the layer's parameters, got float64",
    ),
    "a list": (DTypeError, [[[0.0]]], "must be an array of type numpy.ndarray, got list"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_message_names_the_argument_what_it_needs_and_what_it_got(block, mistake):
    error, xs, says = MISTAKES[mistake]
    with pytest.raises(error) as caught:
        block.forward(xs)
    assert str(caught.value) == f"xs: {says}"


def test_a_parameter_may_have_any_element_type_of_the_backend_and_no_other(backend):
    with pytest.raises(DTypeError) as caught:
        backend.time_rnn(floats(D, H, dtype="float16"), floats(H, H), floats(H))
    assert str(caught.value) == "Wx: dtype must be float32 or float64, got float16"


def test_a_label_out_of_range_is_told_with_the_range(backend):
    embedding, loss = backend.time_embedding(floats(V, D)), backend.time_softmax_with_loss()
    for ids, told in (([[0, 12]], 12), ([[3, 40]], 40), ([[-1, 3]], -1), ([[-7, 13]], -7)):
        with pytest.raises(LabelError) as caught:
            embedding.forward(np.array(ids))
        assert str(caught.value) == f"ids: every id must lie in 0 … 11, got {told}"
    with pytest.raises(LabelError) as caught:
        loss.forward(floats(1, 2, V), np.array([[-2, -1]]))
    assert str(caught.value) == "ts: every id must lie in 0 … 11 (or the ignored label -1), got -2"


def test_the_first_and_the_last_id_are_in_range(backend):
    W = floats(V, D)
    np.testing.assert_array_equal(backend.time_embedding(W).forward(np.array([[0, 11]])), W[[[0, 11]]])


def test_ids_of_another_kind_are_told(backend):
    with pytest.raises(DTypeError) as caught:
        backend.time_embedding(floats(V, D)).forward(floats(N, T))
    assert str(caught.value) == "ids: dtype must be an integer type, got float32"


def test_a_changed_batch_size_is_told_with_both_sizes_and_the_ways_out(block):
    block.forward(floats(N, T, D))
    with pytest.raises(ShapeError) as caught:
        block.forward(floats(2, T, D))
    assert str(caught.value) == (
        "xs: batch size must be N=3 like the state that is carried, got N=2; "
        "call reset_state() to start from zeros, or set_state(h) with a state of the new size"
    )


def test_backward_before_forward_is_told_with_the_layers_name(block):
    with pytest.raises(StateError, match=r"^TimeRNN\.backward: call forward first"):
        block.backward(floats(N, T, H))


@pytest.mark.parametrize(("check", "array"), [(checks.floats, floats(N, T)), (checks.integers, np.ones((N, T), "i8"))])
def test_what_passes_the_checks_is_in_the_machines_byte_order(backend, check, array):
    """A kernel that is compiled, or runs on another device, has no other."""
    swapped = array.astype(array.dtype.newbyteorder())
    assert not swapped.dtype.isnative
    passed = check(backend, "array", swapped, ("N", N), ("T", None))
    assert passed.dtype.isnative
    np.testing.assert_array_equal(passed, array)


def test_a_workspace_hands_out_the_same_buffer_until_shape_or_type_change(backend):
    workspace = Workspace(backend)
    first = workspace.buffer("dz", (2, 3), np.dtype("float32"))
    assert (first.shape, first.dtype) == ((2, 3), np.float32)
    assert workspace.buffer("dz", (2, 3), np.dtype("float32")) is first
    assert workspace.buffer("step", (2, 3), np.dtype("float32")) is not first
    for shape, dtype in (((3, 2), "float32"), ((3, 2), "float64"), ((3, 2), "float32"), ((1, 2), "float32")):
        changed = workspace.buffer("dz", shape, np.dtype(dtype))
        assert (changed.shape, changed.dtype) == (shape, dtype)
        assert workspace.buffer("dz", shape, np.dtype(dtype)) is changed


class Size(tuple):
    """A shape as some libraries have it, with a name of its own."""

    def __repr__(self):
        return f"Size({list(self)})"


class Foreign(np.ndarray):
    shape = property(lambda self: Size(np.asarray(self).shape))


def test_a_shape_is_told_as_a_tuple_whatever_the_library_calls_it(block):
    with pytest.raises(ShapeError, match=r", got \(3, 4\)$"):
        block.forward(floats(N, D).view(Foreign))


def test_arrays_may_go_by_name_and_settings_must(backend):
    arrays = {"Wx": floats(D, H), "Wh": floats(H, H), "b": floats(H)}
    assert TimeRNN(backend, **arrays, stateful=True).stateful is True
    assert TimeRNN(backend, **arrays).stateful is False
    with pytest.raises(TypeError, match="positional"):
        TimeRNN(backend, *arrays.values(), True)
    assert TimeSoftmaxWithLoss(backend=backend, ignore_label=3).ignore_label == 3
    assert TimeSoftmaxWithLoss(backend).ignore_label == -1
    with pytest.raises(TypeError, match="positional"):
        TimeSoftmaxWithLoss(backend, 3)
