"""The oracle's language model against its layers: complex steps through a whole block, and one long block's loss."""

from __future__ import annotations

import math

import numpy as np
import pytest

from timernn_suite.conformance.support import oracle, oracle_lm

V, D, H = 7, 3, 4
SHAPES = {"embedding": (V, D), "Wx": (D, H), "Wh": (H, H), "b": (H,), "output_W": (H, V), "output_b": (V,)}


@pytest.fixture
def weights():
    random = np.random.default_rng(21)
    return {name: 0.7 * random.normal(size=shape) for name, shape in SHAPES.items()}


@pytest.fixture
def blocks():
    """Three blocks of different lengths, so that a time can't be taken for another."""
    random = np.random.default_rng(22)
    return [tuple(random.integers(0, V, (2, 2, T))) for T in (5, 3, 4)]


def loss_and_state(weights, state, ids, labels):
    """Return a block's mean loss and its last state, for complex weights too; from the layers' forward half only."""
    states = oracle.time_rnn_forward(weights["embedding"][ids], state, weights["Wx"], weights["Wh"], weights["b"])
    zs = np.einsum("tnh,hv->ntv", states[1:], weights["output_W"]) + weights["output_b"]
    return oracle.time_softmax_with_loss(zs, labels)["loss"], states[-1]


def test_training_descends_by_the_gradient_of_each_blocks_own_loss_from_the_state_that_was_carried(weights, blocks):
    rate, state, now = 0.25, np.zeros((2, H)), weights
    losses, _ = oracle_lm.train(weights, blocks, rate)
    assert [type(loss) for loss in losses] == [float] * len(blocks)
    for index, block in enumerate(blocks):
        loss, carried = loss_and_state(now, state, *block)
        assert losses[index] == pytest.approx(float(loss), rel=1e-13)
        _, then = oracle_lm.train(weights, blocks[: index + 1], rate)
        assert then.keys() == weights.keys()
        for name in weights:

            def moved(value, name=name, now=now, state=state, block=block):
                return loss_and_state(now | {name: value}, state, *block)[0]

            gradient = oracle.complex_step(moved, np.asarray(now[name], dtype=np.float64))
            scale = np.abs(gradient).max()
            assert scale > 0
            descended = np.asarray((now[name] - then[name]) / rate, dtype=np.float64)
            np.testing.assert_allclose(descended, gradient, rtol=0, atol=1e-12 * scale, err_msg=name)
        now, state = then, carried


def test_training_leaves_the_weights_that_it_is_given(weights, blocks):
    before = {name: value.copy() for name, value in weights.items()}
    oracle_lm.train(weights, blocks, 0.25)
    for name, value in before.items():
        np.testing.assert_array_equal(weights[name], value, err_msg=name)


def test_single_precision_weights_are_trained_and_scored_in_more(weights, blocks):
    narrow = {name: value.astype(np.float32) for name, value in weights.items()}
    wide = {name: value.astype(np.float64) for name, value in narrow.items()}
    assert oracle_lm.train(narrow, blocks, 0.25)[0] == oracle_lm.train(wide, blocks, 0.25)[0]
    text = np.random.default_rng(23).integers(0, V, 40)
    assert oracle_lm.perplexity(narrow, text, 2) == oracle_lm.perplexity(wide, text, 2)


@pytest.mark.parametrize("eos_id", [0, 2])
def test_perplexity_is_the_exponential_of_one_long_blocks_loss(weights, eos_id):
    text = np.random.default_rng(23).integers(0, V, 40)
    inputs = np.array([[eos_id, *text[:-1]]])
    loss, _ = loss_and_state(weights, np.zeros((1, H)), inputs, text[None, :])
    assert oracle_lm.perplexity(weights, text, eos_id) == pytest.approx(math.exp(loss), rel=1e-13)


def test_perplexity_takes_scores_of_any_size(weights):
    steep = weights | {"output_b": np.array([0.0, 900.0, 0.0, 0.0, 0.0, 0.0, 0.0])}
    assert oracle_lm.perplexity(steep, np.array([1, 1, 1]), 0) == 1.0
