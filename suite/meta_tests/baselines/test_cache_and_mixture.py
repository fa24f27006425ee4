"""The unigram cache against its definition, and the weights of mixtures against known ones."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from timernn_suite.baselines.cache import UnigramCache
from timernn_suite.baselines.frequencies import Uniform, Unigram
from timernn_suite.baselines.measure import tune_cache
from timernn_suite.baselines.mixture import fit_weights, interpolate, mixed_nll
from timernn_suite.baselines.tokens import CACHE, STATIC, Scored, score


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_token_has_its_share_of_the_last_tokens(size):
    ids = np.random.default_rng(0).integers(0, 5, 60).astype(np.uint16)
    history = [0, *ids.tolist()]
    want = []
    for place in range(1, len(history)):
        lately = history[max(0, place - size) : place]
        want.append(Counter(lately)[history[place]] / len(lately))
    np.testing.assert_allclose(np.exp(-UnigramCache(size, 0).nll(ids)), want, rtol=1e-12)


def test_a_cache_of_nothing_is_refused():
    with pytest.raises(ValueError, match="size: must be at least 1, got 0"):
        UnigramCache(0, 0)


def test_unigrams_are_relative_frequencies():
    np.testing.assert_array_equal(Unigram(np.array([2, 0, 2, 1]), 3).probabilities, [0.25, 0.25, 0.5])


def test_types_that_training_never_saw_share_the_count_of_one_token():
    unigram = Unigram(np.array([2, 0, 2]), 5)
    np.testing.assert_allclose(unigram.probabilities, [1 / 4, 1 / 12, 2 / 4, 1 / 12, 1 / 12], rtol=1e-15)
    assert np.isfinite(unigram.nll(np.arange(5))).all()


def test_weights_are_those_that_the_text_was_drawn_with():
    draws, truth = np.random.default_rng(0), np.array([0.7, 0.3])
    models = draws.dirichlet(np.ones(6), size=2)
    ids = draws.choice(6, size=40_000, p=truth @ models)
    np.testing.assert_allclose(fit_weights(-np.log(models[:, ids])), truth, atol=0.02)


def test_no_other_weights_are_better():
    nll = np.random.default_rng(1).exponential(size=(3, 200))
    best = fit_weights(nll)
    assert best.sum() == pytest.approx(1, abs=1e-12)
    corners, middle = np.eye(3), np.full(3, 1 / 3)
    for other in (*corners, middle, 0.99 * best + 0.01 * middle, *(0.99 * best + 0.01 * corners)):
        assert mixed_nll(nll, best).sum() <= mixed_nll(nll, other).sum() + 1e-6


def test_a_model_that_excludes_a_token_is_no_harm_to_a_mixture():
    nll = np.array([[np.inf, 0.5, 0.1], [1.0, 1.0, 1.0]])
    assert np.isfinite(mixed_nll(nll, fit_weights(nll))).all()


def test_a_token_that_every_model_excludes_is_an_error():
    with pytest.raises(ValueError, match="possible under at least one model"):
        fit_weights(np.array([[np.inf, 1.0], [np.inf, 1.0]]))


def test_losses_of_any_size_are_mixed_without_underflow():
    np.testing.assert_allclose(mixed_nll(np.array([[2000.0], [2001.0]]), np.array([1.0, 0.0])), [2000.0])


def test_weights_are_fitted_on_valid_and_never_on_test():
    good, bad = np.full(50, 0.5), np.full(50, 3.0)
    one = Scored("one", STATIC, {"valid": good, "test": bad}, 0.0, {})
    two = Scored("two", STATIC, {"valid": bad, "test": good}, 0.0, {})
    mixed = interpolate("mixed", CACHE, [one, two])
    weights = {part["model"]: part["weight"] for part in mixed.settings["weights"]}
    assert weights["one"] > 0.99
    assert mixed.nll["test"].mean() > 2.9


def test_the_size_of_the_cache_is_the_best_on_valid(corpus):
    uniform = score("uniform", corpus, lambda: (Uniform(len(corpus.vocabulary)).nll, {}))
    cache, cached = tune_cache(corpus, uniform, (2, 100, 4))
    losses = {size: tune_cache(corpus, uniform, (size,))[1].evaluation("valid").nll for size in (2, 100, 4)}
    assert cached.kind == CACHE
    assert cached.settings["size"] == cache.settings["size"] == min(losses, key=losses.get) == 100
