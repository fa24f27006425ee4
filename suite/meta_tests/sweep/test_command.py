"""The command's options, and what it says before it runs anything."""

from __future__ import annotations

import pytest

from timernn_suite.sweep.errors import SweepError
from timernn_suite.sweep.results import Results


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "give a grid, or --table OUT"),
        (["grid.toml", "--table", "out"], "it runs nothing"),
        (["grid.toml", "--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], "a scheduler has its own workers"),
        (["none.toml"], "grid none.toml: can't be read: No such file or directory"),
        (["bad.toml"], "unknown hidden_siez"),
        (["absent.toml"], "no backend is called 'absent'"),
        (["--table", "nowhere"], "nowhere: holds no sweep"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_said_with_exit_code_2(work, sweep, arguments, complaint):
    (work / "bad.toml").write_text("[override]\nhidden_siez = [5]\n", encoding="utf-8")
    (work / "absent.toml").write_text('backends = ["absent"]\n', encoding="utf-8")
    done = sweep(*arguments)
    assert done.returncode == 2
    assert complaint in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""
    assert not (work / "runs").exists()


def test_two_sweeps_never_run_into_one_folder(tmp_path, distributed):
    with Results(tmp_path).alone(), pytest.raises(SweepError, match="another sweep runs into this folder"):
        Results(tmp_path).alone().__enter__()
    with Results(tmp_path).alone():
        pass


def test_a_folder_that_can_not_be_written_is_an_error(tmp_path):
    with pytest.raises(SweepError, match="can't be written: No such file"):
        Results(tmp_path / "gone").keep_failure("cell", "message")
