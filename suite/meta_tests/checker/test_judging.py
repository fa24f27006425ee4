"""The judge outlives its backends: a crash, a hang, a full memory or a flood costs one test, and is told."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time

import jsonschema
import psutil
import pytest

from timernn import __version__
from timernn_suite.check import CheckError, Document, Limits, judge
from timernn_suite.check.document import schema
from timernn_suite.provenance import environment

BACKENDS = """
import ctypes
import os
import sys
import time

import numpy as np

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


def hoard():
    kept = []
    while True:
        kept.append(np.ones(2**21))


def talk():
    while True:
        sys.stdout.write("x" * 4096)


def spin():
    while True:
        pass


Segfaults = faulty("segfaults", lambda: ctypes.string_at(0))
Aborts = faulty("aborts", os.abort)
Leaves = faulty("leaves", lambda: os._exit(0))
Spins = faulty("spins", spin)
Sleeps = faulty("sleeps", lambda: time.sleep(600))
Hoards = faulty("hoards", hoard)
Talks = faulty("talks", talk)
Raises = faulty("raises", wrong)


class DiesWhenBuilt(NumpyBackend):
    def __init__(self):
        os.abort()


class DiesWhenAsked(NumpyBackend):
    def describe(self):
        os.abort()


class Boasts(NumpyBackend):
    def describe(self):
        return {"where": os.path.abspath(__file__), "odd": ("\\x1b[31m", float("nan"), dict)}


class CannotSay(NumpyBackend):
    def describe(self):
        wrong()


class DiesAtTheEnd(NumpyBackend):
    def __init__(self):
        import atexit
        atexit.register(os.abort)


class HangsAtTheEnd(NumpyBackend):
    def __init__(self):
        import threading
        threading.Thread(target=time.sleep, args=(600,)).start()
