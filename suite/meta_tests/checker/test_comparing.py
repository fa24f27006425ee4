"""Two checks compared: each kind of change is told once, and what is the same isn't."""

from __future__ import annotations

import math

import pytest

from timernn_suite.check import Document, Outcome, Scorecard, Selection
from timernn_suite.check.compare import KINDS, changes


@pytest.fixture
def compared(document):
    """Return a function that compares two checks of one backend, given their outcomes or whole scorecards."""

    def compare(old, new):
        made = [card if isinstance(card, Scorecard) else Scorecard("mine", card, 1.0) for card in (old, new)]
        return [
            (change.kind, change.what, change.detail)
            for change in changes(*(Document([card], document.environment) for card in made))
        ]

    return compare


def outcomes(**by_name: str) -> list[Outcome]:
    return [Outcome(name, outcome.replace("_", " "), message="why") for name, outcome in by_name.items()]


def test_a_document_is_no_different_from_itself(document):
    assert changes(document, document) == []


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("passed", "failed", "newly failing"),
        ("known failure", "failed", "newly failing"),
        ("skipped", "crashed", "newly failing"),
        ("passed", "not run", "newly failing"),
        ("failed", "hung", "fails otherwise"),
        ("failed", "passed", "newly passing"),
        ("known failure", "passed", "newly passing"),
        ("skipped", "passed", "newly passing"),
        ("passed", "skipped", "other outcome"),
        ("failed", "known failure", "other outcome"),
    ],
)
def test_another_outcome_is_told_by_what_it_means(compared, before, after, kind):
    old, new = outcomes(a=before, b="passed", c="failed"), outcomes(a=after, b="passed", c="failed")
    assert compared(old, new) == [(kind, "a", f"{before} → {after}")]


def test_tests_that_came_and_went_are_told(compared):
    found = compared(outcomes(a="passed", gone="failed"), outcomes(a="passed", new="skipped"))
    assert found == [("new test", "new", "skipped"), ("gone test", "gone", "failed")]


@pytest.mark.parametrize(
    ("before", "after", "grew"),
    [
        (2.0, 3.1, "2.00 → 3.10 in t"),
        (2.0, 3.0, None),  # by half, and no more
        (0.2, 1.1, None),  # manifold, but still small
        (4.0, 5.5, None),
        (4.0, 2.0, None),
        (3.0, math.inf, "3.00 → ∞ in t"),
        (math.inf, math.inf, None),
        (4.0, 12345.0, "4.00 → 1.2e+04 in t"),
    ],
)
def test_s_that_grew_notably_is_told_by_tensor(compared, before, after, grew):
    old, new = ([Outcome("t", "passed", scores={"hs": s, "dxs": 1.0})] for s in (before, after))
    assert compared(old, new) == ([("s grew", "hs", grew)] if grew else [])


def test_a_backend_in_only_one_of_them_is_told(document):
    sound, faulty = document.cards
    old, new = (Document([card], document.environment) for card in (sound, faulty))
    assert [(change.kind, change.backend, change.detail) for change in changes(old, new)] == [
        ("backend", "sound", "only in the old check"),
        ("backend", faulty.backend, "only in this check"),
    ]


def test_where_other_tests_were_asked_for_only_those_of_both_are_compared(compared):
    wide = Outcome("wide", "passed", scores={"hs": 7.0})
    old = Scorecard("mine", [*outcomes(a="passed", slow="passed"), wide], 1.0)
    new = Scorecard("mine", outcomes(a="failed"), 1.0, selection=Selection("fast"))
    told = ("backend", "", "compared in the tests that both have: all tests → -k fast")
    assert compared(old, new) == [("newly failing", "a", "passed → failed"), told]
    back = ("backend", "", "compared in the tests that both have: -k fast → all tests")
    assert compared(new, old) == [("newly passing", "a", "failed → passed"), back]


def test_the_gravest_comes_first(document):
    old = outcomes(a="failed", b="passed", c="failed", d="passed", e="passed")
    new = outcomes(a="passed", b="skipped", c="hung", d="failed", f="passed")
    old.append(Outcome("t", "passed", scores={"x": 1.0}))
    new.append(Outcome("t", "passed", scores={"x": 7.0}))
    before, after = (Scorecard("mine", tests, 1.0) for tests in (old, new))
    found = changes(*(Document(cards, document.environment) for cards in ([before], [document.cards[0], after])))
    assert [change.kind for change in found] == list(KINDS)


def test_other_generated_cases_are_told_and_their_s_not_compared(compared):
    few = Scorecard("mine", [Outcome("g", "passed", scores={"hs": 1.0}, cases=20)], 1.0)
    many = Scorecard(
        "mine", [Outcome("g", "passed", scores={"hs": 4.0}, cases=900)], 1.0, selection=Selection(cases=900)
    )
    told = ("backend", "", "s compared without the generated cases: 200 of seed 0 → 900 of seed 0")
    assert compared(few, many) == [told]
