"""Sweeps on a scheduler that runs already: real ones, and those that can't be used, with the reason."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time

import pytest

from timernn_suite.sweep import cluster
from timernn_suite.sweep.errors import SweepError

from .conftest import cells_done, environment, interrupt, merged, perplexities, wait_until
from .conftest import end as ended

SMALL = 'recipe = "tiny.toml"\nseeds = [0, 1]\n[override]\nhidden_size = [8]\nlearning_rate = [0.01]\n'
SCHEDULER = """\
import logging, sys
from distributed import LocalCluster

if __name__ == "__main__":
    workers, threads = map(int, sys.argv[1:])
    with LocalCluster(
        n_workers=workers, threads_per_worker=threads, dashboard_address=None, silence_logs=logging.CRITICAL
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""
#: Notes at every step which process takes it.
STAMPING = """\
import os, pathlib
from timernn.numpy_backend import NumpyBackend

class Stamping(NumpyBackend):
    def time_rnn_forward(self, *arguments, **options):
        with pathlib.Path("stamps.txt").open("a") as file:
            file.write(f"{os.getpid()}\\n")
        return super().time_rnn_forward(*arguments, **options)
"""


@pytest.fixture(scope="module")
def start_scheduler(work, distributed):
    """Return a function that starts a scheduler with so many workers of so many threads, and gives its address."""
    (work / "start_scheduler.py").write_text(SCHEDULER, encoding="utf-8")
    processes = []

    def start(workers: int, threads: int = 1) -> str:
        process = subprocess.Popen(
            [sys.executable, "start_scheduler.py", str(workers), str(threads)],
            cwd=work,
            env=environment(work),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        processes.append(process)
        return process.stdout.readline().strip()

    yield start
    for process in processes:
        process.communicate()  # the end of its input ends it


@pytest.fixture(scope="module")
def scheduler(start_scheduler) -> str:
    """Return the address of a scheduler with two workers."""
    return start_scheduler(2)


def test_its_workers_get_the_same_results(work, sweep, scheduler, undisturbed):
    (work / "small.toml").write_text(SMALL, encoding="utf-8")
    done = sweep("small.toml", "--scheduler", scheduler, "--out", "remote")
    assert done.returncode == 0, done.stderr
    found = perplexities(work / "remote")
    assert len(found) == 2
    assert found.items() <= perplexities(undisturbed).items()


def test_timing_cells_have_the_machine_for_themselves(work, sweep, scheduler):
    (work / "stamping.py").write_text(STAMPING, encoding="utf-8")
    grid = 'recipe = "tiny.toml"\nbackends = ["stamping:Stamping"]\nseeds = [0, 1, 2, 3]\ntiming = true\n'
    (work / "timing.toml").write_text(grid, encoding="utf-8")
    done = sweep("timing.toml", "--scheduler", scheduler, "--out", "timing-remote")
    assert done.returncode == 0, done.stderr
    (row,) = merged(work / "timing-remote")["configurations"]
    assert len(row["done"]) == 4
    assert row["tokens_per_second"]["least"] > 0
    runs = [process for process, _ in itertools.groupby((work / "stamps.txt").read_text("utf-8").split())]
    assert len(set(runs)) == 2  # both workers had a share
    assert len(runs) <= 4  # side by side they would have taken turns at every step


def test_ctrl_c_frees_the_workers(work, begun, sweep, scheduler):
    endless = 'recipe = "tiny.toml"\nseeds = [0, 1]\n[override]\nepochs = [1000000]\n'
    (work / "endless.toml").write_text(endless, encoding="utf-8")
    process = begun("endless.toml", "--scheduler", scheduler, "--out", "endless")
    wait_until(lambda: len(list((work / "endless" / "runs").glob("*/last.npz"))) == 2, process)
    interrupt(process)
    done = ended(process)
    assert done.returncode == 130, done.stderr
    assert merged(work / "endless")["missing"] == 2

    (work / "after.toml").write_text('recipe = "tiny.toml"\nseeds = [8, 9]\n', encoding="utf-8")
    after = sweep("after.toml", "--scheduler", scheduler, "--out", "after")
    assert after.returncode == 0, after.stderr
    assert len(cells_done(work / "after")) == 2


def test_an_address_where_nothing_answers_is_an_error_within_seconds(work, sweep):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and doesn't listen
        started = time.monotonic()
        done = sweep("grid.toml", "--scheduler", f"tcp://127.0.0.1:{unused.getsockname()[1]}", "--out", "nowhere")
    assert done.returncode == 2
    assert "no scheduler answers there within 5 s" in done.stderr
    assert time.monotonic() - started < 30


def test_what_is_no_address_is_an_error(work, sweep):
    done = sweep("grid.toml", "--scheduler", "nonsense://here", "--out", "nowhere")
    assert done.returncode == 2
    assert "--scheduler nonsense://here: no scheduler answers there" in done.stderr


@pytest.mark.filterwarnings("default")  # those of dask's own
def test_workers_of_another_version_are_refused(scheduler, monkeypatch):
    here = cluster.versions()
    monkeypatch.setattr(cluster, "versions", lambda: here | {"timernn": "99.0"})
    complaint = f"can't take part: it has timernn {here['timernn']}, and this command has timernn 99.0"
    with pytest.raises(SweepError, match=complaint), cluster.remote_client(scheduler, ["numpy"], 1):
        pass
    monkeypatch.setattr(cluster, "versions", lambda: here | {"source": "0123456789abcdef"})
    with pytest.raises(SweepError, match="the same version number but other source"):
        cluster.remote_client(scheduler, ["numpy"], 1).__enter__()


@pytest.mark.filterwarnings("default")
def test_workers_that_lack_a_backend_are_refused(scheduler):
    with pytest.raises(SweepError, match=r"worker tcp://.* can't take part: no backend is called 'absent'"):
        cluster.remote_client(scheduler, ["absent"], 1).__enter__()


@pytest.mark.filterwarnings("default")
def test_workers_of_several_threads_are_refused(start_scheduler):
    with pytest.raises(SweepError, match=r"runs 2 tasks at once.*--nthreads 1"):
        cluster.remote_client(start_scheduler(1, 2), ["numpy"], 1).__enter__()


@pytest.mark.filterwarnings("default")
def test_a_scheduler_without_workers_is_refused(start_scheduler, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 1.0)
    with pytest.raises(SweepError, match="it has no workers; start some with: dask worker tcp://"):
        cluster.remote_client(start_scheduler(0), ["numpy"], 1).__enter__()
