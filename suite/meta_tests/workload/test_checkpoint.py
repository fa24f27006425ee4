"""Checkpoints: exact, whole or absent, and never trusted without their hashes."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from timernn_suite.lm import checkpoint as checkpoints
from timernn_suite.lm.checkpoint import Checkpoint, CheckpointError

ABOUT = {"recipe": {"name": "tiny"}, "progress": {"losses": [0.1, 1 / 3]}}


def made(value=1.0):
    arrays = {"weights/W": np.full((2, 3), value, dtype="float32"), "weights/b": np.arange(3.0), "h": np.eye(2)}
    return Checkpoint(arrays, ABOUT | {"value": value})


def damage(path):
    """Change one byte in the middle of an array, and set the archive's own checksum right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    body = bytearray(members["weights/b.npy"])
    body[-1] ^= 1
    members["weights/b.npy"] = bytes(body)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_checkpoint_comes_back_exactly(tmp_path):
    checkpoints.save(tmp_path, made())
    loaded, warning = checkpoints.load(tmp_path)
    assert warning is None
    assert loaded.about == made().about
    for name, value in made().arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], value, strict=True)
    assert set(loaded.group("weights")) == {"W", "b"}


def test_the_one_before_is_kept_and_the_best_stays(tmp_path):
    checkpoints.save(tmp_path, made(1.0), best=True)
    checkpoints.save(tmp_path, made(2.0))
    checkpoints.save(tmp_path, made(3.0))
    values = {path.name: checkpoints.load(path)[0].about["value"] for path in tmp_path.iterdir()}
    assert values == {"last.npz": 3.0, "previous.npz": 2.0, "best.npz": 1.0}


@pytest.mark.parametrize("fault", ["flipped", "cut", "empty", "text"])
def test_damage_is_found_and_the_one_before_stands_in(tmp_path, fault):
    checkpoints.save(tmp_path, made(1.0))
    checkpoints.save(tmp_path, made(2.0))
    last = tmp_path / "last.npz"
    if fault == "flipped":
        damage(last)
    else:
        content = {"cut": last.read_bytes()[: last.stat().st_size // 2], "empty": b"", "text": b"not a checkpoint"}
        last.write_bytes(content[fault])
    loaded, warning = checkpoints.load(tmp_path)
    assert loaded.about["value"] == 1.0
    assert "damaged" in warning
    assert "previous.npz" in warning


def test_damage_without_one_before_is_an_error(tmp_path):
    checkpoints.save(tmp_path, made())
    damage(tmp_path / "last.npz")
    with pytest.raises(CheckpointError, match=r"damaged: its arrays are not those that were written"):
        checkpoints.load(tmp_path)


def test_a_run_killed_between_two_renames_still_has_the_one_before(tmp_path):
    checkpoints.save(tmp_path, made(1.0))
    (tmp_path / "last.npz").rename(tmp_path / "previous.npz")
    loaded, warning = checkpoints.load(tmp_path)
    assert loaded.about["value"] == 1.0
    assert "previous.npz" in warning


def test_an_absent_checkpoint_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        checkpoints.load(tmp_path)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        checkpoints.load(tmp_path / "mine.npz")


def test_another_format_is_refused_by_its_number(tmp_path):
    about = json.dumps({"format": 99, "sha256": {}}).encode()
    np.savez(tmp_path / "last.npz", about=np.frombuffer(about, dtype=np.uint8))
    with pytest.raises(CheckpointError, match="format 99; this version of timernn reads format 1"):
        checkpoints.load(tmp_path)


def test_nothing_pickled_is_ever_loaded(tmp_path):
    np.savez(tmp_path / "last.npz", about=np.array([{"format": 1}], dtype=object))
    with pytest.raises(CheckpointError, match="damaged, or not a checkpoint"):
        checkpoints.load(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_what_the_disk_refuses_loses_nothing_and_leaves_nothing_half_written(tmp_path, monkeypatch, number):
    checkpoints.save(tmp_path, made(1.0))

    def refuse(_handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CheckpointError, match=rf"{os.strerror(number)}; what was saved before is untouched"):
        checkpoints.save(tmp_path, made(2.0), best=True)
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]
    assert checkpoints.load(tmp_path)[0].about["value"] == 1.0


def test_a_file_system_without_links_keeps_the_one_before_too(tmp_path, monkeypatch):
    def refuse(_self, _target):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    for value in (1.0, 2.0, 3.0):
        checkpoints.save(tmp_path, made(value))
    values = {path.name: checkpoints.load(path)[0].about["value"] for path in tmp_path.iterdir()}
    assert values == {"last.npz": 3.0, "previous.npz": 2.0}


def test_a_folder_that_is_gone_is_said_to_be_and_not_made_anew(tmp_path):
    with pytest.raises(CheckpointError, match="the folder is gone"):
        checkpoints.save(tmp_path / "gone", made())
    assert not (tmp_path / "gone").exists()


def test_a_folder_that_is_a_file_is_reported(tmp_path):
    (tmp_path / "run").write_text("here already")
    with pytest.raises(CheckpointError, match="can't be written"):
        checkpoints.save(tmp_path / "run", made())
