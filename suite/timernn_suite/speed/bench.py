"""A benchmark's results: times held against the limit of matrix products, and backends against the best peer."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from timernn_suite.speed.compare import Comparison, Spread
from timernn_suite.speed.limit import LIMIT, gflops_per_second, limit_milliseconds
from timernn_suite.speed.shapes import Block

#: Raised with every change after which an older reader would misread bench.json.
SCHEMA_VERSION = 1


def spread(values: Iterable[float]) -> Spread | None:
    """Return median, least and most; None of nothing."""
    kept = list(values)
    return (statistics.median(kept), min(kept), max(kept)) if kept else None


def limit_of(comparison: Comparison) -> Spread | None:
    """Return the shape's limit in milliseconds: its products at the rate of the large product, over the rounds."""
    flops = comparison.shape.flops
    return spread(limit_milliseconds(flops, of_product) for of_product in comparison.of(LIMIT).rounds)


def times_limit(comparison: Comparison, name: str) -> Spread | None:
    """Return how many times the limit an implementation takes, round by round."""
    flops = comparison.shape.flops
    pairs = zip(comparison.of(name).rounds, comparison.of(LIMIT).rounds, strict=False)
    return spread(taken / limit_milliseconds(flops, of_product) for taken, of_product in pairs)


def fastest(comparison: Comparison, names: Iterable[str]) -> str | None:
    """Return which of the implementations has the smallest median; None if none of them could be timed."""
    timed = [name for name in names if comparison.of(name).rounds]
    return min(timed, key=lambda name: comparison.of(name).milliseconds, default=None)


def beside(comparison: Comparison, name: str, peers: Sequence[str]) -> Spread | None:
    """Return how many times as fast as the best peer an implementation is, over the paired rounds."""
    peer = fastest(comparison, peers)
    return None if peer is None else comparison.ratio(peer, name)


@dataclass(frozen=True)
class Bench:
    """Everything that ``timernn bench`` found out.

    Attributes
    ----------
    comparisons : sequence of Comparison
        One a shape; `LIMIT` is among what was timed.
    backends, peers : sequence of str
        Which implementations are ours to judge, and which they are held against. Others are shown alone.
    descriptions, environment, settings : mapping
        What each implementation says of itself, the machine and its versions, and the options.
    missing : mapping
        What can't run here, and why.
    curves : mapping
        Cost and memory against the sizes; empty if they weren't asked for.
    """

    comparisons: Sequence[Comparison]
    backends: Sequence[str]
    peers: Sequence[str]
    descriptions: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Any] = field(default_factory=dict)

    @property
    def implementations(self) -> list[str]:
        """What was timed, without the limit."""
        timed = self.comparisons[0].measurements
        return [measured.implementation for measured in timed if measured.implementation != LIMIT]

    def summary(self) -> dict[str, Any] | None:
        """Return the best backend against the best peer over the blocks; None where there is no such pair."""
        ratios = {}
        for comparison in self.comparisons:
            backend = fastest(comparison, self.backends)
            ratio = beside(comparison, backend, self.peers) if backend is not None else None
            if isinstance(comparison.shape, Block) and ratio is not None:
                ratios[comparison.shape.name] = ratio[0]
        if not ratios:
            return None
        smallest = min(ratios, key=lambda shape: ratios[shape])
        return {
            "blocks": len(ratios),
            "geometric_mean": statistics.geometric_mean(ratios.values()),
            "smallest": ratios[smallest],
            "smallest_on": smallest,
        }

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        return {
            "schema_version": SCHEMA_VERSION,
            "environment": dict(self.environment),
            "settings": dict(self.settings),
            "backends": list(self.backends),
            "peers": list(self.peers),
            "missing": dict(self.missing),
            "implementations": dict(self.descriptions),
            "summary": self.summary(),
            "shapes": {comparison.shape.name: self._shape_record(comparison) for comparison in self.comparisons},
            "curves": dict(self.curves),
        }

    def _shape_record(self, comparison: Comparison) -> dict[str, Any]:
        record = comparison.as_record()
        product = record["measurements"].pop(LIMIT, {"error": "not timed"})
        limit = limit_of(comparison)
        if limit is not None:
            rate = gflops_per_second(product["milliseconds"])
            record["limit"] = {"milliseconds": limit[0], "gflops_per_second": rate, "product": product}
        record["flops"] = comparison.shape.flops
        record["best_peer"] = fastest(comparison, self.peers)
        for name, measured in record["measurements"].items():
            if "error" not in measured:
                measured["times_limit"] = times_limit(comparison, name)
                measured["times_as_fast_as_best_peer"] = beside(comparison, name, self.peers)
        return record
