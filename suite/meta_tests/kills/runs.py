"""What these tests share: a training run in a process of its own, and what is in its folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from timernn_suite.lm import checkpoint as checkpoints

HERE = Path(__file__).parent
#: Often enough that kills hit before, in and after a checkpoint.
OFTEN = ("--checkpoint-every", "0.05s")
#: Of the recipe.
EPOCHS = 3
#: What differs from run to run.
TIMES = ("seconds", "tokens_per_second")
LIMIT = 120.0


def environment() -> dict[str, str]:
    """Return an environment in which nothing of this machine's settings has a say."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIMERNN_", "FORCE_COLOR"))}
    return kept | {"NO_COLOR": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Run:
    """A run's folder, and the processes that work in it."""

    folder: Path

    def begin(self, *options: str, dying: tuple[str, int] | None = None) -> subprocess.Popen[str]:
        """Begin the run, or go on with it if something was saved; ``dying`` says how it is to end, if not well."""
        what = ["--resume"] if self.saved else ["--recipe", str(HERE / "tiny.toml")]
        how = ["-m", "timernn_suite"]
        if dying is not None:
            how = [str(HERE / "dying.py"), dying[0], str(dying[1]), str(self.folder)]
        return subprocess.Popen(
            [sys.executable, *how, "train", *what, "--out", str(self.folder), *OFTEN, *options],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def finish(self, *options: str, dying: tuple[str, int] | None = None) -> tuple[int, str]:
        """Wait for `begin`; return the exit code and what was said on standard error."""
        process = self.begin(*options, dying=dying)
        said = process.communicate(timeout=LIMIT)[1]
        return process.returncode, said

    @property
    def saved(self) -> bool:
        """Whether there is a checkpoint."""
        return (self.folder / checkpoints.LAST).exists()

    def weights(self, name: str = checkpoints.LAST) -> dict[str, Any]:
        """Return the arrays of a checkpoint, its hashes checked."""
        return dict(checkpoints.load(self.folder / name)[0].arrays)

    def curve(self) -> list[dict[str, Any]]:
        """Return the learning curve, without what differs from run to run."""
        lines = (self.folder / "curve.jsonl").read_text("utf-8").splitlines()
        return [{key: value for key, value in json.loads(line).items() if key not in TIMES} for line in lines]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for something that a process will do."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_same(run: Run, unbroken: Run) -> None:
    """Check that a finished run has the bits of another, in its last and its best checkpoint, and its curve."""
    for name in (checkpoints.LAST, checkpoints.BEST):
        want = unbroken.weights(name)
        found = run.weights(name)
        assert found.keys() == want.keys()
        for key, value in want.items():
            np.testing.assert_array_equal(found[key], value, err_msg=f"{name} {key}", strict=True)
    assert run.curve() == unbroken.curve()
    assert [record["epoch"] for record in run.curve()] == list(range(1, EPOCHS + 1))
    results = [json.loads((each.folder / "manifest.json").read_text("utf-8"))["results"] for each in (run, unbroken)]
    assert results[0]["test"] == results[1]["test"]
