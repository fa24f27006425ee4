"""The scorecards as JUnit XML, which build servers show: a suite a backend, a case a test."""

from __future__ import annotations

from io import BytesIO

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from timernn_suite.check.document import Document
from timernn_suite.check.scorecard import GOOD, Outcome, Scorecard, group_name


def junit(document: Document) -> str:
    """Return the XML; what ended a process is an error whose type says how, ``CRASH(SIGSEGV)`` or ``HANG``."""
    suites = JUnitXml("timernn check")
    for card in document.cards:
        suites.add_testsuite(_suite(card, document.environment["date"]))
    suites.update_statistics()
    written = BytesIO()
    suites.write(written)
    return written.getvalue().decode("utf-8")


def _suite(card: Scorecard, date: str) -> TestSuite:
    suite = TestSuite(card.backend)
    suite.timestamp = date
    suite.add_testcases([_case(outcome) for outcome in card.outcomes])
    return suite


def _case(outcome: Outcome) -> TestCase:
    name = outcome.test.partition("::")[2] or outcome.test
    case = TestCase(name, group_name(outcome.group), outcome.seconds)
    if outcome.outcome != "passed":
        case.result = _result(outcome)
    return case


def _result(outcome: Outcome) -> FinalResult:
    if outcome.outcome in GOOD:
        return Skipped(outcome.message, outcome.outcome)
    result: FinalResult
    if outcome.outcome in ("failed", "not run"):
        result = (Failure if outcome.outcome == "failed" else Error)(outcome.headline, outcome.outcome)
    else:
        result = Error(outcome.headline, outcome.headline.partition(":")[0])
    result.text = outcome.message or ""
    return result
