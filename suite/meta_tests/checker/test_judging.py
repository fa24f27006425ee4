"""The judge outlives its backends: one that crashes, leaves or hangs gets a scorecard that says so."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pytest

from timernn_suite.check import CheckError, judge

BACKENDS = """
import ctypes
import os
import time

from timernn.layers import TimeRNN
from timernn.numpy_backend import NumpyBackend


def faulty(name, act):
    class Layer(TimeRNN):
        def forward(self, xs):
            act()
            return super().forward(xs)

    class Faulty(NumpyBackend):
        def time_rnn(self, Wx, Wh, b, *, stateful=False):
            return Layer(self, Wx, Wh, b, stateful=stateful)

    Faulty.name = name
    return Faulty


def wrong():
    raise ArithmeticError("no idea")


Segfaults = faulty("segfaults", lambda: ctypes.string_at(0))
Leaves = faulty("leaves", lambda: os._exit(0))
Hangs = faulty("hangs", lambda: time.sleep(600))
Raises = faulty("raises", wrong)
"""
#: Three tests that reach `TimeRNN.forward`, in the middle of some that don't.
KEYWORD = "test_signature_is_the_contracts or test_time_rnn_from_zeros or test_time_affine"


@pytest.fixture
def judged(write_backend):
    write_backend("faults", BACKENDS)
    return lambda backend, **options: judge(f"faults:{backend}", **{"timeout": 60.0, "keyword": KEYWORD} | options)


def assert_cut_short(card, outcome):
    """Assert that one test ended the run, that those before it count and that those after it are not lost."""
    assert not card.passed
    (failure,) = card.failures
    assert failure.outcome == outcome
    assert failure.test.startswith("test_values.py::test_time_rnn_from_zeros[")
    counts = card.counts()
    assert counts[outcome] == 1
    assert counts["passed"] >= 1
    assert counts["not run"] >= 20
    assert len({outcome.test for outcome in card.outcomes}) == len(card.outcomes) == sum(counts.values())
    record = card.as_record()
    assert record["passed"] is False
    assert [entry["outcome"] for entry in record["failures"]] == [outcome]
    return failure


@pytest.mark.skipif(os.name != "posix", reason="a signal's name is the message")
def test_a_backend_that_segfaults_has_crashed(judged):
    failure = assert_cut_short(judged("Segfaults"), "crashed")
    assert failure.message == "its process died: SIGSEGV"


def test_a_backend_that_leaves_the_process_has_crashed_even_with_exit_code_0(judged):
    failure = assert_cut_short(judged("Leaves"), "crashed")
    assert failure.message == "its process died: exit code 0"


def test_a_backend_that_hangs_is_ended_and_said_to_hang(judged):
    failure = assert_cut_short(judged("Hangs", timeout=4.0), "hung")
    assert failure.message == "still running when the time was up"


def test_a_backend_that_raises_fails_its_tests_and_no_others(judged):
    card = judged("Raises")
    assert not card.passed
    assert {failure.test.partition("[")[0] for failure in card.failures} == {"test_values.py::test_time_rnn_from_zeros"}
    assert all("no idea" in (failure.message or "") for failure in card.failures)
    counts = card.counts()
    assert (counts["failed"], counts["not run"], counts["crashed"]) == (2, 0, 0)


def test_every_test_is_told_as_it_ends_with_how_many_there_are(judged):
    told = []
    card = judge("numpy", timeout=60, keyword=KEYWORD, progress=lambda *news: told.append(news))
    assert card.passed
    assert [done for done, _, _ in told] == list(range(1, len(card.outcomes) + 1))
    assert {total for _, total, _ in told} == {len(card.outcomes)}
    assert [test for _, _, test in told] == [outcome.test for outcome in card.outcomes]


def test_a_check_that_checks_nothing_is_no_pass():
    with pytest.raises(CheckError):
        judge("numpy", timeout=60, keyword="no_test_is_called_this")


@pytest.mark.parametrize(
    ("spec", "message"),
    [("no_such_backend", "no backend is called 'no_such_backend'"), ("faults:Nothing", "has no class 'Nothing'")],
)
def test_a_backend_that_cannot_be_checked_is_an_error_with_its_reason(judged, spec, message):
    with pytest.raises(CheckError, match=message):
        judge(spec, timeout=60)


def test_the_users_own_pytest_settings_have_no_say(judged, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    assert judge("numpy", timeout=60, keyword="test_describes_itself_for_a_record").passed


def test_a_project_around_the_environment_has_no_say(tmp_path):
    """An environment in a project's folder has the project's settings and conftest above the suite."""
    library = tmp_path / "project" / ".venv" / "lib"
    for package in ("timernn", "timernn_suite"):
        (found,) = importlib.util.find_spec(package).submodule_search_locations
        shutil.copytree(found, library / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "project" / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\nfilterwarnings = error\n")
    (tmp_path / "project" / "conftest.py").write_text("raise RuntimeError('not yours to load')\n")
    code = "import json, sys; from timernn_suite.check import judge; import timernn_suite as found\n"
    code += "assert found.__file__.startswith(sys.argv[1]), found.__file__\n"
    code += "print(json.dumps(judge('numpy', timeout=60, keyword='test_describes_itself_for_a_record').as_record()))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(library)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] is True
