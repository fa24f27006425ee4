"""Names and signatures: what a backend and its layers are called with, and what they show."""

import inspect
import json

import numpy as np
import pytest

from timernn.contract import FLOAT_DTYPES, Backend

FACTORIES = ("rnn", "time_rnn", "time_embedding", "time_affine", "time_softmax_with_loss")
METHODS = ("asarray", "to_numpy", "synchronize", "describe", "clip_gradients", "sgd_update", "adam_update")


def test_can_run_here(registered):
    """The one place where a backend that can't run shows up, with its reason."""
    assert not registered.broken, registered.reason
    if registered.reason is not None:
        pytest.skip(f"{registered.name}: {registered.reason}")
    assert registered.backend is not None


def test_declares_its_name_and_element_types(backend):
    assert isinstance(backend.name, str)
    assert backend.name
    assert len(backend.dtypes) > 0
    assert set(backend.dtypes) <= set(FLOAT_DTYPES)


def test_known_failures_carry_reasons(backend):
    for test_id, reason in backend.known_failures.items():
        assert "::" in test_id, f"{test_id!r} must look like 'test_values.py::test_time_rnn'"
        assert reason.strip(), f"{test_id!r} needs a reason"


@pytest.mark.parametrize("method", FACTORIES + METHODS)
def test_signature_is_the_contracts(backend, method):
    promised = inspect.signature(getattr(Backend, method)).parameters
    got = inspect.signature(getattr(backend, method)).parameters
    needed = [parameter for name, parameter in promised.items() if name != "self"]
    assert [parameter.name for parameter in needed] == list(got)
    for parameter in needed:
        assert got[parameter.name].kind == parameter.kind, parameter.name
        assert got[parameter.name].default == parameter.default, parameter.name


def test_describes_itself_for_a_record(backend):
    description = backend.describe()
    assert isinstance(description, dict)
    assert description
    assert json.loads(json.dumps(description)) == description


def test_params_are_the_arrays_it_was_built_from_in_order(subject):
    case = subject.case()
    Wx, Wh, b, W, c, E = (subject.array(a) for a in (case.Wx, case.Wh, case.b, case.W, case.output_b, case.embedding))
    backend = subject.backend
    for layer, params in (
        (backend.rnn(Wx, Wh, b), [Wx, Wh, b]),
        (backend.time_rnn(Wx, Wh, b), [Wx, Wh, b]),
        (backend.time_embedding(E), [E]),
        (backend.time_affine(W, c), [W, c]),
        (backend.time_softmax_with_loss(), []),
    ):
        assert len(layer.params) == len(params)
        assert all(got is want for got, want in zip(layer.params, params, strict=True)), type(layer).__name__


def test_equal_weights_are_not_taken_for_the_same(subject):
    """Layers share a parameter if they were given one array, and not if they were given two of the same values."""
    case, backend = subject.case(), subject.backend
    W, b = case.W, case.output_b
    first, second = (backend.time_affine(subject.array(W), subject.array(b)) for _ in range(2))
    shared = backend.time_affine(first.params[0], subject.array(b))
    assert shared.params[0] is first.params[0]
    assert second.params[0] is not first.params[0]
    assert second.params[1] is not first.params[1]


def test_factories_take_their_arguments_by_name(subject):
    case = subject.case()
    by_name = {"Wx": subject.array(case.Wx), "Wh": subject.array(case.Wh), "b": subject.array(case.b)}
    assert subject.backend.time_rnn(**by_name, stateful=True).stateful is True
    assert subject.backend.time_rnn(**by_name).stateful is False
    assert subject.backend.rnn(**by_name).params[1] is by_name["Wh"]
    assert subject.backend.time_softmax_with_loss(ignore_label=7).ignore_label == 7


def test_grads_have_the_order_shapes_and_type_of_params(subject):
    case = subject.case()
    time_rnn, affine = subject.time_rnn(case), subject.time_affine(case)
    subject.block(time_rnn, case.xs, case.dhs)
    subject.forward(affine, case.dhs)
    affine.backward(subject.array(case.dzs))
    for layer in (time_rnn, affine, subject.rnn(case), subject.time_embedding(case)):
        shapes = [(subject.numpy(a).shape, subject.numpy(a).dtype) for a in layer.params]
        assert [(subject.numpy(a).shape, subject.numpy(a).dtype) for a in layer.grads] == shapes, type(layer).__name__


def test_a_stateful_block_shows_its_state(subject):
    case = subject.case()
    layer = subject.time_rnn(case, stateful=True)
    assert layer.h is None
    assert layer.dh is None
    out = subject.block(layer, case.xs, case.dhs)
    np.testing.assert_array_equal(subject.numpy(layer.h), out["hs"][:, -1], strict=True)


def test_conversion_keeps_values_and_element_type(subject):
    data = subject.case().xs
    array = subject.array(data)
    np.testing.assert_array_equal(subject.numpy(array), data, strict=True)


def test_conversion_copies_both_ways(subject):
    data = subject.case().xs.copy()
    array = subject.array(data)
    before = data.copy()
    data += 1
    np.testing.assert_array_equal(subject.numpy(array), before)
    out = subject.backend.to_numpy(array)
    if getattr(out, "flags", None) is not None and out.flags.writeable:
        out += 1
    np.testing.assert_array_equal(subject.numpy(array), before)


def test_conversion_takes_an_element_type(subject):
    array = subject.backend.asarray([[1, 2], [3, 4]], dtype=subject.dtype)
    np.testing.assert_array_equal(subject.numpy(array), np.array([[1, 2], [3, 4]], dtype=subject.dtype), strict=True)
