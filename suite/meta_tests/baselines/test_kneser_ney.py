"""Kneser-Ney: the definition carried out word by word, exact probabilities, and the published figure on real text."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from timernn_suite.baselines.kneser_ney import KneserNey, estimate_discounts
from timernn_suite.corpus import load_corpus

V, EOS = 7, 0
#: Table 4.1 of Mikolov's thesis (2012): a 5-gram with modified Kneser-Ney smoothing on the Penn Treebank's test text.
PUBLISHED = 141.2


def text(n=400, seed=0, words=V):
    """Return a text with short sentences, in which some words are rare."""
    draws = np.random.default_rng(seed).geometric(0.35, n) - 1
    ids = np.minimum(draws, words - 1)
    ids[-1] = EOS
    return ids.astype(np.int32)


def by_definition(train, order, history, word):
    """Return P(word | history) by the equations, with dictionaries of tuples; contexts end at ``<eos>``."""

    def context_of(before):
        kept = ()
        for token in reversed(before):
            if len(kept) == order - 1 or (kept and kept[0] == EOS):
                break
            kept = (token, *kept)
        return kept

    occurrences = Counter()
    stream = [EOS, *train.tolist()]
    for place in range(1, len(stream)):
        context = context_of(stream[:place])
        for length in range(len(context) + 1):
            occurrences[(*context[len(context) - length :], stream[place])] += 1

    def count(gram):
        if len(gram) == order or (len(gram) > 1 and gram[0] == EOS):
            return occurrences[gram]
        return sum(1 for longer in occurrences if longer[1:] == gram)

    def probability(context, word):
        lower = 1 / V if not context else probability(context[1:], word)
        followers = [gram for gram in occurrences if gram[:-1] == context]
        total = sum(map(count, followers))
        if not total:
            return lower if context else 1 / V
        every = [count(gram) for gram in occurrences if len(gram) == len(context) + 1]
        discounts = estimate_discounts(np.array(every))
        left_over = sum(discounts[min(count(gram), 3)] for gram in followers)
        own = count((*context, word))
        return (own - discounts[min(own, 3)] + left_over * lower) / total

    return probability(context_of([EOS, *history]), word)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_are_those_of_the_definition(order):
    train, other = text(120), text(40, seed=1)
    found = np.exp(-KneserNey(train, V, EOS, order=order).nll(other))
    want = [by_definition(train, order, other[:place].tolist(), int(word)) for place, word in enumerate(other)]
    np.testing.assert_allclose(found, want, rtol=1e-12)


@pytest.mark.parametrize("across_sentences", [False, True])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_every_context_has_a_distribution(order, across_sentences):
    """The types 7 and 8 never come in training, and most of the random contexts don't either."""
    model = KneserNey(text(), V + 2, EOS, order=order, across_sentences=across_sentences)
    draws = np.random.default_rng(5)
    for length in (0, 1, 3, 9) * 5:
        distribution = model.distribution(draws.integers(0, V + 2, length))
        assert distribution.min() > 0
        assert math.fsum(distribution) == pytest.approx(1, abs=1e-12)


def test_the_loss_of_a_token_is_that_of_its_distribution():
    model, ids = KneserNey(text(), V, EOS, order=4), text(30, seed=2)
    want = [-math.log(model.distribution(ids[:place])[word]) for place, word in enumerate(ids)]
    np.testing.assert_allclose(model.nll(ids), want, rtol=1e-12)


@pytest.mark.parametrize(("across_sentences", "differs"), [(False, False), (True, True)])
def test_a_context_ends_with_its_sentence(across_sentences, differs):
    model = KneserNey(text(), V, EOS, order=3, across_sentences=across_sentences)
    one, another = (model.distribution(np.array([word, EOS])) for word in (1, 2))
    assert np.array_equal(one, another) is not differs


def test_no_token_knows_what_comes_after_it():
    model, ids = KneserNey(text(), V, EOS), text(50, seed=3)
    changed = ids.copy()
    changed[30:] = 1
    np.testing.assert_array_equal(model.nll(ids)[:30], model.nll(changed)[:30])


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "int64"])
def test_the_integer_type_of_a_text_makes_no_difference(dtype):
    """A product of two ids must not overflow."""
    ids = np.random.default_rng(0).integers(0, 60_000, 500)
    want, found = (KneserNey(typed, 60_000, EOS).nll(typed) for typed in (ids.astype("int32"), ids.astype(dtype)))
    np.testing.assert_array_equal(found, want)


def test_discounts_are_chen_and_goodmans():
    counts = np.repeat([1, 2, 3, 4, 9], [40, 15, 8, 4, 20])
    single = 40 / 70
    want = [0, 1 - 2 * single * 15 / 40, 2 - 3 * single * 8 / 15, 3 - 4 * single * 4 / 8]
    np.testing.assert_allclose(estimate_discounts(counts), want, rtol=1e-15)


@pytest.mark.parametrize(
    ("counts", "discount"),
    [([1, 1, 2, 4], 0.5), ([1, 2, 3, 3, 3], 1 / 3), ([1, 1], 0.5), ([2, 3, 3], 0.5), ([], 0.5)],
    ids=["no count of 3", "estimates out of range", "no count of 2", "no count of 1", "nothing"],
)
def test_a_text_too_small_for_three_discounts_has_one(counts, discount):
    np.testing.assert_allclose(estimate_discounts(np.array(counts, dtype=int)), [0, discount, discount, discount])


@pytest.mark.parametrize(
    ("ids", "order", "complaint"),
    [(text(), 0, "order: must be at least 1, got 0"), (text()[:0], 2, "ids: must hold at least one token")],
)
def test_what_makes_no_model_is_named(ids, order, complaint):
    with pytest.raises(ValueError, match=complaint):
        KneserNey(ids, V, EOS, order=order)


def test_the_published_perplexity_is_reproduced(ptb_folder, tmp_path):
    corpus = load_corpus("ptb", data=ptb_folder, cache=tmp_path)
    model = KneserNey(corpus.train, len(corpus.vocabulary), corpus.vocabulary.eos_id)
    nll = model.nll(corpus.test)
    assert len(nll) == 82_430
    assert math.exp(math.fsum(nll) / len(nll)) == pytest.approx(PUBLISHED, abs=0.05)  # the last digit that is printed
