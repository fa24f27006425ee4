"""Compares two checks: what fails now and didn't, what no longer does, which tests came and went, where s grew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from timernn_suite.check.document import Document
from timernn_suite.check.scorecard import Scorecard

#: A tensor's s counts as grown if it did by both: less is what another BLAS or another order of sums gives.
GROWN_FACTOR, GROWN_BY = 1.5, 1.0
#: The kinds of change, the gravest first.
KINDS = (
    "newly failing",
    "fails otherwise",
    "s grew",
    "newly passing",
    "other outcome",
    "new test",
    "gone test",
    "backend",
)


@dataclass(frozen=True)
class Change:
    """One difference between an older check and a newer one of the same backend.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    backend : str
        As it was asked for.
    what : str
        A test's id, or a tensor; empty for a whole backend.
    detail : str
        Before and after.
    """

    kind: str
    backend: str
    what: str
    detail: str


def changes(old: Document, new: Document) -> list[Change]:
    """Return every difference, the gravest kinds first."""
    before, after = ({card.backend: card for card in document.cards} for document in (old, new))
    found = [change for name, card in after.items() if name in before for change in _of_a_backend(before[name], card)]
    found += [Change("backend", name, "", "only in the old check") for name in before if name not in after]
    found += [Change("backend", name, "", "only in this check") for name in after if name not in before]
    return sorted(found, key=lambda change: KINDS.index(change.kind))


def _of_a_backend(old: Scorecard, new: Scorecard) -> Iterator[Change]:
    keywords = [card.selection.keyword for card in (old, new)]
    if keywords[0] != keywords[1]:
        selected = " → ".join("all tests" if keyword is None else f"-k {keyword}" for keyword in keywords)
        yield Change("backend", new.backend, "", f"compared in the tests that both have: {selected}")
        old, new = _only_tests_of(new, old), _only_tests_of(old, new)
    drawn = [f"{card.selection.cases} of seed {card.selection.seed}" for card in (old, new)]
    if drawn[0] != drawn[1]:  # more cases have a larger s among them, whatever the backend
        yield Change("backend", new.backend, "", f"s compared without the generated cases: {' → '.join(drawn)}")
    before, after = ({outcome.test: outcome for outcome in card.outcomes} for card in (old, new))
    for test, outcome in after.items():
        if test not in before:
            yield Change("new test", new.backend, test, outcome.outcome)
        elif before[test].outcome != outcome.outcome:
            kind = _kind(was_bad=before[test].bad, is_bad=outcome.bad, passes=outcome.outcome == "passed")
            yield Change(kind, new.backend, test, f"{before[test].outcome} → {outcome.outcome}")
    for test, outcome in before.items():
        if test not in after:
            yield Change("gone test", new.backend, test, outcome.outcome)
    if drawn[0] != drawn[1]:
        old, new = _without_generated(old), _without_generated(new)
    scores = old.largest_scores()
    for tensor, score in new.largest_scores().items():
        if tensor in scores and score.s > max(GROWN_FACTOR * scores[tensor].s, GROWN_BY + scores[tensor].s):
            yield Change("s grew", new.backend, tensor, f"{scores[tensor].shown} → {score.shown} in {score.test}")


def _only_tests_of(other: Scorecard, card: Scorecard) -> Scorecard:
    tests = {outcome.test for outcome in other.outcomes}
    return replace(card, outcomes=[outcome for outcome in card.outcomes if outcome.test in tests])


def _without_generated(card: Scorecard) -> Scorecard:
    return replace(card, outcomes=[outcome for outcome in card.outcomes if outcome.cases is None])


def _kind(*, was_bad: bool, is_bad: bool, passes: bool) -> str:
    if is_bad:
        return "fails otherwise" if was_bad else "newly failing"
    return "newly passing" if passes else "other outcome"
