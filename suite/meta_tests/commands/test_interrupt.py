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

from timernn_suite.lm.interrupt import seconds_of

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


def test_a_time_limit_stops_as_an_interrupt_does_and_says_how_to_go_on(in_work, tmp_path):
    done = in_work("train", "-r", "endless.toml", "-o", tmp_path / "run", "--time-limit", "0.2s", "--json")
    assert done.returncode == 130, done.stderr
    assert json.loads(done.stdout)["finished"] is False
    go_on = f"the time limit has passed; go on with: timernn train --resume --out {tmp_path / 'run'}"
    assert go_on in done.stderr
    done_before = position(tmp_path / "run")
    # Counted anew by each command; it may pass during the start, and one iteration is done all the same.
    assert in_work("train", "--resume", "-o", tmp_path / "run", "--time-limit", "0.2s").returncode == 130
    assert position(tmp_path / "run") > done_before > 0


def position(folder):
    """Return how far in the text the last checkpoint is."""
    with np.load(folder / "last.npz") as file:
        return json.loads(file["about"].tobytes())["progress"]["time_index"]


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("90", 5400), ("90m", 5400), ("1h30m", 5400), ("1.5h", 5400), ("45s", 45), ("1h1m1s", 3661), ("0.5", 30)],
)
def test_a_duration_is_minutes_or_has_its_units(duration, seconds):
    assert seconds_of(duration) == seconds


@pytest.mark.parametrize("duration", ["", "0", "0s", "-5", "m", "5d", "1m1h", "1:30", "nan", "1e3"])
def test_what_is_no_duration_is_refused_with_examples(inside, duration):
    with pytest.raises(ValueError, match="must be minutes, such as 90, or a time such as 90m, 1h30m or 45s"):
        seconds_of(duration)
    done = inside("train", f"--time-limit={duration}")
    assert done.returncode == 2
    assert "--time-limit" in done.stderr
    assert not done.stdout


def test_checkpoints_within_an_epoch_change_no_bit_and_leave_the_run_to_go_on(in_work, run_folder, tmp_path):
    done = in_work("train", "-r", "tiny.toml", "-o", tmp_path / "run", "--checkpoint-every", "0.000001s")
    assert done.returncode == 0, done.stderr
    with np.load(run_folder / "last.npz") as want, np.load(tmp_path / "run" / "last.npz") as found:
        assert found.files == want.files
        for name in set(want.files) - {"about"}:
            np.testing.assert_array_equal(found[name], want[name], err_msg=name, strict=True)
    # The one before the last is of the last iteration but one, not of the epoch before.
    with np.load(tmp_path / "run" / "previous.npz") as previous:
        progress = json.loads(previous["about"].tobytes())["progress"]
    assert progress["epochs_done"] == 1
    assert len(progress["epoch_losses"]) > 1


def test_the_curve_is_there_after_every_epoch_and_not_only_at_the_end(begun, work, tmp_path):
    process = begun("train", "-r", work / "endless.toml", "--corpus", work / "own.txt", "-o", "run")
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "curve.csv").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    lines = (tmp_path / "run" / "curve.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines
