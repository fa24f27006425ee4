"""Backends from outside: two factories that import nothing of ours, and five lines on `ArrayBackend`, pass it all."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest

from timernn import load_backend
from timernn.contract import Backend, DTypeError
from timernn_suite.check import GROUPS, judge

MINIMAL = "minimal_backend:MinimalBackend"
SUBCLASS = """
import numpy

from timernn.base import ArrayBackend


class PlainBackend(ArrayBackend):
    name = "plain"
    xp = numpy
"""


def assert_passed_whole(card):
    assert card.failures == []
    assert card.passed
    assert card.groups() == list(GROUPS)
    for group in GROUPS:
        assert card.counts(group)["passed"] > 0, group
    assert card.counts()["known failure"] == 0


def test_the_minimal_backend_imports_nothing_of_ours(helper_modules):
    tree = ast.parse((helper_modules / "minimal_backend.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [alias.name for node in imports for alias in node.names] == ["numpy"]
    (backend,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "MinimalBackend"]
    assert [node.name for node in backend.body if isinstance(node, ast.FunctionDef)] == ["rnn", "time_rnn"]


def test_two_factories_are_completed_to_a_whole_backend(helper_modules):
    backend = load_backend(MINIMAL)
    assert isinstance(backend, Backend)
    assert (backend.name, backend.known_failures) == ("MinimalBackend", {})
    assert tuple(backend.dtypes) == ("float32", "float64")
    assert backend.describe()["library"] == "numpy"
    W = np.arange(6.0).reshape(3, 2)
    rows = backend.time_embedding(W).forward(np.array([[2, 0]]))
    np.testing.assert_array_equal(rows, [[[4.0, 5.0], [0.0, 1.0]]])


def test_completing_takes_nothing_away_from_a_backend(write_backend, monkeypatch, tmp_path):
    write_backend("outsider", "import minimal_backend as m\nclass Own(m.MinimalBackend):\n" + OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    backend = load_backend("outsider:Own")
    assert (backend.name, backend.dtypes, backend.known_failures) == ("own", ("float64",), {"a::b": "because"})
    assert backend.describe() == {"library": "mine"}
    assert backend.asarray([1, 2]) == "mine"


OWN = """\
    name, dtypes, known_failures = "own", ("float64",), {"a::b": "because"}
    def describe(self):
        return {"library": "mine"}
    def asarray(self, data, dtype=None):
        return "mine"
"""


def test_a_minimal_backend_passes_the_whole_suite(helper_modules):
    assert_passed_whole(judge(MINIMAL))


def test_five_lines_on_the_base_class_pass_the_whole_suite(write_backend):
    write_backend("plain_backend", SUBCLASS)
    assert_passed_whole(judge("plain_backend:PlainBackend"))


def test_a_warning_about_nan_is_no_failure_even_where_warnings_are_errors(write_backend, run_suite):
    write_backend("plain_backend", SUBCLASS)
    done = run_suite("plain_backend:PlainBackend", "-k", "test_numerics", "-W", "error")
    assert done.returncode == 0, done.stdout
    # Whether NumPy warns of a NaN in a product depends on the kernel that BLAS takes.
    passed = r"^=+ [1-9]\d* passed, \d+ deselected(, \d+ warnings?)? in "
    assert re.search(passed, done.stdout, re.MULTILINE), done.stdout


def test_what_the_conversion_does_not_take_is_refused_by_the_arguments_name(write_backend, monkeypatch, tmp_path):
    """A layer that timernn fills in doesn't blame the author's conversion for somebody else's argument."""
    write_backend("strict_outsider", "import minimal_backend as m\nclass Strict(m.MinimalBackend):\n" + STRICT)
    monkeypatch.syspath_prepend(str(tmp_path))
    backend = load_backend("strict_outsider:Strict")
    with pytest.raises(DTypeError, match=r"ids: must be an array of .*, got NoneType"):
        backend.time_embedding(np.ones((3, 2))).forward(None)


STRICT = """
    def to_numpy(self, array):
        return array.copy()
"""
