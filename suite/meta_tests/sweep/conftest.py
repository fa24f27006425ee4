"""What the tests of sweeps share: a tiny recipe, and the command in processes of its own, with real workers."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from timernn_suite.corpus.markov import MarkovSource

Done = subprocess.CompletedProcess[str]
RECIPE = """\
corpus = "text.txt"
embedding_size = 6
hidden_size = 8
batch_size = 20
time_size = 25
epochs = 3
learning_rate = 0.01
"""
#: 2 sizes × 2 rates × 6 seeds.
GRID = """\
recipe = "tiny.toml"
backends = ["numpy"]
seeds = [0, 1, 2, 3, 4, 5]

[override]
hidden_size = [8, 12]
learning_rate = [0.01, 0.02]
"""
CELLS = 24
#: Of the text, which the seeded source makes: a cell takes a fraction of a second.
TOKENS = 25_000
SECONDS = 120


@pytest.fixture(scope="session")
def distributed() -> None:
    """Skip where dask's distributed, an extra, isn't installed."""
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("needs dask's distributed: pip install 'timernn[sweep]'")


@pytest.fixture(scope="session")
def work(tmp_path_factory) -> Path:
    """Return the folder in which the tests' commands are given: text, recipe and grid are there."""
    folder = tmp_path_factory.mktemp("sweeps")
    source = MarkovSource(types=60, classes=6)
    words = source.vocabulary.decode(source.sample(TOKENS, "train"))
    (folder / "text.txt").write_text(" ".join(words).replace(" <eos> ", "\n"), encoding="utf-8")
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "grid.toml").write_text(GRID, encoding="utf-8")
    return folder


def environment(work: Path) -> dict[str, str]:
    """Return an environment in which nothing of this machine's settings has a say."""
    ours = ("TIMERNN_", "PYTEST_", "FORCE_COLOR", "PYTHONPATH", "DASK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    more = {"TIMERNN_CACHE": str(work / "cache"), "NO_COLOR": "1", "COLUMNS": "120", "OPENBLAS_NUM_THREADS": "1"}
    return kept | more


def begin(work: Path, *arguments: object) -> subprocess.Popen[str]:
    """Begin ``timernn sweep`` as the leader of a group of processes, as a shell does."""
    return subprocess.Popen(
        [sys.executable, "-m", "timernn_suite", "sweep", *map(str, arguments)],
        cwd=work,
        env=environment(work),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> Done:
    """Wait for a command to end. Whatever happens, no user is ever shown a traceback."""
    said, complaints = process.communicate(timeout=SECONDS)
    assert "Traceback" not in complaints, complaints
    return Done(process.args, process.returncode, said, complaints)


@pytest.fixture
def begun(work, distributed) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that begins a sweep; none outlives the test."""
    processes = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        processes.append(begin(work, *arguments))
        return processes[-1]

    yield start
    for process in processes:
        for child in workers_of(process) if process.poll() is None else []:
            child.kill()
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def sweep(work, distributed) -> Callable[..., Done]:
    """Return a function that runs a sweep to its end."""
    return lambda *arguments: end(begin(work, *arguments))


@pytest.fixture(scope="session")
def undisturbed(work, sweep) -> Path:
    """Return the folder of a sweep that nothing disturbed; no test changes it."""
    done = sweep("grid.toml", "--workers", 2, "--out", "undisturbed")
    assert done.returncode == 0, done.stderr
    return work / "undisturbed"


def cells_done(folder: Path) -> list[Path]:
    return sorted((folder / "cells").glob("*.json"))


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something holds, while the process must go on."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes of a command's local workers."""
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def all_gone(processes: list[psutil.Process]) -> bool:
    """Return whether all end, within a while; one that nobody waited for is gone too."""
    _, left = psutil.wait_procs(processes, timeout=10)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in left)


def merged(folder: Path) -> dict:
    return json.loads((folder / "sweep.json").read_text(encoding="utf-8"))


def perplexities(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the figures of every cell to the last bit, by address."""
    figures = {}
    for path in cells_done(folder):
        result = json.loads(path.read_text(encoding="utf-8"))["result"]
        train = float(result["train_perplexity"]).hex()
        figures[path.stem] = (train, result["valid"]["nll_hex"], result["test"]["nll_hex"])
    return figures


def interrupt(process: subprocess.Popen[str]) -> None:
    """Do what Ctrl-C in a terminal does: every process of the group gets SIGINT."""
    os.killpg(process.pid, signal.SIGINT)
