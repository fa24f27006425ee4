"""``timernn check --out`` and ``--diff``: files beside the verdict, and what changed since an older check."""

from __future__ import annotations

import json

import jsonschema
import pytest
from junitparser import JUnitXml
from rich.console import Console

from timernn import __version__
from timernn_suite.check.compare import Change
from timernn_suite.check.document import schema
from timernn_suite.cli.scorecards import show_changes

BACKEND = """
import pathlib

from timernn.numpy_backend import NumpyBackend


class Changing(NumpyBackend):
    name = "changing"

    def rnn_forward(self, x, h_prev, *, Wx, Wh, b):
        wrong = (pathlib.Path(__file__).parent / "wrong").exists()
        return super().rnn_forward(x, h_prev, Wx=Wx, Wh=Wh, b=b * (not wrong))
"""
CHECK = ("check", "changing:Changing", "-k", "test_rnn_step and float32")


@pytest.fixture(scope="module")
def checked(in_work, work):
    """Return the folder of two checks: ``sound``, and ``faulty`` compared with it, and what the second one printed."""
    (work / "changing.py").write_text(BACKEND, encoding="utf-8")
    sound = in_work(*CHECK, "--out", "checks/sound")
    assert sound.returncode == 0, sound.stderr
    (work / "wrong").touch()
    faulty = in_work(*CHECK, "numpy", "--out", "checks/faulty", "--diff", "checks/sound/scorecard.json", "--json")
    assert faulty.returncode == 1, faulty.stderr
    return work / "checks", sound, faulty


def test_the_files_hold_what_was_printed(checked):
    folder, _, faulty = checked
    printed = json.loads(faulty.stdout)
    jsonschema.validate(printed, schema(), jsonschema.Draft202012Validator)
    assert json.loads((folder / "faulty" / "scorecard.json").read_text(encoding="utf-8")) == printed
    assert (printed["timernn"], printed["environment"]["timernn"]) == (__version__, __version__)
    changing, numpy = printed["backends"]
    assert (changing["backend"], changing["passed"]) == ("changing:Changing", False)
    assert (numpy["backend"], numpy["passed"]) == ("numpy", True)
    failed = changing["counts"]["failed"]
    assert failed >= 5
    suites = JUnitXml.fromfile(str(folder / "faulty" / "junit.xml"))
    assert (suites.failures, suites.errors) == (failed, 0)
    assert suites.tests == len(changing["tests"]) + len(numpy["tests"])
    badge = json.loads((folder / "faulty" / "badge.json").read_text(encoding="utf-8"))
    assert (badge["message"], badge["color"]) == (f"{failed} failed", "red")
    assert "1 of 2 backends breaks the contract" in (folder / "faulty" / "index.html").read_text(encoding="utf-8")
    assert "The backend keeps the contract" in (folder / "sound" / "index.html").read_text(encoding="utf-8")


def test_no_file_names_a_folder_of_this_machine(checked, work):
    folder, *_ = checked
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 8
    for path in files:
        assert str(work) not in path.read_text(encoding="utf-8"), path


def test_what_changed_is_told_beside_pure_json(checked):
    _, _, faulty = checked
    said = " ".join(faulty.stderr.split())
    assert "Changed since checks/sound/scorecard.json" in said
    assert "newly failing" in said
    assert "s grew" in said
    assert "numpy" in said
    assert "only in this check" in said


def test_many_changes_of_a_kind_are_cut_short_and_counted_and_nothing_is_markup(capsys):
    name = "mine:[red]Backend"
    found = [Change("newly failing", name, f"test_{index}[a]", "passed → failed") for index in range(12)]
    show_changes([*found, Change("gone test", name, "test_old[a]", "passed")], "[b]old.json", Console(width=120))
    said = capsys.readouterr().out
    assert "Changed since [b]old.json" in said
    assert [f"test_{index}[a]: passed → failed" in said for index in range(12)] == [True] * 10 + [False] * 2
    assert said.count(name) == 11
    assert said.index("test_9[a]") < said.index("and 2 more") < said.index("test_old[a]: passed")


def test_a_check_that_passes_again_says_that_nothing_changed(checked, in_work, work):
    (work / "wrong").unlink()
    try:
        done = in_work(*CHECK, "--diff", "checks/sound/scorecard.json")
        mended = in_work(*CHECK, "--diff", "checks/faulty/scorecard.json")
    finally:
        (work / "wrong").touch()
    assert done.returncode == 0, done.stderr
    assert "nothing changed since checks/sound/scorecard.json" in done.stdout
    assert mended.returncode == 0, mended.stderr
    assert "newly passing" in mended.stdout
    assert "only in the old check" in mended.stdout


def test_the_table_has_the_seconds_and_s_by_tensor(checked):
    _, sound, _ = checked
    assert "seconds" in sound.stdout
    (line,) = [line for line in sound.stdout.splitlines() if line.startswith("s by tensor: ")]
    assert [entry.split()[0] for entry in line.removeprefix("s by tensor: ").split(" · ")] == [
        *("dWh", "dWx", "db", "dh_prev", "dx", "h_next"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "old.json can't be read: No such file"),
        ("{", "old.json is no scorecard of 'timernn check': it isn't JSON"),
        ('{"schema": 2}', "old.json has the schema version 2, and this timernn reads 1"),
        ('[{"backend": "numpy", "passed": true}]', "old.json is no scorecard of 'timernn check': at the whole"),
    ],
)
def test_an_older_check_that_is_none_is_wrong_use_before_any_work(inside, tmp_path, monkeypatch, content, said):
    monkeypatch.setattr("timernn_suite.cli.check.judge", lambda *_, **__: pytest.fail("the work has begun"))
    if content is not None:
        (tmp_path / "old.json").write_text(content, encoding="utf-8")
    done = inside("check", "numpy", "--diff", "old.json", "--out", "new")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_folder_that_cannot_be_is_wrong_use_before_any_work(inside, tmp_path, monkeypatch, place):
    monkeypatch.setattr("timernn_suite.cli.check.judge", lambda *_, **__: pytest.fail("the work has begun"))
    (tmp_path / "taken").write_text("a file\n", encoding="utf-8")
    done = inside("check", "numpy", "--out", place)
    assert done.returncode == 2
    assert "taken" in done.stderr
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "a file\n"
