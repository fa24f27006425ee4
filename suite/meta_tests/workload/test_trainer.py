"""Training: seeded, resumed with the bits of an unbroken run, stopped cleanly, honest when it fails."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from timernn import load_backend
from timernn_suite.conformance.support import oracle_lm
from timernn_suite.corpus import Corpus
from timernn_suite.corpus.markov import MarkovSource
from timernn_suite.lm import checkpoint as checkpoints
from timernn_suite.lm.batching import Batches
from timernn_suite.lm.checkpoint import CheckpointError
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.perplexity import evaluate
from timernn_suite.lm.recipes import Recipe
from timernn_suite.lm.trained import load_trained
from timernn_suite.lm.trainer import Observer, Trainer, TrainingDiverged, TrainingError

SOURCE = MarkovSource(1, types=30, classes=5)
CORPUS = Corpus(
    "small", "a small source", SOURCE.vocabulary,
    SOURCE.sample(700, "train"), SOURCE.sample(200, "valid"), SOURCE.sample(200, "test"),
    {"train": "a", "valid": "b", "test": "c"},
)  # fmt: skip
ADAM = Recipe(
    "small", embedding_size=6, hidden_size=8, batch_size=4, time_size=5, epochs=3, learning_rate=0.01,
    max_norm=0.5, decay=0.5, dtype="float32",
)  # fmt: skip
SGD = dataclasses.replace(ADAM, optimiser="sgd", learning_rate=1.0, max_norm=0.0)
DROPPING = dataclasses.replace(
    ADAM, embedding_size=8, layers=2, skip=True, tied=True, embedding_dropout=0.2, layer_dropout=0.3,
    output_dropout=0.2, recurrent_dropout=0.3, weight_decay=0.1, decay=1.0, schedule="cosine",
)  # fmt: skip
#: With a rate at which the validation perplexity rises at once, so that averaging begins.
AVERAGING = dataclasses.replace(SGD, momentum=0.9, learning_rate=0.5, max_norm=1.0, decay=1.0, average=True)


@pytest.fixture
def backend():
    return load_backend("numpy")


def stopping_after(iterations):
    counter = itertools.count(1)
    return lambda: next(counter) == iterations


def trained(backend, recipe, folder=None, **options):
    trainer = Trainer(backend, recipe, CORPUS, folder=folder, **options)
    trainer.run()
    return trainer


def without_times(history):
    return [{k: v for k, v in record.items() if k not in ("seconds", "tokens_per_second")} for record in history]


def test_the_same_seed_trains_the_same_bits_and_another_seed_others(backend):
    one, same = trained(backend, ADAM), trained(backend, ADAM)
    other = trained(backend, dataclasses.replace(ADAM, seed=1))
    for name, value in one.model.to_weights().items():
        np.testing.assert_array_equal(same.model.to_weights()[name], value, strict=True)
    assert without_times(one.progress.history) == without_times(same.progress.history)
    assert one.progress.history[-1]["train_perplexity"] != other.progress.history[-1]["train_perplexity"]


def test_every_loss_of_a_run_is_the_oracles(backend):
    recipe = dataclasses.replace(SGD, dtype="float64", epochs=2, validate=False, decay=1.0)
    sizes = (len(CORPUS.vocabulary), recipe.embedding_size, recipe.hidden_size)
    first_weights = initial_weights(*sizes, seed=recipe.seed, dtype=recipe.dtype)
    batches = Batches(CORPUS.train, recipe.batch_size, recipe.time_size)
    steps = 2 * batches.iterations_per_epoch
    blocks = [batches.at(step * recipe.time_size) for step in range(steps)]
    want = oracle_lm.train(first_weights, blocks, recipe.learning_rate)["losses"]
    trainer = Trainer(backend, recipe, CORPUS)
    np.testing.assert_allclose([float(trainer.step()[0]) for _ in range(steps)], want, rtol=1e-10)


# An epoch has 34 iterations: in the first, at its end, just after it, in the last.
@pytest.mark.parametrize("stop", [1, 17, 34, 35, 101])
@pytest.mark.parametrize(
    "recipe", [ADAM, SGD, DROPPING, AVERAGING], ids=["adam", "sgd", "dropout and cosine", "momentum and average"]
)
def test_a_resumed_run_has_the_bits_of_an_unbroken_one(backend, tmp_path, recipe, stop):
    whole = trained(backend, recipe)
    first = Trainer(backend, recipe, CORPUS, folder=tmp_path, should_stop=stopping_after(stop))
    while not first.run():
        first = Trainer.resume(backend, lambda _: CORPUS, tmp_path)
    assert first.progress.epochs_done == 3
    for name, value in whole.model.to_weights().items():
        np.testing.assert_array_equal(first.model.to_weights()[name], value, err_msg=name, strict=True)
    np.testing.assert_array_equal(first.model.state, whole.model.state, strict=True)
    assert without_times(first.progress.history) == without_times(whole.progress.history)
    assert first.optimiser.learning_rate == whole.optimiser.learning_rate
    assert first.average.steps == whole.average.steps


def test_averaging_begins_when_the_validation_perplexity_stops_falling(backend, tmp_path):
    run = trained(backend, AVERAGING, tmp_path)
    perplexities = [record["valid_perplexity"] for record in run.progress.history]
    begun = next(epoch for epoch in range(1, 3) if perplexities[epoch] >= min(perplexities[:epoch]))
    assert run.average.steps == 34 * (3 - begun - 1) > 0
    last, _ = checkpoints.load(tmp_path / "last.npz")
    scored = evaluate(load_trained(tmp_path / "last.npz", backend).model, CORPUS.valid, SOURCE.vocabulary.eos_id)
    assert scored.perplexity == perplexities[-1]  # of the mean, not of the last weights
    assert not np.array_equal(last.group("weights")["Wh"], last.group("average")["mean2"])


def test_the_rate_of_a_cosine_falls_to_nearly_nothing(backend):
    rates = [record["learning_rate"] for record in trained(backend, DROPPING).progress.history]
    assert ADAM.learning_rate > rates[0] > rates[1] > rates[2] > 0


def test_a_stop_is_obeyed_within_an_iteration_and_keeps_a_checkpoint(backend, tmp_path):
    trainer = Trainer(backend, ADAM, CORPUS, folder=tmp_path, should_stop=stopping_after(7))
    assert not trainer.run()
    assert (tmp_path / "last.npz").exists()
    assert len(trainer.progress.epoch_losses) == 7


def test_the_batches_position_moves_on_by_one_block_an_iteration(backend):
    trainer = Trainer(backend, ADAM, CORPUS)
    seen = []
    at = trainer.batches.at
    trainer.batches.at = lambda time_index: seen.append(time_index) or at(time_index)
    trainer.run()
    assert seen == list(range(0, 3 * 34 * 5, 5))  # goes on over the epochs, never twice


def test_a_longer_run_can_be_asked_for_when_it_is_resumed(backend, tmp_path):
    trained(backend, ADAM, tmp_path)
    longer = Trainer.resume(backend, lambda _: CORPUS, tmp_path, epochs=4)
    longer.run()
    whole = trained(backend, dataclasses.replace(ADAM, epochs=4))
    np.testing.assert_array_equal(longer.model.to_weights()["Wh"], whole.model.to_weights()["Wh"])


def test_a_second_run_never_writes_over_the_first(backend, tmp_path):
    trained(backend, ADAM, tmp_path)
    before = (tmp_path / "last.npz").read_bytes()
    with pytest.raises(TrainingError, match="holds a run already; go on with it by --resume"):
        Trainer(backend, ADAM, CORPUS, folder=tmp_path)
    assert (tmp_path / "last.npz").read_bytes() == before


def test_another_text_is_refused_when_a_run_is_resumed(backend, tmp_path):
    trained(backend, ADAM, tmp_path)
    other = dataclasses.replace(CORPUS, sha256={"train": "x", "valid": "b", "test": "c"})
    with pytest.raises(CheckpointError, match="was trained on another text than the small that is here now"):
        Trainer.resume(backend, lambda _: other, tmp_path)


def test_a_damaged_checkpoint_costs_an_epoch_and_says_so(backend, tmp_path):
    trained(backend, ADAM, tmp_path)
    (tmp_path / "last.npz").write_bytes(b"")
    warnings = []

    class Listener(Observer):
        def warning(self, text):
            warnings.append(text)

    trainer = Trainer.resume(backend, lambda _: CORPUS, tmp_path, observer=Listener())
    assert trainer.progress.epochs_done == 2
    assert len(warnings) == 1
    trainer.run()
    whole = trained(backend, ADAM)
    np.testing.assert_array_equal(trainer.model.to_weights()["Wh"], whole.model.to_weights()["Wh"])


def test_divergence_is_reported_with_what_to_change_and_keeps_the_last_good_epoch(backend, tmp_path):
    trained(backend, dataclasses.replace(SGD, epochs=1), tmp_path)
    trainer = Trainer.resume(backend, lambda _: CORPUS, tmp_path, epochs=2)
    trainer.model.recurrent.params[2][...] = np.inf  # where too large a step ends
    trainer.model.output.params[0][0] = np.inf
    with pytest.raises(TrainingDiverged, match=r"the loss became .* in epoch 2.*smaller learning rate than 1,"):
        trainer.run()
    saved, _ = checkpoints.load(tmp_path)
    assert saved.about["progress"]["epochs_done"] == 1
    assert all(np.isfinite(value).all() for value in saved.arrays.values())


def test_training_lowers_the_perplexity_and_the_best_epoch_is_the_one_kept(backend, tmp_path):
    trainer = trained(backend, dataclasses.replace(ADAM, epochs=8), tmp_path)
    valid = [record["valid_perplexity"] for record in trainer.progress.history]
    assert valid[-1] < 0.8 * valid[0]
    assert checkpoints.load(tmp_path / "best.npz")[0].about["progress"]["best"] == min(valid)


def test_patience_ends_a_run_that_no_longer_gains(backend):
    # The smallest rate there is: nothing changes, so that no epoch after the first is better.
    recipe = dataclasses.replace(SGD, learning_rate=1e-30, decay=1.0, patience=2, epochs=50)
    assert trained(backend, recipe).progress.epochs_done == 3


def test_the_learning_rate_follows_the_schedule(backend):
    recipe = dataclasses.replace(SGD, learning_rate=1e-30, epochs=4)
    history = trained(backend, recipe).progress.history
    assert [record["learning_rate"] for record in history] == [1e-30, 1e-30, 5e-31, 2.5e-31]


def test_a_checkpoint_serves_the_trained_model_with_its_vocabulary(backend, tmp_path):
    trainer = trained(backend, ADAM, tmp_path)
    found = load_trained(tmp_path / "last.npz", backend)
    assert found.vocabulary.words == CORPUS.vocabulary.words
    assert found.recipe == ADAM
    for name, value in trainer.model.to_weights().items():
        np.testing.assert_array_equal(found.model.to_weights()[name], value, strict=True)


def test_only_the_first_tokens_are_trained_on_if_so_asked(backend):
    recipe = dataclasses.replace(ADAM, train_tokens=100, validate=False, decay=1.0)
    trainer = Trainer(backend, recipe, CORPUS)
    assert trainer.batches.size == 99
    assert trainer.vocabulary_size == CORPUS.train[:100].max() + 1


def test_an_element_type_that_the_backend_lacks_is_refused(backend):
    class OnlyDouble:
        name, dtypes = "only-double", ("float64",)

    with pytest.raises(TrainingError, match="dtype float32 is not one of only-double's"):
        Trainer(OnlyDouble(), ADAM, CORPUS)
