"""Interpolated modified Kneser-Ney smoothing (Chen and Goodman, TR-10-98, 1998) over sorted arrays of n-grams.

A context of j tokens is numbered by its place in the sorted array of the codes ``shorter * V + token``, where
``shorter`` is the number of the same context without its first token, and ``token`` that first token. An n-gram has
the code ``context * V + word``. So every code fits in 64 bits whatever the order, and a context's number leads to that
of the next shorter one, which is where smoothing goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn_suite.baselines.tokens import Floats, contexts

Codes = NDArray[np.int64]

#: Counts of 1, of 2, and of 3 and more have a discount each.
_DISCOUNTED = 3
#: Where a text has no n-gram that occurs once, or none that occurs twice, nothing can be estimated.
_NO_ESTIMATE = 0.5


@dataclass(frozen=True)
class _Level:
    """All contexts of one length, and all words after them.

    ``contexts`` and ``grams`` are sorted codes; ``discounted`` lies along ``grams``, ``totals`` (the sum of the
    counts) and ``left_over`` (the sum of the discounts) along ``contexts``.
    """

    contexts: Codes
    grams: Codes
    discounted: Floats
    totals: Floats
    left_over: Floats
    discounts: Floats


class KneserNey:
    """An n-gram model: P(w | c) = max(count(c w) - D, 0) / total(c) + left_over(c) / total(c) · P(w | shorter c).

    At the highest order counts are occurrences. Below, an n-gram counts once for each token that it was seen after,
    and by its occurrences where no token comes before it: at a sentence's beginning. The unigrams are interpolated
    with 1/V, so that every type has a probability. Nothing is cut off. This is what SRILM does with
    ``-kndiscount -interpolate -gtNmin 1``.

    Parameters
    ----------
    ids : int array (n,)
        The training text, each sentence closed by ``<eos>``.
    V : int
        Size of the vocabulary.
    eos_id : int
        The id of ``<eos>``, which also stands before the text.
    order : int
        n, the longest n-gram with its word.
    across_sentences : bool
        Whether contexts reach over ``<eos>`` into the sentence before. By default they end with it, as in
        SRILM, where ``<eos>`` is ``<s>`` in front of a sentence and ``</s>`` at its end.

    Raises
    ------
    ValueError
        If the order is less than 1, or there is no text.

    Notes
    -----
    On the Penn Treebank's test text an order of 5 has a perplexity of 141.19, which is the 141.2 of Mikolov's thesis
    (2012, table 4.1). With contexts across sentences it is 141.06, with one discount a level instead of three 143.5.
    """

    def __init__(
        self, ids: NDArray[Any], V: int, eos_id: int, *, order: int = 5, across_sentences: bool = False
    ) -> None:
        if order < 1:
            raise ValueError(f"order: must be at least 1, got {order}")
        if len(ids) == 0:
            raise ValueError("ids: must hold at least one token, got none")
        self.V, self.eos_id, self.order, self.across_sentences = V, eos_id, order, across_sentences
        self._levels = self._fit(contexts(ids, eos_id, order - 1), ids)

    @property
    def discounts(self) -> list[list[float]]:
        """For each order from the lowest, what is taken off a count of 1, of 2, and of 3 and more."""
        return [level.discounts[1:].tolist() for level in self._levels]

    def nll(self, ids: NDArray[Any]) -> Floats:
        """Return the negative log-likelihood in nats of each token of a text, (n,)."""
        losses: Floats = -np.log(self._probabilities(contexts(ids, self.eos_id, self.order - 1), ids))
        return losses

    def distribution(self, ids: NDArray[Any]) -> Floats:
        """Return P(every type | the text so far), (V,)."""
        before = contexts(np.append(ids, self.eos_id), self.eos_id, self.order - 1)[-1:]
        return self._probabilities(before.repeat(self.V, axis=0), np.arange(self.V))

    def _reach(self, before: NDArray[Any]) -> NDArray[np.int64]:
        """Return how many tokens of each context count, (n,)."""
        longest = np.full(len(before), before.shape[1])
        if self.across_sentences or self.order == 1:
            return longest
        ends = before == self.eos_id
        return np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, longest)

    def _fit(self, before: NDArray[Any], words: NDArray[Any]) -> list[_Level]:
        reach = self._reach(before)
        context = np.zeros(len(words), dtype=np.int64)
        alive = np.arange(len(words))
        counted: list[tuple[Codes, Codes, NDArray[np.int64]]] = []
        for size in range(self.order):
            known = np.zeros(1, dtype=np.int64)
            if size:
                alive = alive[reach[alive] >= size]
                codes = context[alive] * self.V + before[alive, size - 1]
                known, context[alive] = np.unique(codes, return_inverse=True)
            codes = context[alive] * self.V + words[alive]
            grams = np.unique(codes)
            # Only where no longer n-gram ends in this one does an occurrence count: at the highest order everywhere.
            counts = _tally(grams, codes[reach[alive] == size])
            if size:
                _, shorter_grams, shorter_counts = counted[-1]
                shorter_counts += _tally(shorter_grams, known[grams // self.V] // self.V * self.V + grams % self.V)
            counted.append((known, grams, counts))
        return [self._level(*level) for level in counted]

    def _level(self, known: Codes, grams: Codes, counts: NDArray[np.int64]) -> _Level:
        discounts = estimate_discounts(counts)
        taken = discounts[np.minimum(counts, _DISCOUNTED)]
        after = grams // self.V
        totals, left_over = (np.bincount(after, weights=each, minlength=len(known)) for each in (counts, taken))
        return _Level(known, grams, counts - taken, totals.astype(np.float64), left_over.astype(np.float64), discounts)

    def _probabilities(self, before: NDArray[Any], words: NDArray[Any]) -> Floats:
        """Return P(word | context) of each row, (n,): from no context at all to the longest that was seen."""
        reach = self._reach(before)
        probabilities = np.full(len(words), 1 / self.V)
        context = np.zeros(len(words), dtype=np.int64)
        alive = np.arange(len(words))
        for size, level in enumerate(self._levels):
            if size:
                alive = alive[reach[alive] >= size]
                places, found = _find(level.contexts, context[alive] * self.V + before[alive, size - 1])
                alive = alive[found]
                context[alive] = places[found]
            here = context[alive]
            places, found = _find(level.grams, here * self.V + words[alive])
            share = np.zeros(len(alive))
            share[found] = level.discounted[places[found]]
            probabilities[alive] = (share + level.left_over[here] * probabilities[alive]) / level.totals[here]
        return probabilities


def estimate_discounts(counts: NDArray[np.integer[Any]]) -> Floats:
    """Return what is taken off counts of 0, 1, 2, and 3 and more, (4,).

    These are Chen and Goodman's estimates from how many n-grams occur once to four times (their equation 26). A text
    for which one of them doesn't lie between 0 and its count has one discount for all (Ney, Essen and Kneser 1994),
    or a half where that can't be estimated either.
    """
    once, twice, thrice, four_times = (int(np.count_nonzero(counts == times)) for times in (1, 2, 3, 4))
    if not (once and twice):
        return np.array([0, *[_NO_ESTIMATE] * _DISCOUNTED])
    single = once / (once + 2 * twice)
    if thrice:
        each = np.array(
            [0, 1 - 2 * single * twice / once, 2 - 3 * single * thrice / twice, 3 - 4 * single * four_times / thrice]
        )
        if np.all(each[1:] > 0) and np.all(each[1:] < [1, 2, 3]):
            return each
    return np.array([0, *[single] * _DISCOUNTED])


def _tally(grams: Codes, codes: Codes) -> NDArray[np.int64]:
    """Return how often each of the sorted ``grams`` is among ``codes``, all of which are known."""
    return np.bincount(np.searchsorted(grams, codes), minlength=len(grams))


def _find(known: Codes, codes: Codes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each code's place in a sorted array, and whether it is there at all."""
    places = np.searchsorted(known, codes)
    found = places < len(known)
    found[found] = known[places[found]] == codes[found]
    return places, found
