from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from timernn.contract import LabelError
from timernn_suite.corpus import load_corpus
from timernn_suite.corpus.markov import MarkovSource
from timernn_suite.corpus.markov_tables import conditional_entropy, uniforms

#: Of the ids as little-endian int32. A change means that every figure measured on this corpus is of another text.
TRAIN_SHA256 = "0f94c87f1e1a76609d03903212562c98160f31d7ce312aa1058659959564ff7e"


@pytest.fixture(scope="module")
def source():
    return MarkovSource()


@pytest.fixture(scope="module")
def train(source):
    return source.sample(120_000, "train")


def perplexities(source):
    names = ("entropy_rate", "order_blind_entropy_rate", "first_order_entropy_rate", "unigram_entropy")
    return [math.exp(getattr(source, name)) for name in names]


def test_the_default_corpus_keeps_its_bits():
    corpus = load_corpus()

    digest = hashlib.sha256(np.asarray(corpus.train, dtype="<i4").tobytes()).hexdigest()
    assert digest == TRAIN_SHA256
    assert corpus.sha256["train"] == digest


def test_the_default_corpus_says_what_it_is(source):
    corpus = load_corpus("markov")

    assert corpus.name == "markov"
    assert [len(split) for split in (corpus.train, corpus.valid, corpus.test)] == [120_000, 12_000, 12_000]
    assert len(corpus.vocabulary) == 400
    assert corpus.vocabulary.words[corpus.vocabulary.eos_id] == "<eos>"
    assert corpus.vocabulary.unk_id is None
    assert corpus.entropy_rate == source.entropy_rate
    assert not any(split.flags.writeable for split in (corpus.train, corpus.valid, corpus.test))


def test_seeds_and_purposes_give_different_texts_and_the_same_ones_the_same():
    texts = {
        (seed, purpose): MarkovSource(seed).sample(500, purpose).tobytes()
        for seed in (0, 1)
        for purpose in ("train", "valid", "test")
    }

    assert len(set(texts.values())) == 6
    assert MarkovSource(1).sample(500, "test").tobytes() == texts[1, "test"]


def test_a_shorter_text_begins_a_longer_one(source, train):
    assert np.array_equal(source.sample(1000, "train"), train[:1000])


def test_uniform_numbers_are_those_of_the_raw_bits():
    """A platform or a NumPy that gives other numbers fails here, and not first in the corpus' hash."""
    child = np.random.SeedSequence(0, spawn_key=(2,))  # "train" is the third purpose
    expected = [(int(bits) >> 11) / 2**53 for bits in np.random.PCG64(child).random_raw(6)]

    assert uniforms(0, "train", 3, 2).ravel().tolist() == expected


def test_an_unknown_purpose_is_refused(source):
    with pytest.raises(ValueError, match=r"purpose: must be one of .*got 'dev'"):
        source.sample(10, "dev")


def test_words_are_distinct_lower_case_and_classes_share_them(source):
    words = source.vocabulary.words

    assert words[0] == "<eos>"
    assert len(set(words)) == 400
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words[1:])
    assert np.bincount(source.class_of).tolist() == [1] + [37] * 3 + [36] * 8


@pytest.mark.parametrize("types", [12, 20_000])
def test_other_vocabulary_sizes_work(types):
    source = MarkovSource(3, types=types)

    assert len(set(source.vocabulary.words)) == types
    assert source.sample(1000, "valid").max() < types


@pytest.mark.parametrize("options", [{"classes": 2}, {"types": 5}, {"sentence_length": 0.5}])
def test_impossible_sources_are_refused(options):
    with pytest.raises(ValueError, match="a Markov source needs"):
        MarkovSource(**options)


def test_the_pair_distribution_is_stationary(source):
    after = np.einsum("ab,abc->bc", source.pairs, source.transitions)

    assert source.pairs.sum() == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(after, source.pairs, rtol=0, atol=1e-15)
    assert np.argwhere(source.pairs == 0).tolist() == [[0, 0]]


def test_the_text_visits_pairs_as_the_stationary_distribution_says(source, train):
    classes = source.class_of[train]
    counts = np.zeros_like(source.pairs)
    np.add.at(counts, (classes[:-1], classes[1:]), 1)

    assert counts[0, 0] == 0
    np.testing.assert_allclose(counts / counts.sum(), source.pairs, rtol=0, atol=0.004)
    assert not np.allclose(counts / counts.sum(), source.pairs.T, rtol=0, atol=0.02)


def test_sentences_have_about_ten_words(train):
    ends = np.flatnonzero(train == 0)

    assert 8 < np.diff(ends).mean() - 1 < 12
    assert np.diff(ends).min() >= 2
    assert train[0] != 0


@pytest.mark.parametrize("seed", range(4))
def test_entropies_are_where_the_workload_needs_them(seed):
    rate, order_blind, first_order, unigram = perplexities(MarkovSource(seed))

    assert 25 < rate < 40
    assert order_blind > 1.1 * rate
    assert first_order > 1.3 * rate
    assert 150 < unigram < 250


