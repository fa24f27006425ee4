"""``timernn train``: what a run leaves behind, what it refuses, and that the same command makes the same weights."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

SMALL = "epochs = 1\nbatch_size = 4\ntime_size = 5\nhidden_size = 8\n"
PNG = b"\x89PNG\r\n\x1a\n"


def weights(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "about"}


@pytest.fixture
def copy_of_run(run_folder, tmp_path_factory):
    """Return a copy of the finished run that a test may change."""
    return shutil.copytree(run_folder, tmp_path_factory.mktemp("copy") / "run")


def test_json_is_all_that_standard_output_holds(trained):
    record = json.loads(trained.stdout)
    assert (record["recipe"], record["backend"], record["epochs"], record["finished"]) == ("tiny", "numpy", 2, True)
    assert "training tiny on numpy" in trained.stderr


def test_every_figure_is_a_perplexity_of_the_text(trained, own_corpus):
    record = json.loads(trained.stdout)
    for split in ("valid", "test"):
        found = record[split]
        assert found["protocol"] == "ptb-c1"
        assert found["tokens"] == own_corpus["tokens"][split]
        assert 1 < found["perplexity"] < own_corpus["V"]
        np.testing.assert_allclose(found["perplexity"], np.exp(found["nll"] / found["tokens"]), rtol=1e-12)
        assert float.fromhex(found["nll_hex"]) == found["nll"]


def test_a_run_leaves_curve_picture_manifest_and_checkpoints(run_folder):
    left = {path.name for path in run_folder.iterdir()}
    assert left >= {"manifest.json", "curve.jsonl", "curve.csv", "curve.png", "last.npz", "best.npz"}
    assert not [name for name in left if name.endswith(".partial")]
    assert (run_folder / "curve.png").read_bytes().startswith(PNG)
    for name in ("last.npz", "best.npz"):
        assert weights(run_folder / name)


def test_the_curve_is_the_same_as_json_lines_and_as_csv(run_folder):
    lines = [json.loads(line) for line in (run_folder / "curve.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[1]["train_perplexity"] < lines[0]["train_perplexity"]
    with (run_folder / "curve.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["valid_perplexity"]) for row in rows] == [line["valid_perplexity"] for line in lines]


def test_the_manifest_says_all_it_takes_to_make_the_run_again(run_folder, trained):
    manifest = json.loads((run_folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["command"] == "timernn train --recipe tiny.toml --out runs/first --json"
    assert manifest["recipe"]["seed"] == 0
    assert manifest["recipe"]["epochs"] == 2
    assert len(manifest["corpus"]["sha256"]["train"]) == 64
    assert manifest["results"]["test"] == json.loads(trained.stdout)["test"]
    assert manifest["environment"]["numpy"] == np.__version__
    assert manifest["backend"]["library"] == "numpy"


def test_a_manifest_names_no_folder_of_this_machine(work, in_work, cache, tmp_path):
    """Everything that can be given as a path is given as an absolute one."""
    recipe = tmp_path / "absolute.toml"
    recipe.write_text(f"corpus = {json.dumps(str(work / 'other.txt'))}\n" + SMALL, encoding="utf-8")
    run = tmp_path / "run"
    done = in_work("train", "-r", recipe, "--corpus", work / "own.txt", "--data", tmp_path, f"--out={run}")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    leaks = [text for text in texts_of(manifest) if str(work.parent) in text or str(cache) in text]
    assert leaks == []


def texts_of(value):
    """Return every string in a JSON value."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in inner for text in texts_of(part)]


def test_a_second_run_into_the_same_folder_is_refused(inside_work, run_folder):
    before = (run_folder / "last.npz").read_bytes()
    done = inside_work("train", "--recipe", "tiny.toml", "--out", "runs/first")
    assert done.returncode == 2
    assert "holds a run already" in done.stderr
    assert "--resume" in done.stderr
    assert (run_folder / "last.npz").read_bytes() == before


def test_the_same_command_makes_the_same_weights_to_the_bit_and_another_seed_others(in_work, run_folder, work):
    for out, options in (("runs/again", ()), ("runs/seed-1", ("--seed", 1))):
        done = in_work("train", "-r", "tiny.toml", "-o", out, *options)
        assert done.returncode == 0, done.stderr
    first = weights(run_folder / "best.npz")
    again, other = weights(work / "runs" / "again" / "best.npz"), weights(work / "runs" / "seed-1" / "best.npz")
    assert first.keys() == again.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name, strict=True)
    assert any(not np.array_equal(other[name], value) for name, value in first.items())


