"""One cell without a cluster: it goes on from its checkpoint to the same bits, and refuses another text."""

from __future__ import annotations

import pytest

from timernn_suite.corpus import load_corpus
from timernn_suite.lm.recipes import load_recipe
from timernn_suite.lm.trainer import Observer
from timernn_suite.sweep.errors import SweepError
from timernn_suite.sweep.worker import Job, difference, train_cell, versions


class Epochs(Observer):
    """Notes which epochs were trained."""

    def __init__(self) -> None:
        self.trained: list[int] = []

    def epoch(self, record) -> None:
        self.trained.append(record["epoch"])


@pytest.fixture
def job(work, tmp_path, monkeypatch):
    """Return a function that makes a job in this test's folder."""
    monkeypatch.setenv("TIMERNN_CACHE", str(work / "cache"))
    monkeypatch.chdir(work)
    recipe = load_recipe("tiny.toml")
    hashes = load_corpus(recipe.corpus).sha256

    def make(folder: str = "runs/cell", **changed) -> Job:
        settings = {"recipe": recipe, "corpus_sha256": hashes} | changed
        return Job(
            address="cell",
            backend="numpy",
            folder=str(tmp_path / folder),
            data=None,
            threads=1,
            timing=False,
            needed={},
            topic="",
            **settings,
        )

    (tmp_path / "runs").mkdir()
    return make


def figures(answer) -> tuple:
    result = answer["done"]["result"]
    return result["train_perplexity"], result["valid"]["nll_hex"], result["test"]["nll_hex"]


def whole(job) -> tuple:
    """Return the figures of the cell when nothing disturbs it, in a folder that nobody shares."""
    return figures(train_cell(job("elsewhere/cell"), Observer(), lambda: False))


def test_a_cell_goes_on_where_its_worker_died(job):
    first, second = Epochs(), Epochs()

    def die() -> bool:
        if first.trained:
            raise KeyboardInterrupt  # in the middle of the second epoch, with no time to save
        return False

    with pytest.raises(KeyboardInterrupt):
        train_cell(job(), first, die)
    answer = train_cell(job(), second, lambda: False)
    assert (first.trained, second.trained) == ([1], [2, 3])
    assert figures(answer) == whole(job)


def test_a_cell_that_is_stopped_saves_and_goes_on(job):
    asked = iter([False] * 3 + [True])
    assert train_cell(job(), Observer(), lambda: next(asked)) == {"stopped": True}
    epochs = Epochs()
    answer = train_cell(job(), epochs, lambda: False)
    assert epochs.trained == [1, 2, 3]
    assert figures(answer) == whole(job)


def test_damaged_checkpoints_cost_time_and_nothing_else(job, tmp_path):
    first = train_cell(job(), Observer(), lambda: False)
    for path in (tmp_path / "runs" / "cell").iterdir():
        path.write_bytes(b"nonsense")
    epochs = Epochs()
    again = train_cell(job(), epochs, lambda: False)
    assert epochs.trained == [1, 2, 3]
    assert figures(again) == figures(first)


def test_a_worker_that_does_not_share_the_file_system_leaves_nothing(job, tmp_path):
    whole(job)
    assert not (tmp_path / "elsewhere").exists()


def test_a_worker_with_another_text_refuses(job):
    with pytest.raises(SweepError, match="the worker's text text is not the command's"):
        train_cell(job(corpus_sha256={"train": "0", "valid": "1", "test": "2"}), Observer(), lambda: False)


def test_the_first_tokens_alone_have_no_held_out_perplexity(job):
    recipe = load_recipe("tiny.toml").overridden(train_tokens=600, validate=False)
    result = train_cell(job(recipe=recipe), Observer(), lambda: False)["done"]["result"]
    assert (result["valid"], result["test"]) == (None, None)
    assert result["train_perplexity"] > 1


def test_versions_are_compared_one_by_one():
    assert difference(versions()) is None
    for key in versions():
        assert key in (difference(versions() | {key: "other"}) or "")
