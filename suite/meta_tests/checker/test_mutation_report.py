"""What the mutation report says of sessions: counts, scores, and what is wrong with what is declared."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "mutation"


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import report  # noqa: PLC0415

    yield report
    sys.modules.pop("report", None)


def mutants(report, killed=40, **others):
    """A target with so many killed mutants, and one for each named text with the outcome that is given."""
    dead = [report.Mutant("a.py", line, "f", "x", f"dead {line}", "killed") for line in range(killed)]
    return dead + [report.Mutant("a.py", 7, "f", "x = 1", f"x = {new}", how) for new, how in others.items()]


def test_an_equivalent_mutant_does_not_count_and_an_accepted_one_counts_as_alive(report):
    declared = [
        report.Declared("a.py", "x = 1", "x = one", "the same number"),
        report.Declared("a.py", "x = 1", "x  =\n two", "a matter of speed", kind="accepted"),
    ]
    verdict = report.judge({"a": mutants(report, one="survived", two="survived", three="timeout")}, declared)
    assert verdict.complaints == []
    assert verdict.targets["a"] == {
        "mutants": 43, "killed": 41, "timeouts": 1, "equivalent": 1, "survived": 1, "score": round(41 / 42, 4),
    }  # fmt: skip
    assert [(s["kind"], s["reason"]) for s in verdict.survivors] == [
        ("equivalent", "the same number"),
        ("accepted", "a matter of speed"),
    ]


@pytest.mark.parametrize(("outcome", "says"), [("survived", "survived"), ("pending", "pending"), ("broken", "broken")])
def test_a_mutant_that_nobody_explains_is_told(report, outcome, says):
    (complaint,) = report.judge({"a": mutants(report, one=outcome)}, []).complaints
    assert complaint.startswith(f"a: {says}: a.py:7")
    assert "x = one" in complaint


def test_a_score_below_the_least_is_told_even_if_all_is_explained(report):
    declared = [report.Declared("a.py", "x = 1", f"x = {new}", "why not", kind="accepted") for new in ("b", "c")]
    assert report.judge({"a": mutants(report, 38, b="survived", c="survived")}, declared).complaints == []
    (complaint,) = report.judge({"a": mutants(report, 37, b="survived", c="survived")}, declared).complaints
    assert complaint == "a: 94.9% killed, at least 95% must be"


def test_what_is_declared_must_be_there_and_alive(report):
    gone = [report.Declared("a.py", "x = 1", "x = two", "once it was so")]
    (complaint,) = report.judge({"a": mutants(report)}, gone).complaints
    assert "no such mutant" in complaint
    (complaint,) = report.judge({"a": mutants(report, two="killed")}, gone).complaints
    assert "declared as surviving, and killed" in complaint
    elsewhere = [report.Declared("b.py", "x = 1", "x = two", "of a target that was not run")]
    assert report.judge({"a": mutants(report)}, elsewhere).complaints == []
    assert report.judge({"a": mutants(report, two="survived")}, elsewhere).complaints != []


def test_the_function_tells_equal_lines_apart(report):
    declared = [report.Declared("a.py", "x = 1", "x = two", "here only", where="g")]
    verdict = report.judge({"a": mutants(report, two="survived")}, declared)
    assert len(verdict.complaints) == 2  # it is not explained, and there is no such mutant in g


DIFF = """--- mutation diff ---
--- a/suite/a.py
+++ b/suite/a.py
@@ -1,3 +1,3 @@
 before
-    x = -1
+    x = +1
 after"""


def test_a_session_is_read_as_cosmic_ray_leaves_it(report, tmp_path):
    connection = sqlite3.connect(tmp_path / "a.sqlite")
    connection.executescript(
        "create table mutation_specs (module_path, operator_name, occurrence, start_pos_row, start_pos_col, "
        "definition_name, job_id); create table work_results (worker_outcome, output, test_outcome, diff, job_id);"
    )
    for job, result in enumerate([
        ("NORMAL", "", "SURVIVED", DIFF), ("NORMAL", "1 failed", "KILLED", DIFF), ("NORMAL", "timeout", "KILLED", DIFF),
        ("EXCEPTION", "Traceback", "INCOMPETENT", None), ("SKIPPED", "no Python", None, None), None,
    ]):  # fmt: skip
        connection.execute("insert into mutation_specs values ('suite/a.py', 'op', ?, 7, 0, 'f', ?)", (job, job))
        if result is not None:
            connection.execute("insert into work_results values (?, ?, ?, ?, ?)", (*result, job))
    connection.commit()
    connection.close()
    found, left_out = report.read(tmp_path / "a.sqlite")
    assert [mutant.outcome for mutant in found] == ["survived", "killed", "timeout", "broken", "pending"]
    assert found[0] == report.Mutant("suite/a.py", 7, "f", "x = -1", "x = +1", "survived")
    assert left_out == {"no Python": 1}
