"""The merged result: figures over seeds, by hand, and what a folder must hold for it."""

from __future__ import annotations

import json
import math

import pytest
from rich.console import Console

from timernn_suite.lm.recipes import Recipe
from timernn_suite.sweep import cluster
from timernn_suite.sweep.errors import SweepError
from timernn_suite.sweep.plan import Plan, PlannedCell
from timernn_suite.sweep.results import Results
from timernn_suite.sweep.table import markdown, merge, spread, summary, table


def cell(seed: int, backend: str = "numpy") -> PlannedCell:
    recipe = Recipe("mine", hidden_size=7, seed=seed)
    return PlannedCell(f"{backend}-{seed}", recipe, {"hidden_size": 7}, backend, {"name": "text"})


def done(perplexity: float, speed: float | None = None) -> dict:
    split = {"perplexity": perplexity}
    return {"result": {"train_perplexity": 9.0, "valid": split, "test": split, "tokens_per_second": speed}}


@pytest.fixture
def results(tmp_path) -> Results:
    """Return a folder with two seeds done on one backend, and one failed and one missing on another."""
    plan = Plan("widths", timing=True, threads=1, cells=[cell(0), cell(1), cell(0, "a|b"), cell(1, "a|b")])
    found = Results(tmp_path / "sweep")
    found.begin(plan)
    found.keep("numpy-0", done(10.0, 1000.0))
    found.keep("numpy-1", done(14.0, 3000.0))
    found.keep_failure("a|b-0", "it broke")
    return found


def test_the_deviation_is_that_of_a_sample():
    assert spread([10.0, 14.0]) == {
        "mean": 12.0,
        "standard_deviation": pytest.approx(math.sqrt(8)),
        "least": 10.0,
        "most": 14.0,
    }
    assert spread([10.0]) == {"mean": 10.0, "standard_deviation": None, "least": 10.0, "most": 10.0}
    assert spread([]) is None


def test_a_row_is_a_configuration_over_its_seeds(results):
    record = merge(results.plan(), results)
    assert (record["cells"], record["done"], record["failed"], record["missing"]) == (4, 2, 1, 1)
    first, second = record["configurations"]
    assert (first["label"], first["backend"], first["cells"]) == ("mine hidden_size=7", "numpy", 2)
    assert first["test_perplexity"]["mean"] == 12.0
    assert first["tokens_per_second"]["mean"] == 2000.0
    assert second["test_perplexity"] is None
    assert second["failed"] == [{"seed": 0, "address": "a|b-0", "message": "it broke"}]
    assert summary(record) == "2 of 4 cells done, 1 failed, 1 missing"


def test_the_text_has_every_figure_and_every_failure(results):
    text = markdown(merge(results.plan(), results))
    assert "| mine hidden_size=7 | numpy | 2 of 2 | 12.00 ± 2.83 (10.00–14.00) |" in text
    assert "2,000 ± 1,414 (1,000–3,000)" in text
    assert "| mine hidden_size=7 | a\\|b | 0 of 2 | – | – | – |" in text
    assert "- mine hidden_size=7 on a|b, seed 0: it broke" in text


def test_the_terminal_has_the_same(results):
    console = Console(width=150, record=True, quiet=True)
    with console.capture() as shown:
        console.quiet = False
        console.print(table(merge(results.plan(), results)))
    assert "12.00 ± 2.83 (10.00–14.00)" in shown.get()


def test_a_cell_that_is_done_after_all_has_no_failure_left(results):
    results.keep("a|b-0", done(20.0))
    assert merge(results.plan(), results)["failed"] == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"address": "another"}'])
def test_a_damaged_cell_counts_as_missing(results, text):
    (results.folder / "cells" / "numpy-0.json").write_text(text, encoding="utf-8")
    assert merge(results.plan(), results)["missing"] == 2


def test_a_folder_without_a_sweep_is_an_error(tmp_path):
    with pytest.raises(SweepError, match=r"holds no sweep: plan.json can't be read"):
        Results(tmp_path).plan()


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"format": 1}), json.dumps({"format": 1, "cells": [1]})])
def test_a_damaged_plan_is_an_error(results, text):
    (results.folder / "plan.json").write_text(text, encoding="utf-8")
    with pytest.raises(SweepError, match="damaged, or not written by"):
        results.plan()


def test_without_distributed_a_sweep_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SweepError, match=r"pip install 'timernn\[sweep\]'"):
        cluster.require_distributed()
