"""The example plug-ins, installed each from its own pyproject: short, independent, and right by the whole suite."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from timernn import backend_statuses
from timernn_suite.check import GROUPS, Limits, judge

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = ("jax", "torch")
every_example = pytest.mark.parametrize("name", NAMES)


def test_every_example_is_tested():
    assert sorted(folder.parent.name for folder in EXAMPLES.glob("*/pyproject.toml")) == list(NAMES)


@every_example
def test_it_is_short_and_imports_nothing_of_ours(name):
    source = (EXAMPLES / name / "src" / f"timernn_{name}.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 120
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imported]
    assert modules
    assert not [module for module in modules if module.startswith("timernn")]


@every_example
def test_it_registers_itself_and_can_run_here(name):
    (status,) = [status for status in backend_statuses() if status.name == name]
    assert status.origin.startswith(f"timernn-{name} ")
    assert status.available, status.reason


@every_example
def test_it_passes_the_whole_suite_by_its_name(name):
    card = judge(name, limits=Limits(total_seconds=1500, test_seconds=900), cases=500)
    assert card.failures == []
    assert card.cases() >= 2 * 500
    assert card.passed
    assert card.groups() == list(GROUPS)
    assert card.counts()["known failure"] == 0
    worst = card.largest_score()
    assert worst is not None
    assert worst.s < 8
