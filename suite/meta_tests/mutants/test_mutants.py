"""Every fault that the suite promises to find, built in once, is found by the test that is there for it."""

from __future__ import annotations

import pytest
from conftest import FAULTS, backend_mutants, excuse, expected_killer, judge_backends
from sound import Sound

MUTANTS = [*backend_mutants(), *FAULTS]


def test_the_backend_that_they_are_made_of_has_no_fault(tmp_path):
    (verdict,) = judge_backends(["sound:Sound"], tmp_path).values()
    assert verdict.failed == []
    assert verdict.passed > 300


def test_each_is_one_change_to_it_and_none_is_listed_twice():
    kinds = list(backend_mutants().values())
    assert len(set(MUTANTS)) == len(MUTANTS) >= 60
    assert all(kind.__bases__ == (Sound,) for kind in kinds)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_is_killed(mutant, verdicts):
    verdict, killer = verdicts[mutant], expected_killer(mutant)
    if verdict.skipped and not verdict.failed and not verdict.passed:
        pytest.skip(f"{killer} was skipped: it needs the Penn Treebank text")  # where TIMERNN_DATA is set, it fails
    assert verdict.failed or verdict.passed, "none of its tests ran"
    also = ", ".join(verdict.tests) or "no test at all"
    assert verdict.killed_by(killer), f"{mutant} survived {killer}; it failed {also}"


@pytest.mark.parametrize("mutant", MUTANTS)
def test_is_killed_by_a_law_too_or_says_why_not(mutant, verdicts):
    """A suite that finds a fault by the oracle alone would miss it where the oracle has it too."""
    assert bool(verdicts[mutant].laws) != bool(excuse(mutant)), (verdicts[mutant].laws, excuse(mutant))
