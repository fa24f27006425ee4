"""Reads what was measured under results/ into what the page shows: rows, charts' data, changes."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The dotted names, in benchmarks/over_time, of what a row shows.
FAILURES, CHECKS, SCORE = (f"quality.Conformance.track_conformance_{of}" for of in ("failures", "checks", "score"))
PERPLEXITY = "quality.Perplexity.track_perplexity"
COMPILE = "quality.FirstCall.track_compile_seconds"
TOKENS = "model.LanguageModel.track_tokens_per_second"
REFERENCE, GEMM = (f"ratios.Block.track_ratio_to_{of}" for of in ("reference", "gemm"))


@dataclass(frozen=True)
class Row:
    """One backend at one commit: is it right, and how fast is it."""

    backend: str
    failures: float | None
    checks: float | None
    score: float | None
    perplexity: float | None
    compile_seconds: float | None
    tokens_per_second: float | None
    reference: dict[str, float]
    gemm: dict[str, float]

    @property
    def ran(self) -> bool:
        """Whether it could run on this machine."""
        return self.checks is not None

    @property
    def right(self) -> bool:
        """Whether its speed means anything."""
        return self.ran and self.failures == 0

    @property
    def speedup(self) -> float | None:
        """How many times as fast as the textbook's loop, in the geometric mean over shapes."""
        return 1 / statistics.geometric_mean(self.reference.values()) if self.reference else None


@dataclass(frozen=True)
class Commit:
    """What was measured of a commit."""

    hash: str
    date: int
    rows: list[Row]
    environment: dict[str, Any] | None
    changes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def slower(self) -> list[dict[str, Any]]:
        """What became slower with it."""
        return [change for change in self.changes if change.get("verdict") == "slower"]

    @property
    def compared(self) -> bool:
        """Whether it is known what it changed: with an environment and no changes its implementations are not new."""
        return bool(self.changes) or self.environment is not None

    @property
    def undecided(self) -> list[dict[str, Any]]:
        """Of what it can't be told whether it became slower, or what failed."""
        return [change for change in self.changes if change.get("verdict") in (None, "can't tell")]

    @property
    def fastest(self) -> Row | None:
        """The fastest backend of those that are right."""
        timed = [row for row in self.rows if row.right and row.speedup]
        return max(timed, key=lambda row: row.speedup or 0, default=None)


@dataclass(frozen=True)
class Machine:
    """A kind of machine and the commits that were measured on it, oldest first."""

    name: str
    about: dict[str, Any]
    commits: list[Commit]


def machines(results: Path) -> list[Machine]:
    """Return every machine with results, that with the newest commit first."""
    found = []
    known = _json(results / "asv" / "benchmarks.json") or {}
    for folder in sorted(path.parent for path in (results / "asv").glob("*/machine.json")):
        records = [_json(path) for path in folder.glob("*.json") if path.name != "machine.json"]
        commits = [_commit(results, folder.name, record, known) for record in records if record]
        if commits:
            about = _json(folder / "machine.json") or {}
            found.append(Machine(folder.name, about, sorted(commits, key=lambda commit: commit.date)))
    return sorted(found, key=lambda machine: machine.commits[-1].date, reverse=True)


def _commit(results: Path, machine: str, record: dict[str, Any], known: dict[str, Any]) -> Commit:
    values = {name: _values(record, known, name) for name in record["results"]}
    backends = list(dict.fromkeys(key[0] for key in values.get(CHECKS, {})))
    short = record["commit_hash"][:8]
    changes = _json(results / "changes" / machine / f"{short}.json") or {}
    return Commit(
        hash=record["commit_hash"],
        date=record["date"],
        rows=[_row(values, backend) for backend in backends],
        environment=_json(results / "environments" / machine / f"{short}.json"),
        changes=changes.get("changes", []),
    )


def _row(values: dict[str, dict[tuple[str, ...], float]], backend: str) -> Row:
    def one(name: str, *others: str) -> float | None:
        return values.get(name, {}).get((backend, *others))

    def by_shape(name: str) -> dict[str, float]:
        return {key[1]: value for key, value in values.get(name, {}).items() if key[0] == backend and _is(value)}

    figures = (one(name) for name in (FAILURES, CHECKS, SCORE, PERPLEXITY, COMPILE))
    tokens = one(TOKENS, "small model")
    return Row(backend, *map(_or_none, (*figures, tokens)), by_shape(REFERENCE), by_shape(GEMM))


def _values(record: dict[str, Any], known: dict[str, Any], name: str) -> dict[tuple[str, ...], float]:
    """Return a benchmark's results by its parameters."""
    columns = dict(zip(record["result_columns"], record["results"][name] or (), strict=False))
    params = columns.get("params") or known.get(name, {}).get("params", [])
    keys = itertools.product(*([value.strip("'") for value in of_one] for of_one in params))
    return dict(zip(keys, columns.get("result") or [], strict=False))


def _is(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _or_none(value: float | None) -> float | None:
    return value if _is(value) else None


def peers(results: Path) -> list[dict[str, Any]]:
    """Return, for each shape and implementation of the comparison with peers, how it stands to them and the limit."""
    record = _json(results / "speed" / "bench.json") or {"shapes": {}}
    found = []
    for name, shape in record["shapes"].items():
        for implementation, measured in shape["measurements"].items():
            of_limit, of_peer = measured.get("times_limit"), measured.get("times_as_fast_as_best_peer")
            if of_limit:
                found.append({"shape": name, "implementation": implementation.removeprefix("peer:")})
                found[-1] |= {"limit": of_limit[0], "peer": of_peer[0] if of_peer else None}
    return found


def curves(results: Path) -> Iterator[dict[str, Any]]:
    """Return every epoch of the training runs that are kept."""
    for path in sorted((results / "lm").glob("*/curve.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            epoch = json.loads(line)
            for key, label in (("train_perplexity", "training"), ("valid_perplexity", "validation")):
                if epoch.get(key) is not None:
                    yield {"run": f"{path.parent.name}, {label}", "epoch": epoch["epoch"], "perplexity": epoch[key]}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