def test_a_resumed_run_equals_one_that_was_never_cut(in_work, copy_of_run, work):
    resumed = in_work("train", "--resume", "--out", copy_of_run, "--epochs", 3, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["epochs"] == 3
    whole = in_work("train", "-r", "tiny.toml", "-o", "runs/whole", "--epochs", 3, "--json")
    assert whole.returncode == 0, whole.stderr
    want = weights(work / "runs" / "whole" / "last.npz")
    for name, value in weights(copy_of_run / "last.npz").items():
        np.testing.assert_array_equal(value, want[name], err_msg=name, strict=True)
    assert json.loads(resumed.stdout)["test"] == json.loads(whole.stdout)["test"]
    assert len((copy_of_run / "curve.jsonl").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize(
    ("option", "value"), [("--seed", "1"), ("--recipe", "tiny.toml"), ("--corpus", "own.txt"), ("--seed", "0")]
)
def test_resuming_refuses_what_it_would_ignore(inside_work, run_folder, option, value):
    done = inside_work("train", "--resume", "--out", "runs/first", option, value)
    assert done.returncode == 2
    assert f"leave {option} out" in done.stderr


def test_resuming_without_a_folder_is_refused(inside):
    done = inside("train", "--resume")
    assert done.returncode == 2
    assert "--out" in done.stderr


def test_resuming_where_no_run_is_names_the_folder(inside, tmp_path):
    (tmp_path / "empty").mkdir()
    done = inside("train", "--resume", "--out", "empty")
    assert done.returncode == 2
    assert "empty: no checkpoint there" in done.stderr


def test_resuming_on_another_text_is_refused(in_work, copy_of_run, tmp_path, work, timernn):
    (tmp_path / "own.txt").write_text((work / "other.txt").read_text(encoding="utf-8"), encoding="utf-8")
    done = timernn("train", "--resume", "--out", copy_of_run, "--epochs", 3)
    assert done.returncode == 2
    assert "was trained on another text" in done.stderr


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        ("epoch = 3", "unknown epoch"),
        ("hidden_size = 'ten'", "hidden_size must be a int, got 'ten'"),
        ("learning_rate = true", "learning_rate must be a float, got True"),
        ("batch_size = 0", "batch_size must be at least 1"),
        ("optimiser = 'lion'", "optimiser must be one of sgd, adam"),
        ("= 3", "not TOML"),
        ("corpus = 'nowhere.txt'", "nowhere.txt"),
    ],
)
def test_a_mistake_in_a_recipe_is_named_and_nothing_is_trained(inside, tmp_path, recipe, named):
    (tmp_path / "mine.toml").write_text(recipe, encoding="utf-8")
    done = inside("train", "--recipe", "mine.toml", "--out", "run")
    assert done.returncode == 2
    assert named in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_is_not_utf_8_is_an_error_without_traceback(inside, tmp_path):
    (tmp_path / "latin.toml").write_bytes("name = 'é'".encode("latin-1"))
    done = inside("train", "--recipe", "latin.toml")
    assert done.returncode == 2
    assert "latin.toml" in done.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--recipe", "huge"), "no recipe 'huge': give one of chapter5, markov, ptb-small"),
        (("--backend", "abacus"), "no backend is called 'abacus'"),
        (("--epochs", "0"), "epochs must be at least 1, got 0"),
        (("--seed", "-1"), "seed must be 0 or more, got -1"),
        (("--epochs", "many"), "'--epochs'"),
        (("--corpus", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_a_mistake_in_an_option_is_named(inside, tmp_path, options, named):
    done = inside("train", *options)
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stdout == ""


def test_a_text_that_is_too_short_for_the_recipe_says_so(inside, tmp_path):
    (tmp_path / "short.txt").write_text("a b\n" * 10, encoding="utf-8")
    done = inside("train", "--corpus", "short.txt", "--out", "run")
    assert done.returncode == 2
    assert "timernn:" in done.stderr


def test_a_run_without_a_named_folder_never_writes_over_another(in_work, work):
    for _ in range(2):
        assert in_work("train", "--recipe", "tiny.toml", "--epochs", 1).returncode == 0
    assert {path.name for path in (work / "runs").glob("tiny-numpy-*")} == {"tiny-numpy-001", "tiny-numpy-002"}


EVERY_OPTION = """
embedding_size = 8
hidden_size = 8
batch_size = 2
time_size = 5
epochs = 2
layers = 2
skip = true
tied = true
embedding_dropout = 0.2
layer_dropout = 0.2
output_dropout = 0.2
recurrent_dropout = 0.2
optimiser = "sgd"
learning_rate = 0.1
momentum = 0.5
weight_decay = 0.1
average = true
initialisation = "orthogonal"
"""


def test_a_model_with_every_option_is_trained_scored_and_evaluated(in_work, work, tmp_path):
    recipe = tmp_path / "options.toml"
    recipe.write_text(f"corpus = {json.dumps(str(work / 'own.txt'))}\n" + EVERY_OPTION, encoding="utf-8")
    trained = in_work("train", "--recipe", recipe, "--out", tmp_path / "run", "--json")
    assert trained.returncode == 0, trained.stderr
    evaluated = in_work("evaluate", tmp_path / "run", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["nll_hex"] == json.loads(trained.stdout)["test"]["nll_hex"]
