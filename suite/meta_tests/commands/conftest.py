"""What the tests of the command line share: a way to call it as a user does, and one small trained model."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from timernn_suite.cli import main

Done = subprocess.CompletedProcess[str]
RECIPE = """\
corpus = "{corpus}"
embedding_size = 6
hidden_size = 8
batch_size = 4
time_size = 5
epochs = {epochs}
learning_rate = 0.01
max_norm = 1.0
"""


def environment(cache: Path, **more: str) -> dict[str, str]:
    """Return an environment in which nothing of this machine's settings has a say."""
    ours = ("TIMERNN_", "PYTEST_", "FORCE_COLOR", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"TIMERNN_CACHE": str(cache), "NO_COLOR": "1", "COLUMNS": "120", "OPENBLAS_NUM_THREADS": "1"} | more


def command(*arguments: object) -> list[str]:
    """Return the command line for a process of its own."""
    return [sys.executable, "-m", "timernn_suite", *map(str, arguments)]


def call(cwd: Path, cache: Path, *arguments: object, **more: str) -> Done:
    """Run the command to its end. Whatever happens, no user is ever shown a traceback."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(cache, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=280,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def sentences(lines: int = 120, seed: int = 0) -> str:
    """Return a text of short sentences over a few words, the same for the same seed."""
    draw = random.Random(seed)
    nouns, verbs = ("the cat", "the dog", "a bird", "the old man"), ("sees", "hears", "likes")
    return "".join(f"{draw.choice(nouns)} {draw.choice(verbs)} {draw.choice(nouns)}\n" for _ in range(lines))


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def timernn(tmp_path, cache) -> Callable[..., Done]:
    """Return a function that runs the command in this test's folder; keywords are environment variables."""
    return lambda *arguments, **more: call(tmp_path, cache, *arguments, **more)


@pytest.fixture
def begun(tmp_path, cache) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that begins the command in this test's folder, for tests that interrupt it."""
    return lambda *arguments: subprocess.Popen(
        command(*arguments),
        cwd=tmp_path,
        env=environment(cache),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def call_inside(monkeypatch, cwd: Path, cache: Path, *arguments: object) -> Done:
    """Run the command in this process, which is quicker; what would be a traceback comes out as the exception."""
    said, complaints = io.StringIO(), io.StringIO()
    for name in os.environ.keys() - environment(cache).keys():
        monkeypatch.delenv(name)
    for name, value in environment(cache).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(cwd)
    monkeypatch.setattr(sys, "argv", ["timernn", *map(str, arguments)])
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints), pytest.raises(SystemExit) as ended:
        main()
    return Done(arguments, ended.value.code or 0, said.getvalue(), complaints.getvalue())


@pytest.fixture
def inside(monkeypatch, tmp_path, cache) -> Callable[..., Done]:
    """Return a function that does what ``timernn`` does, in this process."""
    return lambda *arguments: call_inside(monkeypatch, tmp_path, cache, *arguments)


@pytest.fixture
def inside_work(monkeypatch, work, cache) -> Callable[..., Done]:
    """Return a function that does what ``in_work`` does, in this process."""
    return lambda *arguments: call_inside(monkeypatch, work, cache, *arguments)


@pytest.fixture(scope="session")
def work(tmp_path_factory) -> Path:
    """Return a folder with a text, another text, and recipes of two and of very many epochs."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "own.txt").write_text(sentences(), encoding="utf-8")
    (folder / "other.txt").write_text(sentences().replace("cat", "horse"), encoding="utf-8")
    (folder / "tiny.toml").write_text(RECIPE.format(corpus="own.txt", epochs=2), encoding="utf-8")
    (folder / "endless.toml").write_text(RECIPE.format(corpus="own.txt", epochs=1_000_000), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def in_work(work, cache) -> Callable[..., Done]:
    """Return a function that runs the command in the folder of the text and the recipes."""
    return lambda *arguments, **more: call(work, cache, *arguments, **more)


@pytest.fixture(scope="session")
def trained(work, in_work) -> Done:
    """Return what training by the tiny recipe into ``runs/first`` printed."""
    done = in_work("train", "--recipe", "tiny.toml", "--out", "runs/first", "--json")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="session")
def run_folder(work, trained) -> Path:
    """Return the folder of that run; no test changes it."""
    return work / "runs" / "first"


@pytest.fixture(scope="session")
def own_corpus(run_folder) -> dict:
    """Return the description of the text in that run's manifest."""
    return json.loads((run_folder / "manifest.json").read_text(encoding="utf-8"))["corpus"]
