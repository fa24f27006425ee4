"""Faults of the yardstick itself (batches, evaluation, training, checkpoints), and the plugin that builds one in.

Loaded as ``-p workload_mutants`` with the variable `VARIABLE` naming a fault, it replaces one function or
method before any test module is imported; the tests that follow are the project's own.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from timernn import registry
from timernn.contract import BackendUnavailable
from timernn_suite import files
from timernn_suite.lm import checkpoint, initial, perplexity, trainer
from timernn_suite.lm.batching import Batches
from timernn_suite.lm.optim import SGD, Adam
from timernn_suite.lm.perplexity import Evaluation
from timernn_suite.lm.rnnlm import Rnnlm
from timernn_suite.lm.trainer import Trainer

VARIABLE = "TIMERNN_WORKLOAD_MUTANT"


@dataclass(frozen=True)
class Fault:
    """One fault: how to build it in, and the test that must fail, in the conformance suite or in ``workload/``.

    ``no_law`` says why only a comparison with the oracle finds it.
    """

    name: str
    killed_by: str
    build_in: Callable[[], None]
    no_law: str = ""


FAULTS: dict[str, Fault] = {}


def fault(killed_by: str, no_law: str = "") -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function that builds a fault in."""

    def register(build_in: Callable[[], None]) -> Callable[[], None]:
        FAULTS[build_in.__name__] = Fault(build_in.__name__, killed_by, build_in, no_law)
        return build_in

    return register


def pytest_configure() -> None:
    """Build the fault in."""
    FAULTS[os.environ[VARIABLE]].build_in()


# -- evaluation ------------------------------------------------------------------------------------


@fault("test_perplexity.py::test_every_token_counts_the_first_and_the_last_too")
def tail_dropped() -> None:
    """Tokens that fill no whole piece are not scored."""
    right = perplexity.evaluate_predictor

    def wrong(predict, ids, eos_id, *, time_size=256, **rest):
        whole = len(ids) // time_size * time_size or len(ids)
        return right(predict, ids[:whole], eos_id, time_size=time_size, **rest)

    perplexity.evaluate_predictor = wrong


@fault("test_perplexity.py::test_every_token_counts_the_first_and_the_last_too")
def padding_counted() -> None:
    """The last piece is filled up to the length of the others, and what fills it is scored."""
    right = perplexity.evaluate_predictor

    def wrong(predict, ids, eos_id, *, time_size=256, **rest):
        filled = np.append(ids, np.full(-len(ids) % time_size, eos_id))
        return right(predict, filled, eos_id, time_size=time_size, **rest)

    perplexity.evaluate_predictor = wrong


@fault("test_perplexity.py::test_the_evaluator_returns_the_entropy_of_a_source_that_tells_its_probabilities")
def divided_by_one_less() -> None:
    """The sum over n tokens is divided by n - 1, as if the first were not scored."""
    Evaluation.perplexity = property(lambda self: perplexity.perplexity_of(self.nll / (self.tokens - 1)))


@fault("test_language_model.py::test_perplexity_does_not_depend_on_where_the_text_is_cut")
def state_lost_between_pieces() -> None:
    """Every piece of the text is scored from a zero state."""
    right = Rnnlm.for_evaluation

    def wrong(self):
        twin = right(self)
        predict = twin.predict

        def forgetful(ids):
            twin.reset_state()
            return predict(ids)

        twin.predict = forgetful
        return twin

    Rnnlm.for_evaluation = wrong


@fault("test_language_model.py::test_evaluation_leaves_training_as_it_was")
def evaluation_disturbs_training() -> None:
    """The model is scored with its own state instead of a second one."""
    Rnnlm.for_evaluation = lambda self: self


@fault("test_perplexity.py::test_the_evaluator_returns_the_entropy_of_a_source_that_tells_its_probabilities")
def summed_in_single_precision() -> None:
    """The losses of all tokens are added up in float32."""
    right = perplexity.nll_of_scores
    perplexity.nll_of_scores = lambda scores, targets: right(scores, targets).astype(np.float32)


# -- batches ---------------------------------------------------------------------------------------


@fault("test_batching.py::test_the_chapter_5_run_has_these_positions")
def offsets_shuffled() -> None:
    """The streams begin at the right places, in another order."""
    right = Batches.positions
    Batches.positions = lambda self, time_index: right(self, time_index)[::-1]


@fault("test_batching.py::test_the_chapter_5_run_has_these_positions")
def offsets_not_shifted() -> None:
    """All streams read the text from its beginning."""
    right = Batches.positions
    Batches.positions = lambda self, time_index: np.repeat(right(self, time_index)[:1], self.batch_size, axis=0)


@fault("test_batching.py::test_the_second_epoch_goes_on_where_the_first_ended")
def every_epoch_from_the_start() -> None:
    """The second epoch repeats the first one's blocks."""
    right = Batches.positions
    Batches.positions = lambda self, i: right(self, i % (self.iterations_per_epoch * self.time_size))