def test_entropies_agree_with_sums_over_all_histories():
    """The closed forms against sums over words, on a source small enough to write out every triple of words."""
    source = MarkovSource(5, types=14, classes=4, sentence_length=4)
    of, word = source.class_of, source.word_probability
    history = source.pairs[of][:, of] * word[:, None] * word[None, :]
    joint = history[:, :, None] * source.transitions[of][:, of][:, :, of] * word
    assert joint.sum() == pytest.approx(1, abs=1e-13)

    def entropy_given(key):
        groups = {}
        for (a, b, c), p in np.ndenumerate(joint):
            group = groups.setdefault(key(a, b), {})
            group[c] = group.get(c, 0.0) + p
        return -math.fsum(
            p * math.log(p / math.fsum(group.values())) for group in groups.values() for p in group.values() if p > 0
        )

    assert source.entropy_rate == pytest.approx(entropy_given(lambda a, b: (a, b)), abs=1e-12)
    assert source.order_blind_entropy_rate == pytest.approx(
        entropy_given(lambda a, b: tuple(sorted((a, b)))), abs=1e-12
    )
    assert source.first_order_entropy_rate == pytest.approx(entropy_given(lambda _, b: b), abs=1e-12)
    assert source.unigram_entropy == pytest.approx(entropy_given(lambda *_: None), abs=1e-12)


def test_conditional_entropy_of_a_fair_and_a_certain_outcome():
    assert conditional_entropy(np.array([[0.25, 0.25], [0.5, 0.0]])) == pytest.approx(0.5 * math.log(2), abs=1e-15)


@pytest.mark.parametrize("purpose", ["train", "valid"])
def test_the_entropy_rate_is_the_mean_over_a_text(source, purpose):
    text = source.sample(120_000, purpose)
    log_p = np.concatenate(
        [
            np.take_along_axis(source.log_probabilities(text, k, k + 4000), text[k : k + 4000, None], axis=1)[:, 0]
            for k in range(0, len(text), 4000)
        ]
    )
    # Losses of neighbours are correlated: the standard error comes from the means of blocks, which hardly are.
    blocks = -log_p.reshape(200, 600).mean(axis=1)
    standard_error = blocks.std(ddof=1) / math.sqrt(len(blocks))

    assert standard_error < 0.01
    assert abs(blocks.mean() - source.entropy_rate) < 4 * standard_error


def test_conditional_probabilities_sum_to_one(source, train):
    probabilities = np.exp(source.log_probabilities(train[:3000]))

    assert probabilities.shape == (3000, 400)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_conditional_probabilities_are_those_of_the_next_token_not_of_this_one(source, train):
    """The distribution at a position must not change with the token there, nor with any after it."""
    text = train[:50].copy()
    before = source.log_probabilities(text)
    text[30:] = text[30:][::-1]
    after = source.log_probabilities(text)

    assert np.array_equal(before[:31], after[:31])
    assert not np.array_equal(before[31:], after[31:])


def test_a_text_starts_as_after_two_ends_of_sentence(source):
    word = np.flatnonzero(source.class_of == 5)[0]
    log_p = source.log_probabilities(np.array([word, word]))

    assert log_p[0, 0] == -math.inf
    assert log_p[0, word] == pytest.approx(math.log(source.transitions[0, 0, 5] * source.word_probability[word]))
    assert log_p[1, word] == pytest.approx(math.log(source.transitions[0, 5, 5] * source.word_probability[word]))


def test_order_matters(source):
    """For most pairs of classes, what follows (a, b) is far from what follows (b, a)."""
    distance = np.abs(source.transitions - source.transitions.transpose(1, 0, 2)).sum(axis=2) / 2
    words = distance[1:, 1:][~np.eye(11, dtype=bool)]

    assert np.median(words) > 0.5


def test_pieces_of_log_probabilities_are_the_whole(source, train):
    whole = source.log_probabilities(train[:100])
    pieces = [source.log_probabilities(train[:100], start, min(start + 7, 100)) for start in range(0, 100, 7)]

    assert np.array_equal(np.concatenate(pieces), whole)


def test_sample_entropy_agrees_with_log_probabilities(source, train):
    text = train[:20_000]
    log_p = np.take_along_axis(source.log_probabilities(text), text[:, None], axis=1)

    assert source.sample_entropy(text) == pytest.approx(-math.fsum(log_p.ravel()) / len(text), rel=1e-12, abs=0)


def test_sample_entropy_of_what_never_comes_is_infinite(source):
    assert source.sample_entropy(np.array([3, 0, 0])) == math.inf


def test_sample_entropy_of_no_text_is_refused(source):
    with pytest.raises(ValueError, match="ids: must have at least one token"):
        source.sample_entropy(np.array([], dtype=np.int32))


@pytest.mark.parametrize("outside", [-1, 400])
def test_ids_outside_the_vocabulary_are_refused(source, outside):
    ids = np.array([1, outside])
    for method in (source.log_probabilities, source.sample_entropy):
        with pytest.raises(LabelError, match=f"^ids: every id must lie in 0 … 399, got {outside}$"):
            method(ids)
