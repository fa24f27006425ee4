"""The classic numerical gradient check, through the backend alone: central differences in float64."""

import numpy as np
import pytest

from timernn_suite.conformance.support.cases import Sizes

#: Differences of float32 values would say nothing.
ELEMENT_TYPES = ("float64",)
STEP = 1e-6
# A central difference is off by step² · third derivative / 6 + u · value / step, here some 1e-10 of the largest.
TOLERANCE = 1e-7
SMALL = Sizes(2, 4, 3, 2, 5)


def assert_gradient(function, at, gradient, what):
    """Compare ``gradient`` with central differences of the scalar ``function`` around ``at``."""
    numerical = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        moved = at.copy()
        moved[place] = at[place] + STEP
        above = function(moved)
        moved[place] = at[place] - STEP
        numerical[place] = (above - function(moved)) / (2 * STEP)
    scale = np.abs(numerical).max()
    assert scale > 0, f"{what}: nothing depends on it, so nothing was checked"
    np.testing.assert_allclose(gradient, numerical, rtol=0, atol=TOLERANCE * scale, err_msg=what)


@pytest.fixture
def case(subject):
    return subject.case(SMALL)


def test_rnn_step(subject, case):
    names = ("x", "h_prev", "Wx", "Wh", "b")
    at = dict(zip(names, (case.xs[:, 0], case.h0, case.Wx, case.Wh, case.b), strict=True))
    weight = case.dhs[:, 0]

    def value(**changed):
        now = at | changed
        layer = subject.backend.rnn(*(subject.array(now[name]) for name in ("Wx", "Wh", "b")))
        return float(np.sum(subject.forward(layer, now["x"], now["h_prev"]) * weight))

    layer = subject.rnn(case)
    subject.forward(layer, at["x"], at["h_prev"])
    gradients = [*layer.backward(subject.array(weight)), *layer.grads]
    for name, gradient in zip(names, gradients, strict=True):
        assert_gradient(lambda moved, name=name: value(**{name: moved}), at[name], subject.numpy(gradient), name)


def test_time_rnn(subject, case):
    names = ("xs", "dh", "Wx", "Wh", "b")
    at = dict(zip(names, (case.xs, case.h0, case.Wx, case.Wh, case.b), strict=True))

    def value(**changed):
        now = at | changed
        layer = subject.backend.time_rnn(*(subject.array(now[name]) for name in ("Wx", "Wh", "b")))
        layer.set_state(subject.array(now["dh"]))
        return float(np.sum(subject.forward(layer, now["xs"]) * case.dhs))

    got = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, case.dhs)
    for name, tensor in zip(names, ("dxs", "dh", "dWx", "dWh", "db"), strict=True):
        assert_gradient(lambda moved, name=name: value(**{name: moved}), at[name], got[tensor], tensor)


def test_time_embedding(subject, case):
    layer = subject.time_embedding(case)
    subject.forward(layer, case.ids)
    layer.backward(subject.array(case.dembedded))

    def value(W):
        embedded = subject.forward(subject.backend.time_embedding(subject.array(W)), case.ids)
        return float(np.sum(embedded * case.dembedded))

    assert_gradient(value, case.embedding, subject.numpy(layer.grads[0]), "dW")


def test_time_affine(subject, case):
    names = ("xs", "W", "b")
    at = dict(zip(names, (case.dhs, case.W, case.output_b), strict=True))

    def value(**changed):
        now = at | changed
        layer = subject.backend.time_affine(subject.array(now["W"]), subject.array(now["b"]))
        return float(np.sum(subject.forward(layer, now["xs"]) * case.dzs))

    layer = subject.time_affine(case)
    subject.forward(layer, case.dhs)
    gradients = [layer.backward(subject.array(case.dzs)), *layer.grads]
    for name, gradient in zip(names, gradients, strict=True):
        assert_gradient(lambda moved, name=name: value(**{name: moved}), at[name], subject.numpy(gradient), name)


def test_time_softmax_with_loss(subject, case):
    def value(zs):
        return float(subject.forward(subject.backend.time_softmax_with_loss(), zs, case.ts))

    layer = subject.backend.time_softmax_with_loss()
    subject.forward(layer, case.zs, case.ts)
    assert_gradient(value, case.zs, subject.numpy(layer.backward()), "dzs")


def test_the_whole_chain_of_layers(subject, case):
    """Embedding, recurrence, output layer and loss, one after the other, as a language model has them."""
    parameters = {
        "embedding": case.embedding,
        "Wx": case.Wx,
        "Wh": case.Wh,
        "b": case.b,
        "W": case.W,
        "output_b": case.output_b,
    }

    def build(now):
        arrays = {name: subject.array(value) for name, value in now.items()}
        return (
            subject.backend.time_embedding(arrays["embedding"]),
            subject.backend.time_rnn(arrays["Wx"], arrays["Wh"], arrays["b"]),
            subject.backend.time_affine(arrays["W"], arrays["output_b"]),
            subject.backend.time_softmax_with_loss(),
        )

    def forward(layers):
        embedding, recurrent, output, loss = layers
        scores = output.forward(recurrent.forward(embedding.forward(subject.array(case.ids))))
        return float(subject.numpy(loss.forward(scores, subject.array(case.ts))))

    layers = build(parameters)
    forward(layers)
    embedding, recurrent, output, loss = layers
    embedding.backward(recurrent.backward(output.backward(loss.backward())))
    gradients = [*embedding.grads, *recurrent.grads, *output.grads]
    for (name, at), gradient in zip(parameters.items(), gradients, strict=True):
        assert_gradient(
            lambda moved, name=name: forward(build(parameters | {name: moved})), at, subject.numpy(gradient), name
        )
