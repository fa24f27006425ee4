"""Whether a real regression is told from none: a repository of its own, with a commit that slows a kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMPARE = ROOT / "benchmarks" / "history" / "compare.py"
KERNELS = "impls/timernn/numpy_backend.py"
TRIES = int(os.environ.get("TIMERNN_TRIES", "10"))

#: Makes both kernels of the block take 1.3 times as long, whatever the machine.
SLOWER = """

def _slowed(kernel):
    import time

    def slow(*args, **kwargs):
        begun = time.perf_counter()
        result = kernel(*args, **kwargs)
        end = time.perf_counter() + 0.3 * (time.perf_counter() - begun)
        while time.perf_counter() < end:
            pass
        return result

    return slow


NumpyBackend.time_rnn_forward = _slowed(NumpyBackend.time_rnn_forward)
NumpyBackend.time_rnn_backward = _slowed(NumpyBackend.time_rnn_backward)
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Three commits: the source as it is, one that only comments on it, and one that is slower."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "impls", folder / "impls", ignore=shutil.ignore_patterns("__pycache__"))

    def git(*arguments):
        identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    def commit(tag, added):
        path = folder / KERNELS
        path.write_text(path.read_text(encoding="utf-8") + added, encoding="utf-8")
        git("add", "-A")
        git("commit", "-q", "-m", tag)
        git("tag", tag)

    git("init", "-q")
    commit("before", "")
    commit("comments", "\n# Nothing but a remark.\n")
    commit("slower", SLOWER)
    return folder


def compare(repository, *arguments):
    command = [sys.executable, str(COMPARE), *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def verdict(repository, old, new, pairs=8):
    record = repository / "record.json"
    what = ["--backend", "numpy", "--shape", "small", "--pairs", str(pairs), "--json", str(record)]
    done = compare(repository, old, new, *what)
    assert done.returncode in (0, 1), done.stderr
    (change,) = json.loads(record.read_text(encoding="utf-8"))["changes"]
    assert (done.returncode == 1) == (change["verdict"] == "slower")
    if change["verdict"] == "can't tell" and pairs < 16:
        return verdict(repository, old, new, pairs=16)  # what the command advises on a busy machine
    return change["verdict"], change["ratio"]


@pytest.mark.parametrize(
    ("old", "new", "slower"), [("comments", "slower", True), ("before", "comments", False)], ids=["slower", "comments"]
)
def test_a_slower_kernel_is_told_from_a_comment_in_nine_of_ten_tries(repository, old, new, slower, record_property):
    found = [verdict(repository, old, new) for _ in range(TRIES)]
    record_property("verdicts", found)
    right = [said for said, _ in found if (said == "slower") == slower]
    assert len(right) >= 0.9 * TRIES, found
    print(f"\n{old} → {new}: {found}")


def test_what_is_no_commit_is_refused(repository):
    done = compare(repository, "nowhere")
    assert done.returncode == 2
    assert "'nowhere' is no commit here" in done.stderr
