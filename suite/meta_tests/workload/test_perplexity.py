"""Perplexity: proved on a source whose probabilities are known, pinned on the Penn Treebank's sizes."""

from __future__ import annotations

import json
import math
import tracemalloc
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from timernn import load_backend
from timernn_suite.corpus import load_corpus
from timernn_suite.corpus.markov import MarkovSource
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.perplexity import (
    BOOK_10X35,
    PTB_C1,
    evaluate,
    evaluate_book,
    evaluate_predictor,
    nll_of_scores,
    perplexity_of,
)
from timernn_suite.lm.rnnlm import Rnnlm


def model(V=11, dtype="float32", scale=8.0):
    weights = initial_weights(V, 4, 6, seed=1, dtype=dtype)
    return Rnnlm(load_backend("numpy"), {name: (scale * w).astype(dtype) for name, w in weights.items()})


def text(length, V=11, seed=0):
    return np.random.default_rng(seed).integers(0, V, length)


def test_every_token_counts_the_first_and_the_last_too():
    # Under a uniform model each token costs ln V, whichever it is.
    found = evaluate_predictor(lambda inputs: np.zeros((len(inputs), 8)), text(513, V=8), 0)
    assert found.tokens == 513
    assert found.nll == pytest.approx(513 * math.log(8), rel=1e-14)
    assert (found.protocol, found.dtype) == (PTB_C1, "float64")


@pytest.mark.parametrize("place", [0, 40, 99])
def test_a_change_of_any_one_token_changes_the_result(place):
    ids = text(100)
    changed = ids.copy()
    changed[place] = (ids[place] + 1) % 11
    assert evaluate(model(), ids, 0).nll != evaluate(model(), changed, 0).nll


def test_scores_of_any_size_have_a_finite_loss():
    scores = np.array([[1000.0, -1000.0], [0.0, -800.0]])
    np.testing.assert_allclose(nll_of_scores(scores, np.array([1, 1])), [2000.0, 800.0])
    assert perplexity_of(2000.0) == math.inf
    assert math.isnan(perplexity_of(math.nan))


def test_a_perplexity_is_infinite_only_beyond_the_largest_float():
    assert perplexity_of(709.7) == math.exp(709.7) < math.inf
    assert perplexity_of(709.8) == math.inf
    assert perplexity_of(math.inf) == math.inf


@pytest.mark.parametrize(("n", "V"), [(40_000, 101), (5, 200_000)])
def test_scores_are_widened_by_blocks_of_a_mebibyte_or_a_row(n, V):
    """A text's scores in float64 would fill the memory, and one row after the other would take long."""
    scores = np.zeros((n, V), dtype=np.float32)
    targets = np.zeros(n, dtype=np.int64)
    tracemalloc.start()
    try:
        nll = nll_of_scores(scores, targets)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(nll, math.log(V), rtol=1e-13)
    block = max(2**20, 8 * V)
    assert 1.5 * block < peak - nll.nbytes < 2.5 * block  # a block is made while there is the one before


def test_a_result_stays_as_it_was_found():
    found = evaluate(model(), text(50), 0)
    with pytest.raises(FrozenInstanceError):
        found.nll = 0.0


def test_a_model_gone_to_nan_says_so():
    found = evaluate_predictor(lambda inputs: np.full((len(inputs), 3), np.nan), text(9, V=3), 0)
    assert math.isnan(found.perplexity)


@pytest.mark.parametrize("evaluator", [lambda m: evaluate(m, text(120), 0), lambda m: evaluate_book(m, text(800))])
def test_evaluation_leaves_the_models_state(evaluator):
    tested = model()
    tested.predict(np.array([[1, 2], [3, 4]]))
    before = tested.state
    evaluator(tested)
    np.testing.assert_array_equal(tested.state, before, strict=True)


