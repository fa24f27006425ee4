"""What a run says of its pace."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from timernn_suite.cli import progress as module
from timernn_suite.cli.progress import TimeLeft, TrainingProgress


def test_the_time_left_is_at_the_pace_of_this_command_alone():
    left = TimeLeft()
    left.update(done=500, total=1000, now=100.0)  # a resumed run: what came before took nobody knows how long
    assert str(left) == ""
    left.update(done=600, total=1000, now=110.0)
    assert str(left) == "0:00:40 left"
    left.update(done=1000, total=1000, now=150.0)
    assert str(left) == ""


@pytest.fixture
def shown(monkeypatch):
    """Return the text that standard error gets, with a clock of a second an iteration."""
    text = io.StringIO()
    monkeypatch.setattr(module, "errors", Console(file=text, width=200))
    return text


def test_an_epochs_line_has_throughput_and_time_left(shown, monkeypatch):
    progress = TrainingProgress(lambda: None)
    progress.expect(epochs=3, block=100)
    for iteration in (0, 5, 10):
        monkeypatch.setattr(module.time, "monotonic", lambda now=float(iteration): now)
        progress.iteration(1, iteration, 10, [1.0])
    record = {"epoch": 1, "train_perplexity": 2.7, "valid_perplexity": None, "learning_rate": 0.1}
    progress.epoch(record | {"tokens_per_second": 12345})
    assert "12,345 tokens/s  0:00:20 left" in shown.getvalue()


def test_a_warning_is_shown_as_it_stands(shown):
    TrainingProgress(lambda: None).warning("runs/[red]/last.npz: damaged")
    assert "runs/[red]/last.npz: damaged" in shown.getvalue()
