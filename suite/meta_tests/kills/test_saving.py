"""One checkpoint being saved, with a kill before every single thing that is done to a file, and in every write."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
from runs import HERE

from timernn_suite.lm import checkpoint as checkpoints
from timernn_suite.lm.checkpoint import Checkpoint

#: Saves the second checkpoint, a new best, and is killed on the way.
SAVE = """
import sys
from pathlib import Path
import numpy as np
import dying
from timernn_suite.lm.checkpoint import Checkpoint, save
how, number, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
checkpoint = Checkpoint({"weights/W": np.full(1000, 2.0)}, {"best": 2})
dying.die_before(number, folder) if how == "step" else dying.limit_files(number, deadly=True)
save(Path(folder), checkpoint, best=True)
"""
#: The first step that a save has no more.
STEPS = 10


@pytest.fixture
def saved(tmp_path):
    """Return a folder with two checkpoints, of which the first is the best."""
    checkpoints.save(tmp_path, Checkpoint({"weights/W": np.full(1000, 0.0)}, {"best": 0}), best=True)
    checkpoints.save(tmp_path, Checkpoint({"weights/W": np.full(1000, 1.0)}, {"best": 0}))
    return tmp_path


def save_and_die(folder, how, number):
    """Save the second checkpoint in a process of its own; return its exit code."""
    command = [sys.executable, "-c", SAVE, how, str(number), str(folder)]
    return subprocess.run(command, cwd=HERE, check=False, timeout=60).returncode


def value(path):
    checkpoint, warning = checkpoints.load(path)
    assert warning is None
    assert len(set(checkpoint.arrays["weights/W"])) == 1
    return checkpoint.arrays["weights/W"][0], checkpoint.about["best"]


@pytest.mark.parametrize(
    ("how", "number"), [*(("step", step) for step in range(1, STEPS)), ("byte", 1), ("byte", 5000)]
)
def test_a_kill_anywhere_in_a_save_leaves_the_old_or_the_new_checkpoint(saved, how, number):
    code = save_and_die(saved, how, number)
    assert code == -(signal.SIGKILL if how == "step" else signal.SIGXFSZ)
    last, its_best = value(saved)
    assert last in (1.0, 2.0)
    assert value(saved / "best.npz")[0] >= its_best  # never older than what the last one says of it
    value(saved / "previous.npz")
    checkpoints.save(saved, Checkpoint({"weights/W": np.full(1000, 3.0)}, {"best": 2}))
    assert (value(saved)[0], value(saved / "previous.npz")[0]) == (3.0, last)


def test_these_are_all_the_steps_there_are(saved):
    assert save_and_die(saved, "step", STEPS) == 0


def test_a_damaged_last_checkpoint_never_takes_the_place_of_a_sound_previous_one(saved):
    (saved / "last.npz").write_bytes(b"damaged")
    assert save_and_die(saved, "byte", 5000) == -signal.SIGXFSZ
    assert checkpoints.load(saved)[0].arrays["weights/W"][0] == 0.0
    assert save_and_die(saved, "step", STEPS) == 0
    assert (value(saved)[0], value(saved / "previous.npz")[0]) == (2.0, 0.0)
