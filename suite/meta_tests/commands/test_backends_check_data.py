"""``timernn backends``, ``check`` and ``data``, and what all commands share: help, version, exit codes."""

from __future__ import annotations

import json

import pytest
import typer.main

from timernn import __version__, backend_names
from timernn_suite.cli.app import app


def leaves(command, *path):
    """Yield every command that does something, by its words: ``study truncation`` is one, ``study`` isn't."""
    for name, below in command.commands.items():
        inner = list(leaves(below, *path, name)) if hasattr(below, "commands") else []
        if not inner or below.invoke_without_command:
            yield " ".join((*path, name)), below
        yield from inner


COMMANDS = dict(leaves(typer.main.get_command(app)))
FAULTY = """
from timernn.numpy_backend import NumpyBackend


class ForgetsBias(NumpyBackend):
    name = "forgets-bias"

    def rnn_forward(self, x, h_prev, *, Wx, Wh, b):
        return super().rnn_forward(x, h_prev, Wx=Wx, Wh=Wh, b=0 * b)


class Leaves(NumpyBackend):
    name = "leaves"

    def rnn_forward(self, x, h_prev, *, Wx, Wh, b):
        import os
        os._exit(3)


class Spins(NumpyBackend):
    name = "spins"

    def rnn_forward(self, x, h_prev, *, Wx, Wh, b):
        while True:
            pass
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_mentions_every_option(inside, name):
    done = inside(*name.split(), "-h")
    assert done.returncode == 0, done.stderr
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")]
    assert "--json" in options
    for option in options:
        assert option in done.stdout


def test_the_commands_are_listed_with_the_exit_codes(timernn):
    done = timernn("--help")
    assert done.returncode == 0
    for name in (
        "run",
        "check",
        "new-backend",
        "backends",
        "train",
        "evaluate",
        "score",
        "data",
        "sweep",
        "baselines",
        "study",
    ):
        assert f" {name} " in done.stdout
    assert "0 fine, 1 a check failed, 2 wrong use, 130 stopped early with its work kept" in done.stdout


def test_the_version_is_the_packages(timernn):
    done = timernn("--version")
    assert (done.returncode, done.stdout) == (0, f"timernn {__version__}\n")


@pytest.mark.parametrize("arguments", [("judge",), ("check", "--no-such-option"), ("backends", "numpy")])
def test_a_command_that_does_not_exist_is_wrong_use(timernn, arguments):
    done = timernn(*arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr
    assert done.stdout == ""


def test_backends_as_json_are_all_that_are_registered(timernn):
    done = timernn("backends", "--json")
    assert done.returncode == 0, done.stderr
    records = {record["name"]: record for record in json.loads(done.stdout)}
    assert list(records) == backend_names()
    numpy = records["numpy"]
    assert numpy["available"] is True
    assert numpy["dtypes"] == ["float32", "float64"]
    assert numpy["describe"]["library"] == "numpy"
    for record in records.values():
        assert record["available"] or record["reason"].strip()


def test_backends_as_a_table_name_each_with_its_library_or_its_reason(inside):
    done = inside("backends")
    assert done.returncode == 0, done.stderr
    for name in backend_names():
        assert name in done.stdout
    assert "yes" in done.stdout


@pytest.fixture(scope="module")
def checked(in_work):
    done = in_work("check", "numpy", "-k", "test_contract", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_check_as_json_says_what_was_checked(checked):
    (card,) = checked["backends"]
    assert (card["backend"], card["passed"], card["selection"]["keyword"]) == ("numpy", True, "test_contract")
    assert list(card["groups"]) == ["contract"]
    assert card["counts"] == card["groups"]["contract"]["counts"]
    assert card["counts"]["passed"] == len(card["tests"]) == sum(card["counts"].values())
    assert (card["about"]["name"], card["about"]["from"]) == ("numpy", f"timernn {__version__}")


def test_a_check_as_a_table_gives_the_verdict(timernn):
    done = timernn("check", "numpy", "-k", "test_reset_state_forgets")
    assert done.returncode == 0, done.stderr
    assert "numpy: passed" in done.stdout


def test_a_faulty_backend_fails_with_the_tests_that_found_it(timernn, tmp_path):
    (tmp_path / "faulty.py").write_text(FAULTY, encoding="utf-8")
    done = timernn("check", "faulty:ForgetsBias", "numpy", "-k", "test_rnn_step", "--json")
    assert done.returncode == 1, done.stderr
    faulty, sound = json.loads(done.stdout)["backends"]
    assert (faulty["backend"], faulty["passed"]) == ("faulty:ForgetsBias", False)
    assert (sound["backend"], sound["passed"]) == ("numpy", True)
    failures = [test for test in faulty["tests"] if test["outcome"] == "failed"]
    assert failures
    assert all("test_rnn_step" in failure["test"] for failure in failures)
    worst = [max(score["s"] for score in card["largest_scores"]) for card in (faulty, sound)]
    assert worst[0] > 8 > worst[1]


def test_a_backend_that_crashes_fails_and_the_table_says_so(timernn, tmp_path):
    (tmp_path / "faulty.py").write_text(FAULTY, encoding="utf-8")
    done = timernn("check", "faulty:Leaves", "-k", "test_rnn_step")
    assert done.returncode == 1, done.stderr
    assert "FAILED" in done.stdout
    assert "crashed test_values.py::test_rnn_step" in done.stdout
    assert "exit code 3" in done.stdout


def test_a_backend_that_hangs_is_stopped_at_the_limit_that_was_set(timernn, tmp_path):
    (tmp_path / "faulty.py").write_text(FAULTY, encoding="utf-8")
    done = timernn("check", "faulty:Spins", "-k", "test_rnn_step and float32-1x1", "--test-timeout", 2, "--json")
    assert done.returncode == 1, done.stderr
    (card,) = json.loads(done.stdout)["backends"]
    (failure,) = card["tests"]
    assert failure["outcome"] == "hung"
    assert failure["message"].startswith("HANG: no end after 2 s, in\n")
    assert "faulty.py" in failure["message"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("abacus",), "no backend is called 'abacus'; registered are"),
        (("no_such_module:Class",), "its module no_such_module is not in this installation or the current folder"),
        (("json:Nothing",), "module json has no class 'Nothing'"),
        (("json:JSONDecoder",), "it needs the methods rnn and time_rnn"),
        (("numpy", "--timeout", "0"), "--timeout"),
    ],
)
def test_a_check_that_cannot_take_place_is_wrong_use_with_the_reason(timernn, arguments, named):
    done = timernn("check", *arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stdout == ""


def test_a_check_that_selects_nothing_is_no_pass(timernn):
    done = timernn("check", "numpy", "-k", "no_test_is_called_this")
    assert done.returncode == 2
    assert "timernn:" in done.stderr


def test_unknown_names_list_the_known_ones(timernn):
    done = timernn("check", "abacus")
    for name in backend_names():
        assert name in done.stderr


def test_data_as_json_lists_the_three_files(timernn, tmp_path):
    done = timernn("data", "--json", TIMERNN_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["cache"] == str(tmp_path)
    assert [file["file"] for file in record["ptb"]] == ["ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"]
    assert all(file["path"] is None and file["ok"] is False for file in record["ptb"])


def test_verifying_what_is_not_here_or_not_the_pinned_bytes_fails(timernn, tmp_path):
    empty = timernn("data", "--verify", TIMERNN_CACHE=str(tmp_path / "cache"))
    assert empty.returncode == 1
    assert "not here" in empty.stdout
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb" / "ptb.train.txt").write_text("another text\n", encoding="utf-8")
    other = timernn("data", "--verify", "--data", tmp_path, TIMERNN_CACHE=str(tmp_path / "cache"))
    assert other.returncode == 1
    assert "other bytes" in other.stdout
