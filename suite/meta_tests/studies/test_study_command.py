"""``timernn study`` as a user calls it: files, JSON, tables, and what is refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from timernn_suite.cli.app import app


@pytest.fixture
def timernn(tmp_path, monkeypatch):
    """Return a function that calls the command in this test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIMERNN_BACKEND", raising=False)
    monkeypatch.setenv("COLUMNS", "140")
    return lambda *arguments: CliRunner().invoke(app, ["study", *arguments])


def test_gradients_prints_json_and_writes_the_same(timernn, tmp_path):
    done = timernn("gradients", "--steps", "12", "--hidden", "5", "--out", "here", "--json")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert json.loads((tmp_path / "here" / "gradients.json").read_text(encoding="utf-8")) == record
    assert (record["study"], record["backend"], record["settings"]["T"]) == ("gradients", "numpy", 12)
    assert (tmp_path / "here" / "gradients.png").exists()


def test_gradients_shows_tables_and_writes_nothing_unasked(timernn, tmp_path):
    done = timernn("gradients", "--steps", "12", "--hidden", "5")
    assert done.exit_code == 0, done.stderr
    assert "g·Q, g=1.5" in done.stdout
    assert "dL/dh(t−j)" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("gradients", "--max-norm", "0"), "must be more than 0, got 0"),
        (("gradients", "--max-norm", "nan"), "must be more than 0, got nan"),
        (("gradients", "--steps", "1"), "--steps"),
        (("truncation", "--k", "0"), "--k"),
        (("truncation", "--k", "9", "--full", "5"), "from 1 to T = 5, got (9,)"),
        (("truncation", "--delay", "1"), "--delay"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(timernn, arguments, named):
    done = timernn(*arguments)
    assert done.exit_code == 2
    assert named in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""