@pytest.mark.parametrize("evaluator", [lambda m: evaluate(m, text(120), 0), lambda m: evaluate_book(m, text(800))])
def test_scores_come_to_numpy_by_the_backends_own_conversion(evaluator, monkeypatch):
    tested = model(V=11)
    monkeypatch.setattr(tested.backend, "to_numpy", np.zeros_like)  # a conversion that makes every token as likely
    assert evaluator(tested).perplexity == pytest.approx(11, rel=1e-14)


@pytest.mark.parametrize("evaluator", [lambda m: evaluate(m, text(50), 0), lambda m: evaluate_book(m, text(800))])
def test_the_record_loses_nothing(evaluator):
    found = evaluator(model())
    record = json.loads(json.dumps(found.as_record()))
    assert float.fromhex(record["nll_hex"]) == found.nll
    assert math.exp(record["nll"] / record["tokens"]) == record["perplexity"]
    assert record["dtype"] == "float32"


def test_progress_ends_at_the_last_token():
    told = []
    evaluate(model(), text(100), 0, time_size=30, progress=lambda done, total: told.append((done, total)))
    assert told == [(30, 100), (60, 100), (90, 100), (100, 100)]


def test_what_is_evaluated_may_go_by_name_and_how_must():
    def uniform(inputs):
        return np.zeros((len(inputs), 8))

    ids = text(20, V=8)
    assert evaluate_predictor(predict=uniform, ids=ids, eos_id=0, time_size=7).tokens == 20
    assert evaluate(model=model(), ids=ids, eos_id=0, time_size=7).tokens == 20
    for call in (lambda: evaluate_predictor(uniform, ids, 0, 7), lambda: evaluate(model(), ids, 0, 7)):
        with pytest.raises(TypeError, match="positional"):
            call()


def test_an_empty_text_is_refused():
    with pytest.raises(ValueError, match="ids: must hold at least one token"):
        evaluate(model(), text(0), 0)


def test_the_textbooks_protocol_is_ten_streams_of_35_without_the_tail():
    tested, ids = model(dtype="float64"), text(1234)
    found = evaluate_book(tested, ids)
    assert (found.protocol, found.tokens) == (BOOK_10X35, 3 * 350)
    jump, surprise = 1233 // 10, []
    for stream in range(10):
        alone = tested.for_evaluation()
        inputs = ids[stream * jump : stream * jump + 105]
        scores = alone.predict(inputs[None, :])[0]
        surprise += list(nll_of_scores(scores, ids[stream * jump + 1 : stream * jump + 106]))
    assert found.nll == pytest.approx(math.fsum(surprise), rel=1e-12)


@pytest.mark.parametrize("time_size", [1, 7, 35, 5000])
def test_the_evaluator_returns_the_entropy_of_a_source_that_tells_its_probabilities(time_size):
    source = MarkovSource(3, types=50, classes=6)
    ids = source.sample(5000, "test")
    asked = []

    def predict(inputs):
        start = sum(len(piece) for piece in asked)
        asked.append(inputs)
        return source.log_probabilities(ids, start, start + len(inputs))

    found = evaluate_predictor(predict, ids, source.vocabulary.eos_id, time_size=time_size)
    assert found.perplexity == pytest.approx(math.exp(source.sample_entropy(ids)), rel=1e-12)
    # What it was given to predict from: <eos>, and then the text without its last token.
    assert np.concatenate(asked).tolist() == [source.vocabulary.eos_id, *ids[:-1].tolist()]


def test_both_protocols_have_their_sizes_on_the_penn_treebank(ptb_folder):
    corpus = load_corpus("ptb", data=ptb_folder.parent, download=False)
    tested = model(V=len(corpus.vocabulary))
    assert (len(corpus.test), len(corpus.valid)) == (82_430, 73_760)
    assert evaluate_book(tested, corpus.test).tokens == 82_250
    assert evaluate(tested, corpus.test, corpus.vocabulary.eos_id).tokens == 82_430
