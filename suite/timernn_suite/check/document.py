"""The scorecards of one check as one document: what ``--json`` prints, and what an older one is read from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Self

from timernn_suite.check.scorecard import SCHEMA, Scorecard


class DocumentError(ValueError):
    """A file is no document of scorecards that can be read here."""


@dataclass(frozen=True)
class Document:
    """Scorecards, and where they were made.

    Attributes
    ----------
    cards : sequence of Scorecard
        One a backend.
    environment : mapping
        Versions, processor, threads: `timernn_suite.provenance.environment`.
    """

    cards: Sequence[Scorecard]
    environment: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether every backend passed."""
        return all(card.passed for card in self.cards)

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record; scorecard.schema.json says what is in it."""
        return {
            "schema": SCHEMA,
            "timernn": self.environment["timernn"],
            "environment": dict(self.environment),
            "backends": [card.as_record() for card in self.cards],
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that ``timernn check`` wrote or printed.

        Raises
        ------
        DocumentError
            If it can't be read, holds something else, or has another schema version.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DocumentError(f"{path} can't be read: {error.strerror}") from error
        except ValueError as error:
            raise DocumentError(f"{path} is no scorecard of 'timernn check': it isn't JSON") from error
        version = record.get("schema", SCHEMA) if isinstance(record, dict) else SCHEMA
        if version != SCHEMA:
            raise DocumentError(f"{path} has the schema version {version!r}, and this timernn reads {SCHEMA}")
        complaint = _complaint(record)
        if complaint is not None:
            raise DocumentError(f"{path} is no scorecard of 'timernn check': {complaint}")
        return cls([Scorecard.from_record(card) for card in record["backends"]], record["environment"])


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a document."""
    text = resources.files("timernn_suite.check").joinpath("scorecard.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _complaint(record: Any) -> str | None:
    """Say where a record departs from the schema; None where it doesn't."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes a quarter of a second, and few commands need it
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    error = best_match(Draft202012Validator(schema()).iter_errors(record))
    if error is None:
        return None
    where = "/".join(map(str, error.absolute_path)) or "the whole"
    return f"at {where}: {error.message[:200]}"
