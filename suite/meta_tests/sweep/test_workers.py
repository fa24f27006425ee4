"""Sweeps with real worker processes: nothing is lost or counted twice, whatever happens to them."""

from __future__ import annotations

import json
import os

import psutil
import pytest

from .conftest import CELLS, all_gone, cells_done, interrupt, merged, perplexities, wait_until, workers_of
from .conftest import end as ended

posix_only = pytest.mark.skipif(os.name != "posix", reason="processes are killed and interrupted by POSIX signals")
SMALL = 'recipe = "tiny.toml"\nseeds = [0, 1]\n'


def test_a_sweep_runs_every_cell_and_merges_the_seeds(undisturbed):
    record = merged(undisturbed)
    assert (record["cells"], record["done"], record["failed"], record["missing"]) == (CELLS, CELLS, 0, 0)
    assert len(cells_done(undisturbed)) == CELLS
    assert len(record["configurations"]) == 4
    for row in record["configurations"]:
        assert [cell["seed"] for cell in row["done"]] == [0, 1, 2, 3, 4, 5]
        found = row["test_perplexity"]
        assert found["least"] < found["mean"] < found["most"] < 60  # the vocabulary: a model that knows nothing
        assert found["standard_deviation"] > 0
        assert row["tokens_per_second"] is None  # nobody asked for speeds, and the machine was shared
    assert "tiny hidden_size=12 learning_rate=0.02" in (undisturbed / "sweep.md").read_text(encoding="utf-8")


def test_a_second_run_does_nothing(work, sweep, undisturbed):
    before = {path: path.stat().st_mtime_ns for path in cells_done(undisturbed)}
    done = sweep("grid.toml", "--workers", 2, "--out", "undisturbed", "--json")
    assert done.returncode == 0, done.stderr
    assert f"{CELLS} cells, {CELLS} of them done" in done.stderr
    assert json.loads(done.stdout)["done"] == CELLS
    assert {path: path.stat().st_mtime_ns for path in cells_done(undisturbed)} == before


def test_the_table_is_made_again_without_running_anything(sweep, undisturbed):
    text = (undisturbed / "sweep.md").read_text(encoding="utf-8")
    (undisturbed / "sweep.md").unlink()
    done = sweep("--table", undisturbed, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == merged(undisturbed)
    assert (undisturbed / "sweep.md").read_text(encoding="utf-8") == text


@posix_only
def test_killed_workers_change_nothing(work, begun, undisturbed):
    process = begun("grid.toml", "--workers", 3, "--out", "killed")
    wait_until(lambda: len(cells_done(work / "killed")) >= 5, process)
    victims = workers_of(process)[:2]
    assert len(victims) == 2
    for victim in victims:
        victim.kill()
    assert len(cells_done(work / "killed")) < CELLS
    done = ended(process)
    assert done.returncode == 0, done.stderr
    assert all_gone(victims)
    assert "goes on in another" in done.stderr  # a cell at least was in a dead worker's hands
    assert perplexities(work / "killed") == perplexities(undisturbed)
    seeds = [cell["address"] for row in merged(work / "killed")["configurations"] for cell in row["done"]]
    assert len(seeds) == len(set(seeds)) == CELLS


@posix_only
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(work, begun, sweep, undisturbed):
    process = begun("grid.toml", "--workers", 2, "--out", "interrupted")
    wait_until(lambda: len(cells_done(work / "interrupted")) >= 3, process)
    children = psutil.Process(process.pid).children(recursive=True)
    interrupt(process)
    done = ended(process)
    assert done.returncode == 130, done.stderr
    assert "the same command goes on from there" in done.stderr
    assert all_gone(children)
    kept = {path: path.stat().st_mtime_ns for path in cells_done(work / "interrupted")}
    assert 3 <= len(kept) < CELLS
    assert merged(work / "interrupted")["missing"] == CELLS - len(kept)

    again = sweep("grid.toml", "--workers", 2, "--out", "interrupted")
    assert again.returncode == 0, again.stderr
    assert f"{len(kept)} of them done" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert perplexities(work / "interrupted") == perplexities(undisturbed)


def test_a_failing_cell_is_reported_and_the_others_are_done(work, sweep):
    diverging = '[[cell]]\noptimiser = "sgd"\nlearning_rate = 1e38\nseeds = [0]\n'
    (work / "failing.toml").write_text(SMALL + diverging, encoding="utf-8")
    done = sweep("failing.toml", "--workers", 1, "--out", "failing")
    assert done.returncode == 1, done.stderr
    assert "learning_rate=1e+38 on numpy, seed 0: the loss became" in done.stderr
    record = merged(work / "failing")
    assert (record["done"], record["failed"], record["missing"]) == (2, 1, 0)
    (failure,) = record["configurations"][1]["failed"]
    assert "the loss became" in failure["message"]
    assert "the loss became" in (work / "failing" / "sweep.md").read_text(encoding="utf-8")

    table = sweep("--table", "failing")
    assert table.returncode == 1
    assert "the loss became" in table.stdout


DEADLY = """\
import os
from timernn.numpy_backend import NumpyBackend

class Deadly(NumpyBackend):
    def time_rnn(self, *arguments, **options):
        os._exit(7)
"""


@posix_only
def test_a_cell_that_kills_every_worker_fails_alone(work, sweep):
    (work / "deadly.py").write_text(DEADLY, encoding="utf-8")
    grid = SMALL + '[[cell]]\nbackends = ["deadly:Deadly"]\nseeds = [0]\n'
    (work / "deadly.toml").write_text(grid, encoding="utf-8")
    done = sweep("deadly.toml", "--workers", 1, "--out", "deadly")
    assert done.returncode == 1, done.stderr
    record = merged(work / "deadly")
    assert (record["done"], record["failed"]) == (2, 1)
    (failure,) = record["configurations"][1]["failed"]
    assert "workers" in failure["message"]
    assert "died" in failure["message"]


def test_a_timing_sweep_has_tokens_a_second(work, sweep):
    (work / "timing.toml").write_text("timing = true\n" + SMALL, encoding="utf-8")
    done = sweep("timing.toml", "--workers", 2, "--out", "timing")
    assert done.returncode == 0, done.stderr
    (row,) = merged(work / "timing")["configurations"]
    assert row["tokens_per_second"]["least"] > 0
    assert "tokens/s" in (work / "timing" / "sweep.md").read_text(encoding="utf-8")
