"""A trained model out of a checkpoint, on whatever backend is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timernn.contract import Backend
from timernn_suite.corpus import Vocabulary
from timernn_suite.lm import checkpoint as checkpoints
from timernn_suite.lm.optim import Average
from timernn_suite.lm.recipes import Recipe, recipe_from
from timernn_suite.lm.rnnlm import Rnnlm


@dataclass(frozen=True)
class Trained:
    """What a checkpoint holds for use after training.

    Attributes
    ----------
    model : Rnnlm
        The model, at the beginning of a text.
    vocabulary : Vocabulary
        Of its training text.
    recipe : Recipe
        How it was trained.
    corpus : dict
        Description of what it was trained on.
    """

    model: Rnnlm
    vocabulary: Vocabulary
    recipe: Recipe
    corpus: dict[str, Any]


def load_trained(path: Path, backend: Backend) -> Trained:
    """Load the model from a checkpoint file, or from a run's folder: its best, or without one its last.

    Raises
    ------
    CheckpointError
        If there is none that can be used.
    """
    best = path / checkpoints.BEST
    saved, _ = checkpoints.load(best if best.exists() else path)
    about = saved.about
    recipe = recipe_from(dict(about["recipe"]))
    model = Rnnlm(backend, saved.group("weights"), recipe.options)
    average = Average()
    average.restore(model, saved.group("average"))
    return Trained(average.of(model), Vocabulary(tuple(about["vocabulary"])), recipe, dict(about["corpus"]))
