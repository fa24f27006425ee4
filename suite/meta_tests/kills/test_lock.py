"""Two runs never share a folder, and a killed one leaves no lock behind."""

from __future__ import annotations

import contextlib
import errno
import signal

import pytest
from runs import LIMIT, wait_until

from timernn_suite.cli.progress import TrainingProgress
from timernn_suite.cli.train import alone_in
from timernn_suite.lm import lock
from timernn_suite.lm.lock import LOCK, LockedError, only_process_in


def test_a_second_run_is_refused_while_the_first_is_at_work_and_not_after_it_was_killed(run):
    process = run.begin("--epochs", "1000000")
    wait_until(lambda: run.saved, process)
    code, said = run.finish()
    assert code == 2
    assert f"{run.folder}: process {process.pid} on " in said
    assert "wait for it, stop it, or name another folder" in said
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=LIMIT)
    assert process.returncode == -signal.SIGKILL
    code, said = run.finish("--epochs", "3")
    assert code == 0, said


def test_the_lock_ends_with_its_context_and_its_file_means_nothing(tmp_path):
    for _ in range(2):
        with only_process_in(tmp_path) as warning:
            assert warning is None
            with pytest.raises(LockedError, match=r"process \d+ on .* is at work there"), only_process_in(tmp_path):
                pass
        assert (tmp_path / LOCK).exists()


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch):
    def no_locks(_handle):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(lock, "_lock", no_locks)
    with only_process_in(tmp_path) as warning:
        assert "nothing keeps a second run out" in warning


def test_only_what_a_run_itself_had_begun_to_write_is_cleared_away(tmp_path):
    for name in ("last.npz.partial", "curve.png.partial", "film.mp4.partial"):
        (tmp_path / name).write_bytes(b"half")
    with contextlib.ExitStack() as stack:
        alone_in(tmp_path, stack, TrainingProgress(lambda: None))
        assert {path.name for path in tmp_path.iterdir()} == {LOCK, "film.mp4.partial"}
