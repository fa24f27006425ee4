"""The probability of a sentence by the chain rule."""

from __future__ import annotations

import math

import numpy as np
import pytest

from timernn import load_backend
from timernn_suite.corpus import Vocabulary
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.perplexity import evaluate
from timernn_suite.lm.rnnlm import Rnnlm
from timernn_suite.lm.scoring import ScoringError, score

WORDS = ("<unk>", "you", "say", "goodbye", "<eos>", "and", "i", "hello")


@pytest.fixture
def model():
    weights = initial_weights(len(WORDS), 4, 6, seed=1, dtype="float64")
    return Rnnlm(load_backend("numpy"), {name: 5 * value for name, value in weights.items()})


def test_the_joint_probability_is_the_product_of_the_conditional_ones(model):
    vocabulary = Vocabulary(WORDS)
    scored = score(model, vocabulary, ["you", "say", "hello"])
    product = 1.0
    history = [vocabulary.eos_id]
    for word in ("you", "say", "hello", "<eos>"):
        scores = model.for_evaluation().predict(np.array([history]))[0, -1]
        probabilities = np.exp(scores) / np.exp(scores).sum()
        product *= probabilities[WORDS.index(word)]
        history.append(WORDS.index(word))
    assert math.exp(scored.log_probability) == pytest.approx(product, rel=1e-12)
    assert list(scored.words) == ["you", "say", "hello", "<eos>"]


def test_a_sentence_scores_as_the_beginning_of_a_text(model):
    vocabulary = Vocabulary(WORDS)
    ids, _ = vocabulary.encode_words(["i", "say", "goodbye"])
    found = evaluate(model, np.append(ids, vocabulary.eos_id), vocabulary.eos_id)
    scored = score(model, vocabulary, ["i", "say", "goodbye"])
    assert scored.log_probability == pytest.approx(-found.nll, rel=1e-12)
    assert scored.perplexity == pytest.approx(found.perplexity, rel=1e-12)


def test_unknown_words_are_named_once_and_scored_as_unk(model):
    vocabulary = Vocabulary(WORDS)
    scored = score(model, vocabulary, ["farewell", "say", "farewell"])
    assert list(scored.unknown) == ["farewell"]
    as_unk = score(model, vocabulary, ["<unk>", "say", "<unk>"])
    assert scored.log_probability == as_unk.log_probability
    assert list(as_unk.unknown) == []
    assert list(scored.words) == ["farewell", "say", "farewell", "<eos>"]


def test_the_models_state_is_left_as_it_was(model):
    model.predict(np.array([[1, 2]]))
    before = model.state
    score(model, Vocabulary(WORDS), ["you"])
    np.testing.assert_array_equal(model.state, before)


def test_no_words_and_unknown_words_without_unk_are_refused(model):
    with pytest.raises(ScoringError, match="sentence: must have at least one word, got none"):
        score(model, Vocabulary(WORDS), [])
    without = Vocabulary(("none", *WORDS[1:]))
    with pytest.raises(ScoringError, match="knows no farewell, adieu"):
        score(model, without, ["farewell", "adieu", "you"])
