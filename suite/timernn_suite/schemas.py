"""JSON Schemas that come with the package, and what a record has against one."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any


def load_schema(package: str, name: str) -> dict[str, Any]:
    """Return a schema that lies in a package."""
    found: dict[str, Any] = json.loads(resources.files(package).joinpath(name).read_text(encoding="utf-8"))
    return found


def complaint(record: Any, schema: dict[str, Any]) -> str | None:
    """Say where a record departs from a schema; None where it doesn't."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes a quarter of a second, and few commands need it
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    error = best_match(Draft202012Validator(schema).iter_errors(record))
    if error is None:
        return None
    where = "/".join(map(str, error.absolute_path)) or "the whole"
    return f"at {where}: {error.message[:200]}"


def read_record(
    path: Path, what: str, *, version: tuple[str, int], schema: dict[str, Any], error: type[Exception]
) -> dict[str, Any]:
    """Read a record from a JSON file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should hold, for the message: ``"a scorecard of 'timernn check'"`` less its article.
    version : (str, int)
        The key of the schema's version, and the one that can be read.
    schema : dict
        What the record must be like.
    error : type of exception
        Raised, with what is wrong, if it can't be read, holds something else, or has another version.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise error(f"{path} can't be read: {cause.strerror}") from cause
    except ValueError as cause:
        raise error(f"{path} is no {what}: it isn't JSON") from cause
    key, readable = version
    found = record.get(key, readable) if isinstance(record, dict) else readable
    if found != readable:
        raise error(f"{path} has the schema version {found!r}, and this timernn reads {readable}")
    wrong = complaint(record, schema)
    if wrong is not None:
        raise error(f"{path} is no {what}: {wrong}")
    checked: dict[str, Any] = record
    return checked
