"""Writes the scorecards for those who weren't there: JSON, JUnit XML for a build server, a web page, a badge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timernn_suite.check.document import Document
from timernn_suite.check.junit import junit
from timernn_suite.check.page import page
from timernn_suite.files import replace_text


def badge(document: Document) -> dict[str, Any]:
    """Return what https://shields.io/badges/endpoint-badge makes a badge of."""
    bad = sum(card.bad() for card in document.cards)
    passed = sum(card.counts()["passed"] for card in document.cards)
    message = f"{passed} passed" if document.passed else f"{bad} failed" if bad else "nothing passed"
    color = "brightgreen" if document.passed else "red"
    return {"schemaVersion": 1, "label": "conformance", "message": message, "color": color}


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


#: Each file, and what makes its text.
FILES: dict[str, Callable[[Document], str]] = {
    "scorecard.json": lambda document: _json(document.as_record()),
    "junit.xml": junit,
    "index.html": page,
    "badge.json": lambda document: _json(badge(document)),
}


def publish(document: Document, folder: Path) -> None:
    """Write every file into ``folder``, over those of an earlier check."""
    for name, make in FILES.items():
        replace_text(folder / name, make(document))
