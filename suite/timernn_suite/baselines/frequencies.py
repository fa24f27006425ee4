"""The two plainest models, which look at no context: every type alike, and every type by its frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn_suite.baselines.tokens import Floats


class Uniform:
    """Every type has the probability 1/V.

    Parameters
    ----------
    V : int
        Size of the vocabulary.
    """

    def __init__(self, V: int) -> None:
        self.V = V

    def nll(self, ids: NDArray[Any]) -> Floats:
        """Return the negative log-likelihood in nats of each token, (n,)."""
        return np.full(len(ids), np.log(self.V))


class Unigram:
    """A type's probability is its relative frequency, ``<eos>`` and ``<unk>`` included, with no smoothing.

    A vocabulary may hold types that the training text doesn't. They share the count of one token, so that none of
    them costs an infinite loss; where there are none, nothing is shared.

    Parameters
    ----------
    ids : int array (n,)
        The training text.
    V : int
        Size of the vocabulary.

    Attributes
    ----------
    probabilities : float64 array (V,)
        They sum to 1.
    """

    def __init__(self, ids: NDArray[Any], V: int) -> None:
        counts = np.bincount(ids, minlength=V).astype(np.float64)
        unseen = counts == 0
        counts[unseen] = 1 / max(1, int(unseen.sum()))
        self.probabilities: Floats = counts / counts.sum()

    def nll(self, ids: NDArray[Any]) -> Floats:
        """Return the negative log-likelihood in nats of each token, (n,)."""
        losses: Floats = -np.log(self.probabilities[ids])
        return losses