"""
#: Two tests that reach `TimeRNN.forward`, in the middle of many that don't.
KEYWORD = "test_signature_is_the_contracts or test_time_rnn_from_zeros or test_time_affine"
HIT = "test_values.py::test_time_rnn_from_zeros"
LIMITS = Limits(test_seconds=10.0, memory_mib=512, output_mib=2)
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals by name, and a stack from a process that is ended")


@pytest.fixture
def judged(write_backend):
    write_backend("faults", BACKENDS)
    return lambda backend, **limits: judge(
        f"faults:{backend}", limits=dataclasses.replace(LIMITS, **limits), keyword=KEYWORD
    )


ZOO = {
    "Segfaults": ("crashed", "CRASH(SIGSEGV): the process died, in", "string_at", {}),
    "Aborts": ("crashed", "CRASH(SIGABRT): the process died, in", "faults.py", {}),
    "Leaves": ("crashed", "CRASH(exit code 0): the process died", "", {}),
    "Spins": ("hung", "HANG: no end after 3 s, in", "in spin", {"test_seconds": 3.0}),
    "Sleeps": ("hung", "HANG: no end after 3 s, in", "faults.py", {"test_seconds": 3.0}),
    "Hoards": ("out of memory", "OOM: it held more than 512 MiB, in", "in hoard", {}),
    "Talks": ("flooded", "FLOOD: it printed more than 2 MiB, in", "in talk", {}),
}


def assert_valid(card):
    """The published schema describes the record, and JSON can hold it."""
    record = Document([card], environment()).as_record()
    jsonschema.validate(json.loads(json.dumps(record, allow_nan=False)), schema(), jsonschema.Draft202012Validator)


@posix_only
@pytest.mark.parametrize("backend", ZOO)
def test_whatever_a_backend_does_costs_the_test_in_which_it_does_it_and_no_other(judged, backend, tmp_path):
    outcome, message, frame, limits = ZOO[backend]
    card = judged(backend, **limits)
    assert not card.passed
    assert [failure.outcome for failure in card.failures] == [outcome] * 2
    assert {failure.test.partition("[")[0] for failure in card.failures} == {HIT}
    for failure in card.failures:
        assert failure.message.startswith(message), failure.message
        assert frame in failure.message
        assert str(tmp_path) not in failure.message
    counts = card.counts()
    assert counts == {"passed": counts["passed"], outcome: 2}
    assert counts["passed"] >= 30
    assert len({outcome.test for outcome in card.outcomes}) == len(card.outcomes)
    record = card.as_record()
    assert record["passed"] is False
    assert [test["outcome"] for test in record["tests"] if test["outcome"] != "passed"] == [outcome] * 2
    assert record["counts"][outcome] == record["groups"]["values"]["counts"][outcome] == 2
    assert_valid(card)
    assert record["about"]["name"] == backend.lower()
    assert record["about"]["from"] is None
    assert "faults" not in sys.modules  # only ever imported where it is judged
    if outcome == "hung":
        assert all(failure.seconds >= limits["test_seconds"] for failure in card.failures)


def test_a_backend_that_raises_fails_its_tests_and_no_others(judged):
    card = judged("Raises")
    assert not card.passed
    assert {failure.test.partition("[")[0] for failure in card.failures} == {HIT}
    assert all("no idea" in (failure.message or "") for failure in card.failures)
    counts = card.counts()
    assert counts == {"passed": counts["passed"], "failed": 2}
    assert_valid(card)


def test_when_the_time_of_the_whole_check_is_up_the_rest_is_said_not_to_have_run(judged):
    card = judged("Sleeps", total_seconds=3.0, test_seconds=60.0)
    (failure,) = card.failures
    assert failure.message.startswith("HANG: still running when the check's 3 s were over")
    assert card.counts()["not run"] >= 1
    assert not card.passed


@posix_only
def test_a_backend_that_dies_when_it_is_built_has_crashed(judged):
    card = judged("DiesWhenBuilt")
    (failure,) = card.failures
    assert (failure.test, failure.outcome) == ("import and collection", "crashed")
    assert failure.message.startswith("CRASH(SIGABRT)")
    assert not card.passed
    assert card.about is None
    assert_valid(card)


@posix_only
def test_a_backend_that_dies_of_the_question_what_it_is_loses_no_test_by_it(judged):
    card = judged("DiesWhenAsked")
    (failure,) = card.failures
    assert (failure.test, failure.outcome) == ("description of the backend", "crashed")
    assert card.counts() == {"passed": card.counts()["passed"], "crashed": 1}
    assert card.counts()["passed"] >= 30
    assert card.about is None
    assert_valid(card)


def test_what_a_backend_says_of_itself_is_made_fit_for_a_record(judged):
    about = judged("Boasts").about
    assert about["describe"]["where"] == "faults.py"
    assert about["describe"]["odd"] == ["\N{REPLACEMENT CHARACTER}[31m", "nan", "<class 'dict'>"]
    about = judged("CannotSay").about
    assert about["describe"] == {"error": "ArithmeticError('no idea')"}


@posix_only
def test_a_backend_that_dies_after_the_last_test_has_crashed_and_its_tests_count(judged):
    card = judged("DiesAtTheEnd")
    (failure,) = card.failures
    assert (failure.test, failure.outcome) == ("exit of the process", "crashed")
    assert card.counts()["passed"] >= 30
    assert not card.passed


def test_a_backend_that_never_exits_hangs_and_its_tests_count(judged):
    card = judged("HangsAtTheEnd", test_seconds=3.0)
    (failure,) = card.failures
    assert (failure.test, failure.outcome) == ("exit of the process", "hung")
    assert card.counts()["passed"] >= 30


@posix_only
def test_what_a_judged_backend_has_started_ends_with_it(write_backend, tmp_path):
    write_backend("forker", FORKER)
    left = tmp_path / "pid"
    judge("forker:Forks", limits=LIMITS, keyword="test_describes_itself_for_a_record")
    assert gone_within(5.0, int(left.read_text()))


def gone_within(seconds, pid):
    """Whether a process is gone in time; one that nobody reaps stays in the table as a zombie, and is gone too."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


FORKER = """
import pathlib
import subprocess

from timernn.numpy_backend import NumpyBackend


class Forks(NumpyBackend):
    def __init__(self):
        child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (pathlib.Path(__file__).parent / "pid").write_text(str(child.pid))
"""


def test_every_test_is_told_as_it_ends_with_how_many_there_are(judged):
    told = []
    card = judge("numpy", keyword=KEYWORD, progress=lambda *news: told.append(news))
    assert card.passed
    assert (card.limits, card.selection.keyword) == (Limits(), KEYWORD)
    assert card.about["from"] == f"timernn {__version__}"
    assert card.about["describe"]["library"] == "numpy"
    assert card.about["dtypes"] == ["float32", "float64"]
    assert_valid(card)
    assert [done for done, _, _ in told] == list(range(1, len(card.outcomes) + 1))
    assert {total for _, total, _ in told} == {len(card.outcomes)}
    assert [test for _, _, test in told] == [outcome.test for outcome in card.outcomes]


def test_a_check_that_checks_nothing_is_no_pass():
    with pytest.raises(CheckError):
        judge("numpy", keyword="no_test_is_called_this")


@pytest.mark.parametrize(
    ("spec", "message"),
    [("no_such_backend", "no backend is called 'no_such_backend'"), ("faults:Nothing", "has no class 'Nothing'")],
)
def test_a_backend_that_cannot_be_checked_is_an_error_with_its_reason(judged, spec, message):
    with pytest.raises(CheckError, match=message):
        judge(spec)


def test_the_users_own_pytest_settings_have_no_say(judged, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    assert judge("numpy", keyword="test_describes_itself_for_a_record").passed


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
    code += "print(json.dumps(judge('numpy', keyword='test_describes_itself_for_a_record').as_record()))"
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
