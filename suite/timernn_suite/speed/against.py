"""Holds a benchmark beside one of before, where both were made on the same kind of machine with the same libraries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timernn_suite.provenance import require_comparable
from timernn_suite.schemas import load_schema, read_record
from timernn_suite.speed.bench import SCHEMA_VERSION


class BenchError(ValueError):
    """A file is no record of a benchmark, or not one that can be read here."""


def read_bench(path: Path) -> dict[str, Any]:
    """Read a bench.json.

    Raises
    ------
    BenchError
        If it can't be read, holds something else, or has another schema version.
    """
    schema, version = load_schema("timernn_suite.speed", "bench.schema.json"), ("schema_version", SCHEMA_VERSION)
    return read_record(path, "record of 'timernn bench'", version=version, schema=schema, error=BenchError)


def require_like(old: Mapping[str, Any], environment: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise `IncomparableError` unless an older record was made on such a machine, with such libraries and settings."""
    kept = ("threads", "dtype")
    require_comparable(
        {**old["environment"], "settings": {key: old["settings"].get(key) for key in kept}},
        {**environment, "settings": {key: settings.get(key) for key in kept}},
    )


def since(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[tuple[str, str], float | str]:
    """Return how many times as long as before everything takes, by shape and implementation; text where it failed.

    What is compared is not milliseconds but how many times the limit each took, which a machine's mood of the day
    moves less. Two single runs are no proof of anything: a process may be slower for all of its life.

    Parameters
    ----------
    old, new : mapping
        Records of `timernn_suite.speed.bench.Bench`.

    Raises
    ------
    BenchError
        If they have no shape and implementation in common.
    """
    found: dict[tuple[str, str], float | str] = {}
    for name, after in new["shapes"].items():
        before = old["shapes"].get(name)
        if before is None or any(before.get(size) != after.get(size) for size in "NTDHV"):
            continue
        for implementation, of_new in after["measurements"].items():
            of_old = before["measurements"].get(implementation, {"error": "not timed"})
            if "error" in of_new:
                found[name, implementation] = f"fails: {of_new['error']}"
            elif of_old.get("times_limit") and of_new.get("times_limit"):
                found[name, implementation] = of_new["times_limit"][0] / of_old["times_limit"][0]
    if not found:
        raise BenchError("the two runs have no shape and implementation in common")
    return found
