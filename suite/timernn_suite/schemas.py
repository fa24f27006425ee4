"""JSON Schemas that come with the package, and what a record has against one."""

from __future__ import annotations

import json
from importlib import resources
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
