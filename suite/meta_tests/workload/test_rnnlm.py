"""The language model: its weights, its two copies for training and evaluation, its state."""

from __future__ import annotations

import numpy as np
import pytest

from timernn import load_backend
from timernn.contract import ShapeError
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.rnnlm import WEIGHT_NAMES, Rnnlm

V, D, H = 7, 3, 5


@pytest.fixture
def model():
    return Rnnlm(load_backend("numpy"), initial_weights(V, D, H, seed=0))


def test_weights_come_out_as_they_went_in(model):
    weights = initial_weights(V, D, H, seed=0)
    for name, value in model.to_weights().items():
        np.testing.assert_array_equal(value, weights[name], strict=True)
    assert tuple(model.to_weights()) == WEIGHT_NAMES
    assert (model.vocabulary_size, model.dtype) == (V, "float32")


@pytest.mark.parametrize("change", ["missing", "added"])
def test_a_wrong_set_of_weights_is_refused(change):
    weights = initial_weights(V, D, H, seed=0)
    if change == "missing":
        del weights["b"]
    else:
        weights["more"] = weights["b"]
    with pytest.raises(ShapeError, match="weights: must be embedding, Wx, Wh, b, output_W, output_b"):
        Rnnlm(load_backend("numpy"), weights)


def test_the_evaluation_twin_sees_updates_and_has_a_state_of_its_own(model):
    ids = np.array([[1, 2, 3]])
    model.predict(ids)
    twin = model.for_evaluation()
    assert twin.state is None
    before = twin.predict(ids)
    kept = model.state
    model.recurrent.params[2][...] += 1.0
    twin.reset_state()
    assert not np.array_equal(twin.predict(ids), before)
    np.testing.assert_array_equal(model.state, kept)


def test_the_state_can_be_taken_out_and_put_back(model):
    ids, more = np.array([[1, 2, 3]]), np.array([[4, 5]])
    model.predict(ids)
    kept = model.state
    want = model.predict(more)
    model.reset_state()
    assert model.state is None
    model.state = kept
    np.testing.assert_array_equal(model.predict(more), want, strict=True)


@pytest.mark.parametrize("scheme", ["textbook", "orthogonal", "chapter5"])
def test_the_same_seed_draws_the_same_weights_and_another_draws_others(scheme):
    one, same, other = (initial_weights(V, D, H, seed=seed, scheme=scheme) for seed in (1, 1, 2))
    for name in ("embedding", "Wx", "Wh", "output_W"):
        np.testing.assert_array_equal(one[name], same[name])
        assert not np.array_equal(one[name], other[name])


def test_the_textbooks_weights_have_its_scales():
    weights = initial_weights(400, 100, 200, seed=0, dtype="float64")
    for name, scale in (("embedding", 0.01), ("Wx", 0.1), ("Wh", 200**-0.5), ("output_W", 200**-0.5)):
        assert weights[name].std() == pytest.approx(scale, rel=0.02)
    assert not weights["b"].any()
    assert not weights["output_b"].any()


def test_orthogonal_recurrent_weights_have_one_gain_in_all_directions():
    Wh = initial_weights(V, D, 20, seed=0, dtype="float64", scheme="orthogonal")["Wh"]
    np.testing.assert_allclose(Wh @ Wh.T, 0.81 * np.eye(20), atol=1e-12)


def test_another_vocabulary_leaves_the_other_weights_as_they_were():
    small, large = initial_weights(V, D, H, seed=0), initial_weights(10 * V, D, H, seed=0)
    for name in ("Wx", "Wh"):
        np.testing.assert_array_equal(small[name], large[name])


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="scheme: must be 'textbook', 'orthogonal' or 'chapter5', got 'magic'"):
        initial_weights(V, D, H, seed=0, scheme="magic")
