"""Judging a backend from outside: the conformance suite in a process of its own, its scorecard, and where that goes."""

from timernn_suite.check.document import Document, DocumentError
from timernn_suite.check.judge import CheckError, judge
from timernn_suite.check.publish import publish
from timernn_suite.check.scorecard import GROUPS, Outcome, Scorecard
from timernn_suite.check.worker import Limits, Selection

__all__ = [
    "GROUPS",
    "CheckError",
    "Document",
    "DocumentError",
    "Limits",
    "Outcome",
    "Scorecard",
    "Selection",
    "judge",
    "publish",
]