@fault("test_batching.py::test_a_target_is_the_next_token_even_where_a_stream_wraps")
def targets_wrap_too() -> None:
    """Where a stream wraps, the target of the last input is the text's first token."""

    def wrong(self, time_index):
        positions = self.positions(time_index)
        return self._read(positions), self._read((positions + 1) % self.size)

    Batches.at = wrong


# -- training --------------------------------------------------------------------------------------


@fault("test_trainer.py::test_the_batches_position_moves_on_by_one_block_an_iteration")
def time_stepped_twice() -> None:
    """The position in the text moves on by two blocks an iteration."""
    right = Trainer.step

    def wrong(self):
        result = right(self)
        self.progress.time_index += self.batches.time_size
        return result

    Trainer.step = wrong


@fault("test_trainer.py::test_every_loss_of_a_run_is_the_oracles")
def updated_inside_the_block() -> None:
    """Every time of a block is a step of its own, so that no gradient goes back at all."""

    def wrong(self):
        ids, labels = self.batches.at(self.progress.time_index)
        self.progress.time_index += self.batches.time_size
        losses = []
        for t in range(self.batches.time_size):
            losses.append(self.model.forward(ids[:, t : t + 1], labels[:, t : t + 1]))
            self.model.backward()
            norm = self.optimiser.update(self.model, self.recipe.max_norm or None)
        return np.mean(losses), norm

    Trainer.step = wrong


@fault("test_language_model.py::test_the_state_carried_between_blocks_changes_the_next_loss")
def state_reset_at_every_block() -> None:
    """The model forgets the text at every block's start."""
    right = Rnnlm.forward

    def wrong(self, ids, labels):
        self.reset_state()
        return right(self, ids, labels)

    Rnnlm.forward = wrong


@fault(
    "test_language_model.py::test_the_textbooks_chapter_5_run_is_followed_loss_by_loss",
    no_law="a model with other first weights is as good a model: only the reference run knows them",
)
def first_weights_scaled() -> None:
    """The first input weights are a thousandth too large."""
    right = initial.initial_weights

    def wrong(*sizes, **options):
        drawn = right(*sizes, **options)
        return drawn | {"Wx": drawn["Wx"] * drawn["Wx"].dtype.type(1.001)}

    initial.initial_weights = trainer.initial_weights = wrong


@fault("test_optim.py::test_sgd_moves_every_parameter_against_its_gradient")
def learning_rate_ignored() -> None:
    """SGD always takes steps of 1."""
    right = SGD.__init__
    SGD.__init__ = lambda self, learning_rate, **options: right(self, 1.0, **options)


# -- checkpoints -----------------------------------------------------------------------------------


def saving(change: Callable[[dict], dict]) -> None:
    """Have every checkpoint changed before it is written."""
    right = checkpoint._encode

    def wrong(made):
        return right(dataclasses.replace(made, arrays=change(dict(made.arrays))))

    checkpoint._encode = wrong


@fault("test_trainer.py::test_a_resumed_run_has_the_bits_of_an_unbroken_one")
def checkpoint_loses_state() -> None:
    """A run that goes on begins with a zero state."""
    saving(lambda arrays: {name: value for name, value in arrays.items() if name != "h"})


@fault("test_trainer.py::test_a_resumed_run_has_the_bits_of_an_unbroken_one")
def checkpoint_loses_optimiser() -> None:
    """Adam's moments begin anew."""
    right = Adam.state
    Adam.state = lambda self, model: {name: np.zeros_like(value) for name, value in right(self, model).items()}


@fault("test_checkpoint.py::test_a_checkpoint_comes_back_exactly")
def checkpoint_loses_precision() -> None:
    """All arrays are written in single precision."""
    saving(lambda arrays: {name: value.astype(np.float32) for name, value in arrays.items()})


@fault("test_checkpoint.py::test_damage_is_found_and_the_one_before_stands_in")
def damage_not_looked_for() -> None:
    """Hashes are written and never compared."""
    checkpoint._sha256 = lambda array: "0" * 64


@fault("test_checkpoint.py::test_what_the_disk_refuses_loses_nothing_and_leaves_nothing_half_written")
def half_written_file_left_behind() -> None:
    """What could not be written whole stays in the folder."""

    def wrong(path, data):
        beside = path.with_name(path.name + files.PARTIAL)
        with beside.open("wb") as file:
            file.write(data)
            os.fsync(file.fileno())
        return beside

    checkpoint.write_beside = wrong


# -- backends --------------------------------------------------------------------------------------


@fault("test_registry.py::test_what_cannot_run_is_an_error_and_nothing_else_steps_in")
def numpy_steps_in() -> None:
    """A backend that can't run here is replaced by NumPy in silence."""
    right = registry.load_backend

    def wrong(spec=None):
        try:
            return right(spec)
        except BackendUnavailable:
            return right("numpy")

    registry.load_backend = wrong
