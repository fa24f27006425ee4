"""Whether something got slower: a verdict from paired ratios, which may also be that it can't be told."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

#: How sure an interval must be of holding the median.
CONFIDENCE = 0.9


class Verdict(StrEnum):
    """What can be said of a change of speed."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    UNSURE = "can't tell"


@dataclass(frozen=True)
class Change:
    """Times of something new over those of something old, one ratio from each pair that was timed side by side.

    Attributes
    ----------
    ratios : sequence of float
        New over old; above 1 is slower.
    threshold : float
        The smallest ratio that matters, above 1.
    """

    ratios: Sequence[float]
    threshold: float

    def __post_init__(self) -> None:
        """Refuse what no verdict can be had from."""
        if not self.ratios:
            raise ValueError("ratios: needs at least one, got none")
        if not self.threshold > 1:
            raise ValueError(f"threshold: must be above 1, got {self.threshold}")

    @property
    def ratio(self) -> float:
        """The median."""
        return statistics.median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """The least and the most that the median may be, by order statistics: no shape of the noise is assumed.

        With n pairs the k smallest and largest are left out, as many as leave it `CONFIDENCE` sure: the chance that
        the true median lies outside is that of n coins showing at most k heads, or at most k tails.
        """
        ordered, k = sorted(self.ratios), 0
        while 2 * (k + 1) < len(ordered) and _sureness(len(ordered), k + 1) >= CONFIDENCE:
            k += 1
        return ordered[k], ordered[-1 - k]

    @property
    def verdict(self) -> Verdict:
        """Slower or faster by what matters, the same within it, or an interval that reaches across."""
        low, high = self.interval
        if _sureness(len(self.ratios), 0) < CONFIDENCE:
            return Verdict.UNSURE
        if low > 1 and self.ratio >= self.threshold:
            return Verdict.SLOWER
        if high < 1 and self.ratio <= 1 / self.threshold:
            return Verdict.FASTER
        if 1 / self.threshold < low and high < self.threshold:
            return Verdict.SAME
        return Verdict.UNSURE


def _sureness(n: int, k: int) -> float:
    return 1 - sum(math.comb(n, i) for i in range(k + 1)) / float(2 ** (n - 1))
