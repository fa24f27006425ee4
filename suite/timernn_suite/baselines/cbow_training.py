"""Training of CBOW models: Adam over shuffled windows, the best epoch on valid kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from timernn_suite.baselines.cbow import Cbow
from timernn_suite.corpus import Corpus
from timernn_suite.lm.optim import Adam
from timernn_suite.lm.perplexity import perplexity_of
from timernn_suite.lm.schedules import Plateau

#: Told how many tokens of how many an epoch has seen, and what is going on.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CbowSettings:
    """How CBOW models are trained.

    Attributes
    ----------
    epochs : int
        Passes through the training text.
    embedding_size : int
        D.
    batch_size : int
        Windows that a step is taken on.
    learning_rate : float
        Adam's; halved after an epoch that gains less than 0.3 % of perplexity on valid.
    max_norm : float
        Gradients are clipped to this global norm.
    seed : int
        Of the first weights and of the order of the windows.
    """

    epochs: int = 5
    embedding_size: int = 100
    batch_size: int = 256
    learning_rate: float = 0.002
    max_norm: float = 1.0
    seed: int = 0


def train_cbow(model: Cbow, corpus: Corpus, settings: CbowSettings, progress: Progress) -> list[float]:
    """Train a model, and leave it with the weights of the epoch that was best on valid.

    Returns
    -------
    list of float
        The mean loss on valid after each epoch, in nats.
    """
    optimiser, schedule = Adam(settings.learning_rate), Plateau()
    shuffled = np.random.default_rng(settings.seed)
    windows, targets = model.windows(corpus.train), corpus.train.astype(np.int32)
    history: list[float] = []
    best = model.to_weights()
    for epoch in range(1, settings.epochs + 1):
        order = shuffled.permutation(len(targets))
        for start in range(0, len(order), settings.batch_size):
            chosen = order[start : start + settings.batch_size]
            model.forward(windows[chosen], targets[chosen])
            model.backward()
            optimiser.update(model, settings.max_norm)
            progress(start + len(chosen), len(order), f"epoch {epoch} of {settings.epochs}")
        history.append(math.fsum(model.nll(corpus.valid)) / len(corpus.valid))
        if history[-1] == min(history):
            best = model.to_weights()
        optimiser.learning_rate = schedule.after_epoch(optimiser.learning_rate, perplexity_of(history[-1]))
    model.set_weights(best)
    return history
