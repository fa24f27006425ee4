"""The textbook's chapter-5 run, whole: a hundred epochs from the reference's own weights."""

from __future__ import annotations

import pytest

from timernn import load_backend
from timernn_suite.corpus import load_corpus
from timernn_suite.lm.recipes import load_recipe
from timernn_suite.lm.trainer import Trainer


@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_epochs_end_in_the_corridor(ptb_folder, seed):
    corpus = load_corpus("ptb", data=ptb_folder.parent, download=False)
    trainer = Trainer(load_backend("numpy"), load_recipe("chapter5").overridden(seed=seed), corpus)
    assert trainer.run()
    perplexities = [record["train_perplexity"] for record in trainer.progress.history]
    assert len(perplexities) == 100
    # Below lies the update inside the t-loop (4.87), above the time index stepped twice (12.67).
    assert 4.9 < perplexities[-1] < 6.5
    assert 385 < perplexities[0] < 402
    assert 70 < perplexities[49] < 86
