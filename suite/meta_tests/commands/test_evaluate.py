"""``timernn evaluate``: the protocols by name, every token counted, and refusals that say why."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_ptb_c1_scores_every_token_of_the_split(in_work, run_folder, own_corpus, split):
    done = in_work("evaluate", "runs/first", "--split", split, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["protocol"], record["split"], record["corpus"]) == ("ptb-c1", split, "own")
    assert record["tokens"] == own_corpus["tokens"][split]
    assert record["sha256"] == own_corpus["sha256"][split]
    np.testing.assert_allclose(record["perplexity"], np.exp(record["nll"] / record["tokens"]), rtol=1e-12)


def test_the_figure_is_the_one_that_training_ended_with(in_work, run_folder, trained):
    record = json.loads(in_work("evaluate", "runs/first", "--json").stdout)
    want = json.loads(trained.stdout)["test"]
    assert {name: record[name] for name in want} == want


def test_a_checkpoint_file_serves_as_well_as_its_folder(inside_work, run_folder):
    by_folder, by_file = (
        json.loads(inside_work("evaluate", where, "--json").stdout) for where in ("runs/first", "runs/first/best.npz")
    )
    assert by_file == by_folder


def test_book_10x35_says_its_name_and_drops_the_tail(in_work, run_folder, own_corpus):
    done = in_work("evaluate", "runs/first", "--split", "train", "--protocol", "book-10x35", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    tokens = own_corpus["tokens"]["train"]
    assert record["protocol"] == "book-10x35"
    assert record["tokens"] == (tokens - 1) // 350 * 350 < tokens


def test_a_text_too_short_for_book_10x35_is_an_error(inside_work, run_folder, own_corpus):
    assert own_corpus["tokens"]["test"] < 350
    done = inside_work("evaluate", "runs/first", "--protocol", "book-10x35")
    assert done.returncode == 2
    assert "timernn:" in done.stderr


def test_for_people_it_names_split_perplexity_tokens_and_protocol(inside_work, run_folder, own_corpus):
    done = inside_work("evaluate", "runs/first")
    assert done.returncode == 0, done.stderr
    assert "own test: perplexity" in done.stdout
    assert f"({own_corpus['tokens']['test']:,} tokens, protocol ptb-c1, float32)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("runs/first", "--split", "dev"), "must be train, valid or test, got 'dev'"),
        (("runs/first", "--protocol", "ptb"), "must be ptb-c1 or book-10x35, got 'ptb'"),
        (("runs/nowhere",), "nowhere: no such checkpoint"),
        (("own.txt",), "own.txt: damaged, or not a checkpoint of timernn"),
        (("runs/first", "--corpus", "other.txt"), "its vocabulary is not the one that this model was trained on"),
        (("runs/first", "--corpus", "markov"), "its vocabulary is not the one that this model was trained on"),
        (("runs/first", "--corpus", "nowhere.txt"), "nowhere.txt"),
        (("runs/first", "--backend", "abacus"), "no backend is called 'abacus'"),
        ((), "CHECKPOINT"),
    ],
)
def test_what_cannot_be_evaluated_is_named(inside_work, run_folder, arguments, named):
    done = inside_work("evaluate", *arguments)
    assert done.returncode == 2
    assert named in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""
