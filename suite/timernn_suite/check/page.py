"""The scorecards as one web page that needs nothing but itself: backends side by side, and all that didn't pass."""

from __future__ import annotations

import json

import jinja2

from timernn_suite.check.document import Document
from timernn_suite.check.scorecard import GOOD, GROUPS, OUTCOMES, ordered
from timernn_suite.conformance.support.tolerance import LIMIT

#: What stands before an outcome, so that it isn't told by its colour alone.
MARKS = dict.fromkeys(OUTCOMES, "✗") | {"passed": "✓", "skipped": "–", "known failure": "!"}


def page(document: Document) -> str:
    """Return the page; every text in it is escaped, and it may run no script, whatever a backend says."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("timernn_suite.check"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    cards, environment = document.cards, document.environment
    templates.filters |= {"part": _part, "indented": _indented}
    return templates.get_template("page.html").render(
        passed=document.passed,
        cards=cards,
        environment=environment,
        date=environment["date"].replace("T", " ").replace("+00:00", " UTC"),
        groups={group: GROUPS.get(group, group) for group in ordered(g for card in cards for g in card.groups())},
        tensors=sorted({tensor for card in cards for tensor in card.largest_scores()}),
        failed=sum(not card.passed for card in cards),
        limit=LIMIT,
        outcomes=OUTCOMES,
        good=GOOD,
        marks=MARKS,
    )


def _part(s: float) -> str:
    """Return how much of the way to the limit a score is, as a length in CSS."""
    return f"{100 * min(s / LIMIT, 1.0):.1f}%"


def _indented(record: object) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False)
