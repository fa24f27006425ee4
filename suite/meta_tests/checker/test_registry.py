"""The registry: what can't run here is an error with its reason, and nothing else steps in for it."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from timernn import BackendUnavailable, UnknownBackend, registry
from timernn.contract import BackendBroken

UNABLE = """
from timernn import BackendUnavailable


class WithoutDevice:
    def __init__(self):
        raise BackendUnavailable("this machine has no such device")

    def rnn(self, Wx, Wh, b): ...

    def time_rnn(self, Wx, Wh, b, *, stateful=False): ...


class TooOld(BackendUnavailable):
    def __init__(self, what, needed):
        super().__init__(f"{what} must be {needed}")


class WithOldDriver:
    def __init__(self):
        raise TooOld("the driver", "12 or newer")
"""


@pytest.fixture
def unable(tmp_path, monkeypatch):
    (tmp_path / "unable_here.py").write_text(UNABLE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "unable_here:WithoutDevice"


def test_what_cannot_run_is_an_error_and_nothing_else_steps_in(unable):
    with pytest.raises(BackendUnavailable, match="'unable_here:WithoutDevice' can't run here: this machine has no"):
        registry.load_backend(unable)


def test_a_reason_of_a_class_of_the_backends_own_is_told_like_any_other(unable):
    with pytest.raises(BackendUnavailable, match="can't run here: the driver must be 12 or newer"):
        registry.load_backend("unable_here:WithOldDriver")


def test_the_environment_variable_chooses_the_backend(unable, monkeypatch):
    monkeypatch.setenv(registry.ENVIRONMENT_VARIABLE, unable)
    with pytest.raises(BackendUnavailable, match="no such device"):
        registry.load_backend()
    monkeypatch.setenv(registry.ENVIRONMENT_VARIABLE, "")
    assert registry.load_backend().name == registry.DEFAULT


def test_an_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(UnknownBackend, match=r"no backend is called 'abacus'; registered are .*numpy"):
        registry.load_backend("abacus")


def test_every_registered_backend_has_a_status_with_its_distribution():
    statuses = {status.name: status for status in registry.backend_statuses()}
    assert list(statuses) == registry.backend_names()
    assert statuses["numpy"].available
    assert statuses["numpy"].origin.startswith("timernn ")
    assert all(status.available or status.reason for status in statuses.values())


BROKEN = {
    "class Mine((Backend):\n    pass\n": r"SyntaxError: .*\(broken_here.py, line 1\)",
    "class Mine:\n    def __init__(self):\n        self.pool = nowhere\n": r"NameError: .*/broken_here.py:3\)",
}


@pytest.mark.parametrize("source", BROKEN)
def test_code_that_fails_is_told_in_a_line_with_its_place(source, tmp_path, monkeypatch):
    (tmp_path / "broken_here.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_here", raising=False)
    with pytest.raises(BackendBroken, match=f"'broken_here:Mine' can't run here: {BROKEN[source]}"):
        registry.load_backend("broken_here:Mine")


def test_one_that_is_broken_keeps_no_other_from_being_found(tmp_path, monkeypatch):
    (tmp_path / "broken_there.py").write_text("import numpy as\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    known = registry._registered()
    broken = EntryPoint("broken", "broken_there:Mine", registry.GROUP)
    monkeypatch.setattr(registry, "_registered", lambda: known | {"broken": broken})
    statuses = {status.name: status for status in registry.backend_statuses()}
    assert statuses["numpy"].available
    assert not statuses["numpy"].broken
    assert statuses["broken"].broken
    assert statuses["broken"].reason.startswith("SyntaxError: ")
