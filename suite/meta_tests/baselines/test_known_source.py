"""On text whose source is known: nothing beats the source, and what can reach it comes near."""

from __future__ import annotations

import math

import numpy as np
import pytest

from timernn import load_backend
from timernn_suite.baselines.cbow_training import CbowSettings
from timernn_suite.baselines.kneser_ney import KneserNey
from timernn_suite.baselines.measure import Settings, measure, score_run
from timernn_suite.baselines.tokens import SCORED_SPLITS, rnn_loss
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.perplexity import PTB_C1, evaluate
from timernn_suite.lm.recipes import load_recipe
from timernn_suite.lm.rnnlm import Rnnlm
from timernn_suite.lm.trained import Trained

#: The mean of differences a token may lie this many of its standard errors below zero: once in 30,000 texts.
STANDARD_ERRORS = 4


def recurrent(corpus, dtype="float32"):
    V = len(corpus.vocabulary)
    return Rnnlm(load_backend("numpy"), initial_weights(V, 5, 6, seed=0, dtype=dtype))


@pytest.fixture(scope="module")
def results(corpus):
    settings = Settings(windows=(1, 2), cbow=CbowSettings(epochs=4, embedding_size=16), cache_sizes=(50, 500))
    trained = Trained(recurrent(corpus), corpus.vocabulary, load_recipe("markov"), {})
    return {scored.name: scored for scored in measure(corpus, load_backend("numpy"), settings, {"untrained": trained})}


def test_everything_that_was_asked_for_is_there_under_its_kind(results):
    assert {name: scored.kind for name, scored in results.items()} == {
        "uniform": "static",
        "unigram": "static",
        "KN5": "static",
        "KN5 + cache": "cache",
        "CBOW 1": "static",
        "CBOW 2 sum": "static",
        "CBOW 2 concat": "static",
        "RNN untrained": "static",
        "RNN untrained + KN5": "interpolated",
        "RNN untrained + KN5 + cache": "interpolated",
    }


@pytest.mark.parametrize("split", SCORED_SPLITS)
def test_nothing_beats_the_source(results, corpus, source, split):
    ids = getattr(corpus, split)
    least = -source.log_probabilities(ids)[np.arange(len(ids)), ids]
    for scored in results.values():
        above = scored.nll[split] - least
        assert above.mean() > -STANDARD_ERRORS * above.std() / math.sqrt(len(ids)), scored.name


@pytest.mark.parametrize("across_sentences", [False, True])
def test_n_grams_one_longer_than_the_sources_order_come_near_it(corpus, source, across_sentences):
    def above(order):
        model = KneserNey(corpus.train, len(corpus.vocabulary), 0, order=order, across_sentences=across_sentences)
        return model.nll(corpus.test).mean() - source.sample_entropy(corpus.test)

    # To estimate p free parameters from n tokens costs about p / 2n nats a token; there are 20² contexts of 19 each.
    cost = 20**2 * 19 / (2 * len(corpus.train))
    assert 0 < above(3) < cost
    assert above(2) > 3 * cost


def test_a_model_that_forgets_order_loses_to_one_that_keeps_it(results):
    assert results["CBOW 2 concat"].evaluation("test").nll < results["CBOW 2 sum"].evaluation("test").nll
    assert results["CBOW 2 concat"].evaluation("test").nll < results["CBOW 1"].evaluation("test").nll


def test_unigrams_cost_what_the_source_says(results, source):
    test = results["unigram"].evaluation("test")
    assert test.nll / test.tokens == pytest.approx(source.unigram_entropy, abs=0.05)


def test_every_token_is_scored_by_the_protocol(results, corpus):
    for scored in results.values():
        for split in SCORED_SPLITS:
            found = scored.evaluation(split)
            assert (found.protocol, found.tokens) == (PTB_C1, len(getattr(corpus, split)))
    assert results["uniform"].evaluation("test").perplexity == pytest.approx(20, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_recurrent_model_scores_as_by_evaluate(corpus, dtype):
    model = recurrent(corpus, dtype)
    found = score_run("any", Trained(model, corpus.vocabulary, load_recipe("markov"), {}), corpus).evaluation("test")
    assert found == evaluate(model, corpus.test, 0)


def test_scoring_leaves_a_recurrent_models_state(corpus):
    model = recurrent(corpus)
    model.predict(np.array([[1, 2]]))
    before = model.state
    rnn_loss(model, 0)(corpus.valid)
    np.testing.assert_array_equal(model.state, before, strict=True)
