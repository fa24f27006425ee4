"""A seeded text source of order 2 whose entropy rate is known: the offline corpus, and a proof for evaluators."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import LabelError
from timernn_suite.corpus import markov_tables as tables
from timernn_suite.corpus.markov_tables import Floats
from timernn_suite.corpus.model import Ids, Vocabulary


class MarkovSource:
    """Text of made-up words in which each word depends on the two before it, and on their order.

    Every type belongs to a class; ``<eos>`` alone makes up class 0. The next class is drawn given the classes of
    the last two tokens, the word given its class alone, by Zipf's law. So the entropy rate has a closed form, and a
    model has to carry order to reach it. A text starts as if two ``<eos>`` came before; later, ``<eos>`` never
    follows ``<eos>``.

    Parameters
    ----------
    seed : int
        Decides everything; the same seed gives the same text everywhere.
    types : int
        V, the size of the vocabulary with ``<eos>``.
    classes : int
        C, with the class of ``<eos>``.
    sentence_length : float
        Words in a sentence in the mean, ``<eos>`` not counted.

    Attributes
    ----------
    vocabulary : Vocabulary
        ``<eos>`` is 0; there is no ``<unk>``.
    class_of : int array (V,)
        The class of every type.
    word_probability : float64 array (V,)
        P(word | its class).
    transitions : float64 array (C, C, C)
        P(next class | class before last, last class), indexed in that order.
    pairs : float64 array (C, C)
        The stationary probability of two successive classes.

    Raises
    ------
    ValueError
        If there are fewer than 3 classes, fewer types than classes, or sentences of less than one word.

    Notes
    -----
    All entropies are in nats a token. By default their perplexities are about 31 (`entropy_rate`), 42
    (`order_blind_entropy_rate`), 54 (`first_order_entropy_rate`) and 177 (`unigram_entropy`).
    """

    def __init__(self, seed: int = 0, *, types: int = 400, classes: int = 12, sentence_length: float = 10.0) -> None:
        if classes < 3 or types < classes or sentence_length < 1:
            raise ValueError(
                "a Markov source needs classes >= 3, types >= classes and sentence_length >= 1, got "
                f"classes={classes}, types={types}, sentence_length={sentence_length}"
            )
        self.seed = seed
        self.vocabulary = Vocabulary(tables.made_up_words(seed, types))
        sizes = tables.class_sizes(types, classes)
        self.class_of = np.repeat(np.arange(classes), sizes)
        self.word_probability = np.concatenate([tables.zipf(size) for size in sizes])
        self.transitions = tables.class_transitions(seed, classes, sentence_length)
        self.pairs = tables.stationary_pairs(self.transitions)
        for array in (self.class_of, self.word_probability, self.transitions, self.pairs):
            array.setflags(write=False)

    @property
    def entropy_rate(self) -> float:
        """The entropy rate: no model can stay below it on held-out text."""
        return self._with_words(self._triples())

    @property
    def order_blind_entropy_rate(self) -> float:
        """The entropy given the last two classes without their order: what a sum of context vectors can reach."""
        triples = self._triples()
        return self._with_words((triples + triples.transpose(1, 0, 2)) / 2)

    @property
    def first_order_entropy_rate(self) -> float:
        """The entropy given the last class alone: what a bigram model can reach."""
        return self._with_words(self._triples().sum(axis=0))

    @property
    def unigram_entropy(self) -> float:
        """The entropy of a token on its own."""
        return self._with_words(self.pairs.sum(axis=0))

    def sample(self, tokens: int, purpose: str) -> Ids:
        """Draw a text.

        Parameters
        ----------
        tokens : int
            How many; a shorter text is the beginning of a longer one.
        purpose : str
            ``"train"``, ``"valid"`` or ``"test"``: independent texts of the same source.

        Returns
        -------
        int32 array (tokens,)
            Ids, read-only.
        """
        draws = tables.uniforms(self.seed, purpose, tokens, 2)
        classes = self._sample_classes(draws[:, 0])
        ids = np.empty(tokens, dtype=np.int32)
        for c in range(len(self.pairs)):
            members = np.flatnonzero(self.class_of == c)
            edges = np.cumsum(self.word_probability[members])[:-1]  # without the last, which rounding may put below 1
            chosen = classes == c
            ids[chosen] = members[np.searchsorted(edges, draws[chosen, 1], side="right")]
        ids.setflags(write=False)
        return ids

    def log_probabilities(self, ids: NDArray[np.integer[Any]], start: int = 0, stop: int | None = None) -> Floats:
        """Return ln P(every type | the tokens before), exactly, for the positions from ``start`` to ``stop``.

        Parameters
        ----------
        ids : int array (n,)
            A text, from its beginning.
        start, stop : int
            The positions that are wanted, for a long text in pieces; by default all.

        Returns
        -------
        float64 array (stop - start, V)
            -inf for what never comes: ``<eos>`` after ``<eos>``, and as a text's first token.

        Raises
        ------
        LabelError
            If an id lies outside ``0 … V-1``.
        """
        classes = np.concatenate(([0, 0], self._classes(ids)))
        before_last, last = classes[:-2][start:stop], classes[1:-1][start:stop]
        with np.errstate(divide="ignore"):
            transitions = np.log(self.transitions)
        return np.asarray(transitions[before_last, last][:, self.class_of] + np.log(self.word_probability))

    def sample_entropy(self, ids: NDArray[np.integer[Any]]) -> float:
        """Return the mean of -ln P(token | the tokens before) over a text, in nats a token.

        An evaluator that is fed `log_probabilities` has to return this. It shares no arithmetic with that method:
        one logarithm a factor, added without rounding errors by `math.fsum`.

        Raises
        ------
        LabelError
            If an id lies outside ``0 … V-1``.
        ValueError
            If the text is empty.
        """
        classes = [0, 0, *self._classes(ids).tolist()]
        if len(classes) == 2:
            raise ValueError("ids: must have at least one token")
        factors = [self.transitions[a, b, c] for a, b, c in zip(classes, classes[1:], classes[2:], strict=False)]
        factors += [self.word_probability[word] for word in ids]
        if 0.0 in factors:
            return math.inf
        return -math.fsum(math.log(factor) for factor in factors) / len(ids)

    def _triples(self) -> Floats:
        return np.asarray(self.pairs[:, :, None] * self.transitions)

    def _with_words(self, joint: Floats) -> float:
        """Add to the entropy of the class, the last axis of ``joint``, that of the word given its class."""
        words = self.pairs.sum(axis=0)[self.class_of] * self.word_probability
        return tables.conditional_entropy(joint) - float(np.sum(words * np.log(self.word_probability)))

    def _sample_classes(self, draws: Floats) -> NDArray[np.int64]:
        edges = np.cumsum(self.transitions, axis=2)[:, :, :-1].tolist()
        classes = []
        before_last, last = 0, 0
        for draw in draws.tolist():
            before_last, last = last, bisect_right(edges[before_last][last], draw)
            classes.append(last)
        return np.array(classes, dtype=np.int64)

    def _classes(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        outside = ids[(ids < 0) | (ids >= len(self.class_of))]
        if len(outside):
            raise LabelError(f"ids: every id must lie in 0 … {len(self.class_of) - 1}, got {outside[0]}")
        return np.asarray(self.class_of[ids])
