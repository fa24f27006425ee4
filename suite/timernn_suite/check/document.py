"""The scorecards of one check as one document: what ``--json`` prints, and what an older one is read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from timernn_suite.check.scorecard import SCHEMA, Scorecard
from timernn_suite.schemas import load_schema, read_record


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
        what, version = "scorecard of 'timernn check'", ("schema", SCHEMA)
        record = read_record(path, what, version=version, schema=schema(), error=DocumentError)
        return cls([Scorecard.from_record(card) for card in record["backends"]], record["environment"])


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a document."""
    return load_schema("timernn_suite.check", "scorecard.schema.json")
