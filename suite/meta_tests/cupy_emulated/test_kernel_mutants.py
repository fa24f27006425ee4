"""Faults built into the CUDA sources are found by small runs, and the sources as they are have none."""

from __future__ import annotations

import pytest
from kernel_mutants import MUTANTS, UNSEEN, Mutant, built_in, judge, report
from kernel_probes import PROBES, complaint


@pytest.mark.parametrize("probe", PROBES)
def test_the_sources_as_they_are_survive_what_kills_the_mutants(probe, dtype):
    assert complaint(PROBES[probe], dtype) is None


@pytest.mark.parametrize("name", MUTANTS)
def test_is_killed_in_the_way_that_it_names(name, judged):
    found = report(MUTANTS[name])
    judged[name] = found
    assert found["killed_by"] == MUTANTS[name].killed_by, found["detail"]


@pytest.mark.parametrize("name", UNSEEN)
def test_what_the_executor_is_said_not_to_see_it_does_not(name):
    """Once it does, the fault belongs among the others."""
    assert judge(UNSEEN[name]) is None


def test_the_sources_are_whole_again_after_a_mutant():
    with built_in(MUTANTS["up-the-gradient"]):
        assert complaint(PROBES["sgd"]) is not None
    assert complaint(PROBES["sgd"]) is None


def test_a_mutant_whose_text_is_gone_is_an_error_and_no_survivor():
    gone = Mutant("nothing", "steps", "this text is not in the source", "", "stepwise", "values")
    with pytest.raises(ValueError, match=r"occurs 0 times in steps\.cu"), built_in(gone):
        pass


def test_there_are_mutants_of_every_source_and_every_probe_kills_one():
    assert {mutant.file for mutant in MUTANTS.values()} == {"recurrent", "steps", "timewise", "updates"}
    assert {mutant.probe for mutant in MUTANTS.values()} == set(PROBES)
