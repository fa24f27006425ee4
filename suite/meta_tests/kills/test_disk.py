"""A disk that is full or gone: said in a sentence, and everything saved before goes on to the same end."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from runs import LIMIT, Run, assert_same, wait_until

#: Bytes; a checkpoint of these runs has 117,000.
HALF_A_CHECKPOINT = 60_000


def assert_reported(code, said, reason):
    assert code == 2, said
    assert reason in said
    assert "Traceback" not in said


def test_a_checkpoint_that_cannot_be_written_costs_nothing_that_was_saved(run, unbroken):
    assert run.finish("--epochs", "1")[0] == 0
    before = {path.name: path.read_bytes() for path in run.folder.glob("*.npz")}
    code, said = run.finish("--epochs", "3", dying=("full", HALF_A_CHECKPOINT))
    assert_reported(code, said, "the checkpoint can't be written: File too large; what was saved before is untouched")
    assert {path.name: path.read_bytes() for path in run.folder.glob("*.npz")} == before
    assert not list(run.folder.glob("*.partial"))
    assert run.finish("--epochs", "3")[0] == 0
    assert_same(run, unbroken)


def test_a_full_disk_is_reported_and_with_more_room_the_run_goes_on(tmp_path, unbroken):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root, where it may mount, can make a small disk")
    try:
        run = Run(disk / "run")
        code, said = run.finish()
        assert_reported(code, said, "No space left on device")
        assert run.saved
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        assert run.finish()[0] == 0
        assert_same(run, unbroken)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_goes_away_is_reported_and_not_made_anew(run, unbroken, tmp_path):
    process = run.begin()
    wait_until(lambda: run.saved, process)
    run.folder.rename(tmp_path / "elsewhere")
    said = process.communicate(timeout=LIMIT)[1]
    assert_reported(process.returncode, said, f"{run.folder}: the checkpoint can't be written: the folder is gone")
    assert not run.folder.exists()
    shutil.move(tmp_path / "elsewhere", run.folder)
    assert run.finish()[0] == 0
    assert_same(run, unbroken)


def test_a_curve_that_cannot_be_written_is_reported_and_costs_no_checkpoint(run, unbroken):
    (run.folder / "curve.csv").mkdir(parents=True)
    code, said = run.finish()
    assert_reported(code, said, "can't be written: Is a directory; checkpoints that were saved before are untouched")
    assert run.saved
    (run.folder / "curve.csv").rmdir()
    assert run.finish()[0] == 0
    assert_same(run, unbroken)


def test_a_folder_without_permission_is_reported(run):
    run.folder.mkdir(mode=0o500)
    if os.access(run.folder, os.W_OK):
        pytest.skip("root may write everywhere")
    assert_reported(*run.finish(), "Permission denied")
