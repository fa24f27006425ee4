"""The oracle's language model against its layers: complex steps through a whole block, and one long block's loss."""

from __future__ import annotations

import numpy as np
import pytest

from timernn_suite.conformance.support import oracle, oracle_lm
from timernn_suite.conformance.support.tolerance import RandomRounding

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
    losses = oracle_lm.train(weights, blocks, rate)["losses"]
    assert losses.shape == (len(blocks),)
    for index, block in enumerate(blocks):
        loss, carried = loss_and_state(now, state, *block)
        assert losses[index] == pytest.approx(float(loss), rel=1e-13)
        then = oracle_lm.train(weights, blocks[: index + 1], rate)
        assert then.keys() == weights.keys() | {"losses"}
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
    losses = [oracle_lm.train(given, blocks, 0.25)["losses"] for given in (narrow, wide)]
    np.testing.assert_array_equal(*losses, strict=True)
    text = np.random.default_rng(23).integers(0, V, 40)
    assert oracle_lm.nll(narrow, text, 2) == oracle_lm.nll(wide, text, 2)


@pytest.mark.parametrize("eos_id", [0, 2])
def test_a_texts_surprise_is_one_long_blocks_loss_times_its_tokens(weights, eos_id):
    text = np.random.default_rng(23).integers(0, V, 40)
    inputs = np.array([[eos_id, *text[:-1]]])
    loss, _ = loss_and_state(weights, np.zeros((1, H)), inputs, text[None, :])
    assert float(oracle_lm.nll(weights, text, eos_id)["nll"]) == pytest.approx(float(loss) * len(text), rel=1e-13)


def test_scores_may_have_any_size(weights):
    steep = weights | {"output_b": np.array([0.0, 900.0, 0.0, 0.0, 0.0, 0.0, 0.0])}
    assert float(oracle_lm.nll(steep, np.array([1, 1, 1]), 0)["nll"]) == 0.0


def test_every_operation_may_be_rounded(weights, blocks):
    """Run with random errors of one size, both functions stay as near as that and are off by no less."""
    noisy = RandomRounding(1e-9, 0)
    text = np.random.default_rng(23).integers(0, V, 40)
    pairs = [
        (oracle_lm.train(weights, blocks, 0.25), oracle_lm.train(weights, blocks, 0.25, noisy)),
        (oracle_lm.nll(weights, text, 2), oracle_lm.nll(weights, text, 2, noisy)),
    ]
    for exact, rounded in pairs:
        for name, value in exact.items():
            off = np.abs(rounded[name] - value).max() / np.abs(value).max()
            assert 1e-11 < off < 1e-6, name
