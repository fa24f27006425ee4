"""A unigram cache (Kuhn and De Mori 1990): words that came lately come again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn_suite.baselines.tokens import Floats


class UnigramCache:
    """A token's probability is its share of the last tokens of the text that is read.

    Before a text's first token the cache holds one ``<eos>``, so that there is a distribution at every token. A token
    that isn't in the cache has the probability 0: the cache is of use only in a mixture.

    Parameters
    ----------
    size : int
        How many tokens it holds.
    eos_id : int
        The id of ``<eos>``.

    Raises
    ------
    ValueError
        If the size is less than 1.
    """

    def __init__(self, size: int, eos_id: int) -> None:
        if size < 1:
            raise ValueError(f"size: must be at least 1, got {size}")
        self.size, self.eos_id = size, eos_id

    def nll(self, ids: NDArray[Any]) -> Floats:
        """Return the negative log-likelihood in nats of each token of a text, (n,); infinite outside the cache."""
        text = np.concatenate([[self.eos_id], ids]).astype(np.int64)
        n = len(text)
        # A code for each token that sorts by type first and by place second: a range of places of one type is a slice.
        codes = np.sort(text * n + np.arange(n))
        now = np.arange(1, n)
        start = np.maximum(now - self.size, 0)
        hits = np.searchsorted(codes, text[1:] * n + now) - np.searchsorted(codes, text[1:] * n + start)
        with np.errstate(divide="ignore"):
            losses: Floats = -np.log(hits / (now - start))
        return losses
