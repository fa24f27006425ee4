"""Optimisers on a model, and the schedule of the learning rate."""

from __future__ import annotations

import numpy as np
import pytest

from timernn import load_backend
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.optim import SGD, Adam
from timernn_suite.lm.rnnlm import Rnnlm
from timernn_suite.lm.schedules import Plateau, cosine

IDS, LABELS = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[2, 3, 4], [5, 6, 1]])


def model_with_gradients():
    model = Rnnlm(load_backend("numpy"), initial_weights(7, 3, 5, seed=0, dtype="float64"))
    model.forward(IDS, LABELS)
    model.backward()
    return model


def gradients(model):
    return [np.array(layer.grads[index]) for layer, index in model.parameters()]


def test_sgd_moves_every_parameter_against_its_gradient():
    model = model_with_gradients()
    want = [w - 0.5 * g for w, g in zip(model.to_weights().values(), gradients(model), strict=True)]
    assert SGD(0.5).update(model) is None
    for got, value in zip(model.to_weights().values(), want, strict=True):
        np.testing.assert_allclose(got, value, rtol=0, atol=1e-15)


def test_clipping_is_by_the_norm_of_all_parameters_together():
    model = model_with_gradients()
    before, raw = model.to_weights(), gradients(model)
    norm = np.sqrt(sum((g**2).sum() for g in raw))
    assert SGD(1.0).update(model, max_norm=norm / 4) == pytest.approx(norm, rel=1e-12)
    for old, new, gradient in zip(before.values(), model.to_weights().values(), raw, strict=True):
        np.testing.assert_allclose(old - new, gradient / 4, rtol=0, atol=1e-14)


@pytest.mark.parametrize("steps", [0, 3])
def test_adam_goes_on_from_its_state_with_the_same_bits(steps):
    one, two = model_with_gradients(), model_with_gradients()
    first, second = Adam(0.01), Adam(0.01)
    for _ in range(steps):
        first.update(one)
        second.update(two)
    third = Adam(0.01)
    third.restore(two, {name: value.copy() for name, value in second.state(two).items()})
    first.update(one)
    third.update(two)
    for got, want in zip(two.to_weights().values(), one.to_weights().values(), strict=True):
        np.testing.assert_array_equal(got, want)
    assert third.step == steps + 1


def rates(schedule, perplexities, rate=1.0):
    seen = []
    for perplexity in perplexities:
        rate = schedule.after_epoch(rate, perplexity)
        seen.append(rate)
    return seen


def test_the_plateau_schedule_cuts_after_an_epoch_without_gain():
    assert rates(Plateau(0.5), [100, 90, 89.9, 80, 85]) == [1, 1, 0.5, 0.5, 0.25]


def test_once_begun_cutting_goes_on_if_so_asked():
    assert rates(Plateau(0.5, keep_cutting=True), [100, 90, 89.9, 80, 70]) == [1, 1, 0.5, 0.25, 0.125]


def test_a_factor_of_one_keeps_the_rate():
    assert rates(Plateau(1.0), [100, 200, 300]) == [1, 1, 1]


def test_half_a_cosine_begins_at_the_rate_and_ends_at_nothing():
    assert cosine(0.4, 0, 10) == 0.4
    assert cosine(0.4, 5, 10) == pytest.approx(0.2)
    assert cosine(0.4, 10, 10) == pytest.approx(0.0)


def test_momentum_goes_on_in_the_last_direction():
    plain, moving = model_with_gradients(), model_with_gradients()
    for model, optimiser in ((plain, SGD(0.1)), (moving, SGD(0.1, momentum=0.5))):
        for _ in range(2):  # the same gradients twice
            optimiser.update(model)
    start = model_with_gradients().to_weights()
    for name, value in moving.to_weights().items():
        # One step of g and one of 1.5 g, against two of g.
        expected = start[name] + 1.25 * (plain.to_weights()[name] - start[name])
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_weight_decay_shrinks_matrices_and_leaves_biases(optimiser):
    with_decay, without = model_with_gradients(), model_with_gradients()
    optimiser(0.1, weight_decay=0.5).update(with_decay)
    optimiser(0.1).update(without)
    start = model_with_gradients().to_weights()
    for name, value in with_decay.to_weights().items():
        taken = 0.1 * 0.5 * start[name] if value.ndim > 1 else 0
        np.testing.assert_allclose(value, without.to_weights()[name] - taken, rtol=1e-12, atol=1e-15)


def test_momentum_goes_on_after_a_restore():
    one, other = model_with_gradients(), model_with_gradients()
    first, second = SGD(0.1, momentum=0.5), SGD(0.1, momentum=0.5)
    first.update(one)
    second.update(other)
    third = SGD(0.1, momentum=0.5)
    third.restore(other, {name: value.copy() for name, value in second.state(other).items()})
    first.update(one)
    third.update(other)
    for name, value in one.to_weights().items():
        np.testing.assert_array_equal(other.to_weights()[name], value)
