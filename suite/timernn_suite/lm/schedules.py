"""Learning rates from epoch to epoch."""

from __future__ import annotations

import math


class Plateau:
    """Cuts the learning rate when the validation perplexity stops falling.

    After an epoch that gained less than ``threshold`` (a share of the best perplexity so far) the rate
    is multiplied by ``factor``. Mikolov's rule, "Statistical Language Models Based on Neural Networks",
    2012, has a factor of 0.5 and a threshold of 0.003, and cuts in every epoch after the first cut:
    ``keep_cutting``.

    Parameters
    ----------
    factor : float
        What the rate is multiplied by; 1 keeps it constant.
    threshold : float
        The least gain that counts.
    keep_cutting : bool
        Whether every epoch after the first cut cuts again.
    """

    def __init__(self, factor: float = 0.5, threshold: float = 0.003, *, keep_cutting: bool = False) -> None:
        self.factor, self.threshold, self.keep_cutting = factor, threshold, keep_cutting
        self.best = float("inf")
        self.cut = False

    def after_epoch(self, learning_rate: float, perplexity: float) -> float:
        """Return the learning rate of the next epoch, given this one's and its validation perplexity."""
        gained = perplexity < self.best * (1 - self.threshold)
        self.best = min(self.best, perplexity)
        if gained and not (self.keep_cutting and self.cut):
            return learning_rate
        self.cut = True
        return learning_rate * self.factor


def cosine(first: float, step: int, steps: int, last: float = 0.0) -> float:
    """Return the rate of one of ``steps`` steps on half a cosine from ``first`` down to ``last``.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, without a restart.
    """
    return last + (first - last) * (1 + math.cos(math.pi * step / steps)) / 2
