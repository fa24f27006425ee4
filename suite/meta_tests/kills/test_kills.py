"""Kills at random moments and at exact ones: a run that is killed, again and again, loses nothing.

TIMERNN_KILLS is how many (20), TIMERNN_KILLS_SEED which (0).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess

from runs import EPOCHS, LIMIT, Run, assert_same

from timernn_suite.lm import checkpoint as checkpoints
from timernn_suite.lm.lock import LOCK

KILLS = int(os.environ.get("TIMERNN_KILLS", "20"))
SEED = int(os.environ.get("TIMERNN_KILLS_SEED", "0"))
#: Kills are drawn among the first so many touches of a file (a run has hundreds), and bytes of a checkpoint (117,000).
STEPS, BYTES = 40, 50_000


def test_a_run_that_is_killed_again_and_again_ends_with_the_bits_of_an_unbroken_one(tmp_path, timed, places):
    unbroken, whole = timed
    draw = random.Random(SEED)
    kills = finished_runs = 0
    run = Run(tmp_path / "run-0")
    while kills < KILLS:
        if kills % 2 == 0:
            moment = f"after {(seconds := draw.uniform(0, whole)):.3f} s"
            process = run.begin()
            try:
                said = process.communicate(timeout=seconds)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                said = process.communicate(timeout=LIMIT)[1]
        else:
            how = ("step", draw.randint(1, STEPS)) if kills % 4 == 1 else ("byte", draw.randint(1, BYTES))
            moment = f"{how[0]} {how[1]}"
            process = run.begin(dying=how)
            said = process.communicate(timeout=LIMIT)[1]
        assert process.returncode in (0, -signal.SIGKILL, -signal.SIGXFSZ), said
        assert "warning" not in said  # nothing damaged was met, and no older checkpoint had to stand in
        if process.returncode != 0:
            kills += 1
            places.append(place_of(run, process.pid))
            # Shown with a failure, and all that it takes to repeat it.
            print(f"kill {kills}, seed {SEED}, {run.folder.name}, {moment}: {places[-1]}")
            assert_all_files_whole(run)
        if is_trained(run):  # brought to its end, and another begun, so that kills don't gather where it ends
            assert_ends_like(unbroken, run)
            finished_runs += 1
            run = Run(tmp_path / f"run-{finished_runs}")
    assert_ends_like(unbroken, run)


def is_trained(run: Run) -> bool:
    """Return whether the last checkpoint is that of the last epoch."""
    return run.saved and checkpoints.load(run.folder)[0].about["progress"]["epochs_done"] == EPOCHS


def assert_ends_like(unbroken: Run, run: Run) -> None:
    """Let a run go on to its end, and check that nothing is missing or left over."""
    code, said = run.finish()
    assert code == 0, said
    assert_same(run, unbroken)
    assert not list(run.folder.glob("*.partial"))


def assert_all_files_whole(run: Run) -> None:
    """Check that every file that has its name is whole, whatever the moment."""
    for path in run.folder.glob("*.npz"):
        checkpoints.load(path)  # proves every array's hash
    if (run.folder / "curve.jsonl").exists():
        epochs = [record["epoch"] for record in run.curve()]
        assert epochs == list(range(1, len(epochs) + 1))
    if (run.folder / "manifest.json").exists():
        json.loads((run.folder / "manifest.json").read_text("utf-8"))
    if (run.folder / "curve.png").exists():
        assert (run.folder / "curve.png").read_bytes().endswith(b"IEND\xaeB`\x82")


def place_of(run: Run, process: int) -> str:
    """Tell from what a process left behind where it was killed."""
    lock, last, previous = (run.folder / name for name in (LOCK, checkpoints.LAST, checkpoints.PREVIOUS))
    if not lock.exists() or f"process {process} " not in lock.read_text("utf-8"):
        return "starting up"
    half = sorted(path.name for path in run.folder.glob("*.partial"))
    if half:
        return f"writing {'the first ' if not last.exists() else ''}{', '.join(half).replace('.partial', '')}"
    if not last.exists():
        return "training, before the first checkpoint"
    if previous.exists() and previous.samefile(last):
        return "between two renames"
    if is_trained(run):
        return "after the last checkpoint"
    return "training, between two checkpoints"
