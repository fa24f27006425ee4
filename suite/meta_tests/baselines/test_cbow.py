"""CBOW: its gradient, what it sees of its window, and that it learns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from timernn import load_backend
from timernn_suite.baselines.cbow import Cbow
from timernn_suite.baselines.cbow_training import CbowSettings, train_cbow

V, D, EOS = 9, 4, 0
both = pytest.mark.parametrize("keeps_order", [False, True])


def model(keeps_order, window=3, seed=0):
    sizes = {"window": window, "keeps_order": keeps_order}
    cbow = Cbow(load_backend("numpy"), V, D, **sizes, eos_id=EOS, seed=seed, dtype="float64")
    cbow.set_weights([20 * array for array in cbow.to_weights()])  # so that scores differ by much
    return cbow


def test_a_window_is_the_tokens_to_the_left_nearest_first():
    found = model(True).windows(np.array([5, 6, 7, 8], dtype=np.uint16))
    np.testing.assert_array_equal(found, [[EOS, EOS, EOS], [5, EOS, EOS], [6, 5, EOS], [7, 6, 5]])


@both
def test_gradients_are_those_of_the_loss(keeps_order):
    tested, draws = model(keeps_order), np.random.default_rng(0)
    windows, labels = draws.integers(0, V, (6, 3)), draws.integers(0, V, 6)
    tested.forward(windows, labels)
    tested.backward()
    gradients = [layer.grads[index].copy() for layer, index in tested.parameters()]
    weights, step = tested.to_weights(), 1e-6
    for place, gradient in enumerate(gradients):
        direction = draws.standard_normal(gradient.shape)
        losses = []
        for sign in (1, -1):
            moved = list(weights)
            moved[place] = weights[place] + sign * step * direction
            tested.set_weights(moved)
            losses.append(float(tested.forward(windows, labels)))
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx((gradient * direction).sum(), rel=1e-6)


@both
def test_the_order_of_the_window_counts_only_where_it_is_kept(keeps_order):
    tested = model(keeps_order)
    one, another = (tested.predict(np.array([window])) for window in ([1, 2, 3], [3, 2, 1]))
    assert np.allclose(one, another, rtol=1e-12) is not keeps_order


@both
def test_nothing_beyond_the_window_counts(keeps_order):
    tested, ids = model(keeps_order), np.random.default_rng(1).integers(0, V, 40)
    for place in range(30, 40):
        changed = ids.copy()
        changed[place] = (ids[place] + 1) % V
        differs = tested.nll(changed)[38] != tested.nll(ids)[38]
        assert differs == (35 <= place <= 38), place  # the window, and the token itself


@both
def test_the_loss_of_a_text_is_the_mean_of_its_tokens(keeps_order):
    tested, ids = model(keeps_order), np.random.default_rng(2).integers(0, V, 600).astype(np.int32)
    want = float(tested.forward(tested.windows(ids), ids))
    assert tested.nll(ids).mean() == pytest.approx(want, rel=1e-12)


def test_training_takes_the_same_course_from_the_same_seed_and_keeps_the_best_epoch(corpus):
    small = dataclasses.replace(corpus, train=corpus.train[:4000])
    # A rate at which the loss goes up and down.
    settings = CbowSettings(epochs=4, embedding_size=8, batch_size=64, learning_rate=0.1, seed=1)

    def trained():
        cbow = Cbow(load_backend("numpy"), 20, 8, window=2, keeps_order=True, eos_id=EOS, seed=1)
        history = train_cbow(cbow, small, settings, lambda done, total, note: None)
        return cbow, history

    (one, history), (_, again) = trained(), trained()
    assert history == again
    assert one.nll(corpus.valid).mean() == pytest.approx(min(history), rel=1e-12)


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="window: must be at least 1, got 0"):
        model(True, window=0)
