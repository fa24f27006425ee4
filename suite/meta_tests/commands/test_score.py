"""``timernn score``: the chain rule in figures, and words that the model doesn't know."""

from __future__ import annotations

import json
import math

import pytest

SENTENCE = "the cat sees a bird"


@pytest.fixture(scope="module")
def scored(in_work, run_folder):
    done = in_work("score", "-c", "runs/first", "--json", SENTENCE, "a unicorn hears a unicorn quietly")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_words_probabilities_multiply_to_the_joint_one(scored):
    for sentence in scored:
        probabilities = [word["probability"] for word in sentence["words"]]
        assert all(0 < p < 1 for p in probabilities)
        assert math.isclose(math.prod(probabilities), math.exp(sentence["log_probability"]), rel_tol=1e-9)
        mean = -sentence["log_probability"] / len(probabilities)
        assert math.isclose(sentence["perplexity"], math.exp(mean), rel_tol=1e-12)


def test_every_word_is_scored_and_the_sentences_end(scored):
    assert [word["word"] for word in scored[0]["words"]] == [*SENTENCE.split(), "<eos>"]


def test_unknown_words_are_named_once_each(scored):
    assert scored[0]["unknown"] == []
    assert scored[1]["unknown"] == ["unicorn", "quietly"]


def test_for_people_it_marks_unknown_words_and_ranks_the_sentences(in_work, run_folder):
    done = in_work("score", "-c", "runs/first", "zebra zebra zebra zebra", "the cat sees the dog")
    assert done.returncode == 0, done.stderr
    assert "zebra (unknown)" in done.stdout
    assert "unknown: zebra (scored as <unk>)" in done.stdout
    ranking = done.stdout[done.stdout.index("rank") :]
    assert ranking.index("the cat sees the dog") < ranking.index("zebra")


def test_without_a_checkpoint_the_newest_run_is_taken(in_work, run_folder, scored):
    done = in_work("score", SENTENCE, "--json")
    assert done.returncode == 0, done.stderr
    assert [word["word"] for word in json.loads(done.stdout)[0]["words"]] == [*SENTENCE.split(), "<eos>"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("-c", "runs/first", ""), "must have at least one word"),
        (("-c", "runs/first", "   "), "must have at least one word"),
        (("-c", "runs/nowhere", SENTENCE), "nowhere: no such checkpoint"),
        (("-c", "runs/first"), "SENTENCE"),
    ],
)
def test_what_cannot_be_scored_is_named(inside_work, run_folder, arguments, named):
    done = inside_work("score", *arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stdout == ""


def test_without_any_run_it_says_how_to_get_one(timernn):
    done = timernn("score", SENTENCE)
    assert done.returncode == 2
    assert "timernn train" in done.stderr
