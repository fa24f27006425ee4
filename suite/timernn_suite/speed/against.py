"""Holds a benchmark against one of before, where both were made on the same kind of machine with the same libraries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timernn_suite.provenance import require_comparable
from timernn_suite.schemas import complaint, load_schema
from timernn_suite.speed.bench import SCHEMA_VERSION
from timernn_suite.speed.verdict import Change


class BenchError(ValueError):
    """A file is no record of a benchmark, or not one that can be read here."""


def read_bench(path: Path) -> dict[str, Any]:
    """Read a bench.json.

    Raises
    ------
    BenchError
        If it can't be read, holds something else, or has another schema version.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise BenchError(f"{path} is no record of 'timernn bench': it isn't JSON") from error
    version = record.get("schema_version") if isinstance(record, dict) else None
    if version is not None and version != SCHEMA_VERSION:
        raise BenchError(f"{path} has the schema version {version!r}, and this timernn reads {SCHEMA_VERSION}")
    wrong = complaint(record, load_schema("timernn_suite.speed", "bench.schema.json"))
    if wrong is not None:
        raise BenchError(f"{path} is no record of 'timernn bench': {wrong}")
    checked: dict[str, Any] = record
    return checked


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], *, threshold: float, force: bool = False
) -> dict[tuple[str, str], Change]:
    """Return what changed, by shape and implementation, for all that both have.

    What is compared is not milliseconds but how many times the limit each round took, which a machine's mood of the
    day moves less.

    Parameters
    ----------
    old, new : mapping
        Records of `timernn_suite.speed.bench.Bench`.
    threshold : float
        The smallest ratio that matters, above 1.
    force : bool
        Compare them wherever they were made.

    Raises
    ------
    IncomparableError
        If they were made on different machines, or with different libraries or settings.
    """
    if not force:
        settings = ("threads", "dtype")
        require_comparable(
            {**old["environment"], "settings": {key: old["settings"].get(key) for key in settings}},
            {**new["environment"], "settings": {key: new["settings"].get(key) for key in settings}},
        )
    found = {}
    for shape, after in new["shapes"].items():
        before = old["shapes"].get(shape)
        for name, of_new in after["measurements"].items():
            of_old = before["measurements"].get(name) if before else None
            if of_old and "limit" in after and "limit" in before and "rounds" in of_old and "rounds" in of_new:
                pairs = zip(_times_limit(before, of_old), _times_limit(after, of_new), strict=False)
                found[shape, name] = Change([now / then for then, now in pairs], threshold)
    return found


def _times_limit(shape: Mapping[str, Any], measured: Mapping[str, Any]) -> list[float]:
    products = shape["limit"]["product"]["rounds"]
    return [taken / product for taken, product in zip(measured["rounds"], products, strict=False)]
