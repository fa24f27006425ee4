"""The textbook's chapter-5 run on the CuPy backend follows the reference's first losses."""

from __future__ import annotations

import numpy as np

from timernn.cupy_backend import CupyBackend
from timernn_suite.conformance.test_language_model import GOLDEN, penn_treebank
from timernn_suite.lm.recipes import load_recipe
from timernn_suite.lm.trainer import Trainer

#: Nats, of losses about 6.
ABSOLUTE = 1e-5


def test_the_first_two_epochs_follow_the_reference_loss_by_loss(record_property):
    corpus = penn_treebank()  # skips without the text, and fails without it where TIMERNN_DATA is set
    recipe = load_recipe("chapter5").overridden(seed=0, epochs=2, dtype="float32")
    backend = CupyBackend()
    trainer = Trainer(backend, recipe, corpus)
    want = np.array(GOLDEN["first_losses"]["0"])
    assert len(want) == 38
    got = np.array([float(backend.to_numpy(trainer.step()[0])) for _ in want])
    largest = float(np.max(np.abs(got - want)))
    record_property("largest difference in nats", largest)
    assert largest <= ABSOLUTE
