"""Ctrl-C and the time limit: a clean stop with a checkpoint, from which the run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

posix_only = pytest.mark.skipif(os.name != "posix", reason="another process can be sent SIGINT on POSIX only")


@pytest.fixture
def interrupted(work, tmp_path, cache):
    """Return a function that begins an endless run, waits for its second checkpoint, and sends it a signal."""

    def interrupt(number):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIMERNN_")}
        command = [sys.executable, "-m", "timernn_suite", "train", "-r", "endless.toml", "-o", str(tmp_path / "run")]
        process = subprocess.Popen(
            [*command, "--json"],
            cwd=work,
            env=environment | {"TIMERNN_CACHE": str(cache), "NO_COLOR": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "run" / "previous.npz").exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(number)
            said, complaints = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
        return process.returncode, said, complaints

    return interrupt


@posix_only
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_keeps_a_checkpoint_and_goes_on(interrupted, in_work, tmp_path, name):
    code, said, complaints = interrupted(getattr(signal, name))
    assert code == 130, complaints
    assert "Traceback" not in complaints
    assert f"go on with: timernn train --resume --out {tmp_path / 'run'}" in complaints
    record = json.loads(said)
    assert record["finished"] is False
    assert record["epochs"] >= 2
    with np.load(tmp_path / "run" / "last.npz") as file:
        assert any(name.startswith("weights/") for name in file.files)

    goal = record["epochs"] + 1
    done = in_work("train", "--resume", "--out", tmp_path / "run", "--epochs", goal, "--json")
    assert done.returncode == 0, done.stderr
    finished = json.loads(done.stdout)
    assert (finished["epochs"], finished["finished"]) == (goal, True)
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "run" / "curve.jsonl").read_text("utf-8").splitlines()]
    assert epochs == list(range(1, goal + 1))


def test_a_time_limit_stops_with_exit_code_0_and_says_how_to_go_on(in_work, tmp_path):
    done = in_work("train", "-r", "endless.toml", "-o", tmp_path / "run", "--time-limit", "0.2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["finished"] is False
    assert "--resume" in done.stderr
    assert (tmp_path / "run" / "last.npz").exists()
