"""Addresses: everything that decides a result is in them, and nothing else is."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from timernn_suite.lm.recipes import Recipe
from timernn_suite.sweep import plan as plans
from timernn_suite.sweep.errors import SweepError
from timernn_suite.sweep.grid import Cell, Grid
from timernn_suite.sweep.plan import make_plan, plan_from

TEXT = "the cat sees the dog\nthe dog sees the cat\n" * 20


@pytest.fixture
def text(tmp_path, monkeypatch):
    """Return a small text; encoded text goes to the test's own cache."""
    monkeypatch.setenv("TIMERNN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def address(text):
    """Return a function that gives the address of one cell: the usual one, but for what is said."""

    def of(*, backend="numpy", timing=False, threads=1, **values):
        recipe = Recipe(**({"name": "mine", "corpus": str(text)} | values))
        (cell,) = make_plan(Grid("g", (Cell(recipe, {}, backend),), timing, threads)).cells
        assert re.fullmatch("[0-9a-f]{64}", cell.address)
        return cell.address

    return of


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"hidden_size": 101},
        {"max_norm": 0.5},
        {"validate": False},
        {"backend": "numba"},
        {"timing": True},
        {"threads": 2},
    ],
    ids=str,
)
def test_what_decides_a_result_changes_the_address(address, other):
    assert address(**other) != address()


def test_another_text_changes_the_address(address, text, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text(TEXT.replace("cat", "cow"), encoding="utf-8")
    assert address(corpus=str(other)) != address()


def test_other_source_changes_the_address(address, monkeypatch):
    before = address()
    monkeypatch.setattr(plans, "code_digest", lambda: "other")
    assert address() != before


def test_names_and_places_do_not_change_the_address(address, text, tmp_path):
    elsewhere = tmp_path / "elsewhere.txt"
    elsewhere.write_text(TEXT, encoding="utf-8")
    assert address(name="yours", corpus=str(elsewhere)) == address()
    assert address(max_norm=1) == address(max_norm=1.0)


def test_an_outside_backend_is_known_by_its_file(address, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "outside_backend.py").write_text("a = 1\n", encoding="utf-8")
    before = address(backend="outside_backend:Mine")
    assert address(backend="outside_backend:Mine") == before
    (tmp_path / "outside_backend.py").write_text("a = 2\n", encoding="utf-8")
    assert address(backend="outside_backend:Mine") != before


def test_a_cell_that_a_grid_names_twice_is_planned_once(text):
    recipe = Recipe("mine", corpus=str(text))
    grid = Grid("g", (Cell(recipe, {}, "numpy"), Cell(dataclasses.replace(recipe, name="same"), {}, "numpy")))
    assert len(make_plan(grid).cells) == 1


def test_a_plan_survives_its_file(text):
    recipe = Recipe("mine", corpus=str(text), seed=3)
    plan = make_plan(Grid("g", (Cell(recipe, {"epochs": 2}, "numpy"),), timing=True, threads=2))
    assert plan_from(json.loads(json.dumps(plan.as_record()))) == plan


def test_a_plan_of_another_format_is_refused():
    with pytest.raises(SweepError, match="format 99; this version of timernn reads 1"):
        plan_from({"format": 99})
