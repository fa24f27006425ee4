"""Known failures are strict, and a backend that was asked for by name must run: everything else ends the suite."""

from __future__ import annotations

import pytest

USAGE_ERROR = 4

MUTANT = """
from timernn.layers import TimeRNN
from timernn.numpy_backend import NumpyBackend


class Forgetful(TimeRNN):
    def reset_state(self):
        pass


class Base(NumpyBackend):
    name = "mutant"

    def time_rnn(self, Wx, Wh, b, *, stateful=False):
        return Forgetful(self, Wx, Wh, b, stateful=stateful)


class Open(Base):
    known_failures = {}


class Owned(Base):
    known_failures = {"test_state.py::test_reset_state_forgets": "its state can't be reset"}


class OwnedHalf(Base):
    known_failures = {"test_state.py::test_reset_state_forgets[float64]": "its float64 state can't be reset"}


class Mended(NumpyBackend):
    name = "mended"
    known_failures = {"test_state.py::test_reset_state_forgets": "no longer true"}


class Misspelt(NumpyBackend):
    name = "misspelt"
    known_failures = {"test_state.py::test_reset_state_forgest": "a slip of the pen"}


class OfNoFile(NumpyBackend):
    name = "of-no-file"
    known_failures = {"test_nothing.py::test_reset_state_forgets": "no such file"}


class WithoutReason(NumpyBackend):
    name = "without-reason"
    known_failures = {"test_state.py::test_reset_state_forgets": "  "}
"""


@pytest.fixture
def run(write_backend, run_suite):
    write_backend("known", MUTANT)
    return lambda backend, keyword="test_reset_state_forgets": run_suite(f"known:{backend}", "-q", "-k", keyword)


def test_a_failure_that_is_not_declared_fails(run):
    done = run("Open")
    assert done.returncode == 1, done.stdout
    assert "2 failed" in done.stdout


def test_a_declared_failure_is_an_expected_one_with_its_reason(run):
    done = run("Owned")
    assert done.returncode == 0, done.stdout
    assert "2 xfailed" in done.stdout
    assert "its state can't be reset" in done.stdout


def test_a_failure_declared_for_one_element_type_excuses_no_other(run):
    done = run("OwnedHalf")
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout
    assert "1 xfailed" in done.stdout
    assert "_ test_reset_state_forgets[known:OwnedHalf-float32] _" in done.stdout


def test_a_declared_failure_that_passes_fails(run):
    done = run("Mended")
    assert done.returncode == 1, done.stdout
    assert "2 failed" in done.stdout
    assert "XPASS(strict)" in done.stdout
    assert "no longer true" in done.stdout


@pytest.mark.parametrize(
    ("backend", "test_id"),
    [
        ("Misspelt", "test_state.py::test_reset_state_forgest"),
        ("OfNoFile", "test_nothing.py::test_reset_state_forgets"),
    ],
)
def test_a_declared_failure_of_an_unknown_test_is_wrong_use(run, backend, test_id):
    done = run(backend)
    assert done.returncode == USAGE_ERROR, done.stdout
    assert f"known_failures names '{test_id}', which is no test of this suite" in done.stdout + done.stderr


def test_a_declared_failure_without_a_reason_fails(run):
    done = run("WithoutReason", "test_known_failures_carry_reasons")
    assert done.returncode == 1, done.stdout
    assert "needs a reason" in done.stdout


UNABLE = {
    "no_such_backend": "no backend is called 'no_such_backend'; registered are",
    "unable:Nowhere": "module unable has no class 'Nowhere'",
    "no_such_module:Class": "its module no_such_module is not in this installation or the current folder",
    "unable:WithoutDevice": "this machine has no such device",
    "unable:OfNoUse": "unable:OfNoUse is not a backend: it needs the methods rnn and time_rnn",
    "broken_import:Class": "No module named 'a_library_that_is_not_here'",
}
SOURCE = """
from timernn import BackendUnavailable


class WithoutDevice:
    def __init__(self):
        raise BackendUnavailable("this machine has no such device")


class OfNoUse:
    def rnn(self, Wx, Wh, b):
        raise NotImplementedError
"""


@pytest.mark.parametrize("spec", UNABLE)
def test_a_backend_that_was_asked_for_and_cannot_run_is_wrong_use_with_its_reason(spec, write_backend, run_suite):
    write_backend("unable", SOURCE)
    write_backend("broken_import", "import a_library_that_is_not_here\n")
    done = run_suite(spec, "-q")
    assert done.returncode == USAGE_ERROR, done.stdout
    said = done.stdout + done.stderr
    assert f"--rnn-backend: {UNABLE[spec]}" in said or f"can't run here: {UNABLE[spec]}" in said
    assert "passed" not in said
    assert "Traceback" not in said
