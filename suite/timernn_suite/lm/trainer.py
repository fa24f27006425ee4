"""Training by truncated BPTT: block after block in the text's order, the state carried on, the gradient cut."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from timernn.contract import Array, Backend
from timernn_suite.corpus import Corpus
from timernn_suite.lm import checkpoint as checkpoints
from timernn_suite.lm.batching import Batches
from timernn_suite.lm.checkpoint import Checkpoint, CheckpointError
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.optim import SGD, Adam, Average, Optimiser
from timernn_suite.lm.perplexity import evaluate, perplexity_of
from timernn_suite.lm.recipes import Recipe, recipe_from
from timernn_suite.lm.rnnlm import Rnnlm
from timernn_suite.lm.schedules import Plateau, cosine

#: Losses are read from the device so many iterations at a time, because reading one waits for it.
_READ_EVERY = 20


class TrainingError(RuntimeError):
    """Training can't begin or can't go on; what was saved before is kept."""


class TrainingDiverged(TrainingError):  # noqa: N818 - reads as what happened
    """The loss is no longer finite."""


class Observer:
    """What a trainer tells of its work; override what is of interest."""

    def iteration(self, epoch: int, iteration: int, iterations: int, losses: list[float]) -> None:
        """Hear that some more iterations are done; ``losses`` are those of the epoch so far."""

    def validating(self, epoch: int, done: int, total: int) -> None:
        """Hear that so many tokens of the validation text are scored."""

    def epoch(self, record: dict[str, Any]) -> None:
        """Hear that an epoch is done; ``record`` is its line of the learning curve."""

    def warning(self, text: str) -> None:
        """Hear something that the user should know."""


@dataclass
class Progress:
    """How far a run has come; with the arrays, all that a checkpoint needs."""

    epochs_done: int = 0
    time_index: int = 0
    epoch_losses: list[float] = field(default_factory=list)
    epoch_norms: list[float] = field(default_factory=list)
    epoch_seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: float = math.inf
    epochs_since_best: int = 0


class Trainer:
    """One training run.

    Parameters
    ----------
    backend : Backend
        What computes.
    recipe : Recipe
        What is trained, and how.
    corpus : Corpus
        The text that ``recipe.corpus`` names.
    folder : Path, optional
        Where checkpoints go; without it nothing is written.
    observer : Observer, optional
        Told of progress.
    should_stop : callable, optional
        Asked between iterations; True ends the run cleanly, with a checkpoint.
    """

    def __init__(
        self,
        backend: Backend,
        recipe: Recipe,
        corpus: Corpus,
        *,
        folder: Path | None = None,
        observer: Observer | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.backend, self.recipe, self.corpus, self.folder = backend, recipe, corpus, folder
        self.observer = observer or Observer()
        self.should_stop = should_stop
        if recipe.dtype not in backend.dtypes:
            raise TrainingError(f"recipe {recipe.name}: dtype {recipe.dtype} is not one of {backend.name}'s")
        if folder is not None:
            if any((folder / name).exists() for name in (checkpoints.LAST, checkpoints.PREVIOUS)):
                raise TrainingError(f"{folder}: holds a run already; go on with it by --resume, or name another folder")
            folder.mkdir(parents=True, exist_ok=True)
        ids = corpus.train[: recipe.train_tokens or None]
        self.vocabulary_size = int(ids.max()) + 1 if recipe.train_tokens else len(corpus.vocabulary)
        self.batches = Batches(ids, recipe.batch_size, recipe.time_size)
        sizes = (self.vocabulary_size, recipe.embedding_size, recipe.hidden_size)
        weights = initial_weights(
            *sizes,
            seed=recipe.seed,
            dtype=recipe.dtype,
            scheme=recipe.initialisation,
            gain=recipe.recurrent_gain,
            options=recipe.options,
        )
        self.model = Rnnlm(backend, weights, recipe.options, seed=recipe.seed)
        self.optimiser: Optimiser = (
            SGD(recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
            if recipe.optimiser == "sgd"
            else Adam(recipe.learning_rate, weight_decay=recipe.weight_decay)
        )
        self.average = Average()
        self.schedule = Plateau(recipe.decay, keep_cutting=recipe.keep_decaying)
        self.progress = Progress()

    @classmethod
    def resume(
        cls,
        backend: Backend,
        corpus_for: Callable[[Recipe], Corpus],
        folder: Path,
        *,
        observer: Observer | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        epochs: int | None = None,
    ) -> Trainer:
        """Take up the run in ``folder`` where its last checkpoint left it.

        On the same machine the result has the bits of a run that was never interrupted.

        Parameters
        ----------
        corpus_for : callable
            Loads the corpus that a recipe names.
        epochs : int, optional
            Train up to so many epochs instead of the recipe's.

        Raises
        ------
        CheckpointError
            If there is no usable checkpoint, or the corpus is not the one that it was trained on.
        """
        saved, warning = checkpoints.load(folder)
        recipe = recipe_from(dict(saved.about["recipe"])).overridden(epochs=epochs)
        corpus = corpus_for(recipe)
        if dict(corpus.sha256) != saved.about["corpus"]["sha256"]:
            raise CheckpointError(f"{folder}: was trained on another text than the {corpus.name} that is here now")
        trainer = cls(backend, recipe, corpus, observer=observer, should_stop=should_stop)
        trainer.folder = folder
        trainer._restore(saved)
        if warning is not None:
            trainer.observer.warning(warning)
        return trainer

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the validation perplexity stopped falling for ``patience`` of them."""
        recipe, progress = self.recipe, self.progress
        out_of_patience = 0 < recipe.patience <= progress.epochs_since_best
        return progress.epochs_done >= recipe.epochs or out_of_patience

    def run(self) -> bool:
        """Train until `finished` or ``should_stop``; return whether it finished.

        Raises
        ------
        TrainingDiverged
            If the loss is no longer finite; the last good checkpoint is kept.
        CheckpointError
            If a checkpoint can't be written.
        """
        while not self.finished:
            if not self._train_epoch():
                self._save()
                return False
            self._end_epoch()
        return True

    def _train_epoch(self) -> bool:
        """Train to the epoch's end, from wherever in it the run stands; return False if asked to stop before."""
        progress, iterations = self.progress, self.batches.iterations_per_epoch
        pending: list[tuple[Array, Array | None]] = []
        started = time.monotonic()
        stopped = False
        while len(progress.epoch_losses) + len(pending) < iterations and not stopped:
            pending.append(self.step())
            stopped = self.should_stop()
            if len(pending) >= _READ_EVERY or stopped or len(progress.epoch_losses) + len(pending) == iterations:
                self._read(pending)
                pending.clear()
                done = len(progress.epoch_losses)
                self.observer.iteration(progress.epochs_done + 1, done, iterations, progress.epoch_losses)
        progress.epoch_seconds += time.monotonic() - started
        return len(progress.epoch_losses) == iterations

    def step(self) -> tuple[Array, Array | None]:
        """Train on the next block of every stream; return its loss and the gradient's norm (None without clipping)."""
        ids, labels = self.batches.at(self.progress.time_index)
        if self.recipe.schedule == "cosine":
            done = self.progress.time_index // self.batches.time_size
            steps = self.recipe.epochs * self.batches.iterations_per_epoch
            self.optimiser.learning_rate = cosine(self.recipe.learning_rate, done, steps)
        self.progress.time_index += self.batches.time_size
        loss = self.model.forward(ids, labels)
        self.model.backward()
        norm = self.optimiser.update(self.model, self.recipe.max_norm or None)
        if self.average.steps or (self.recipe.average and self.progress.epochs_since_best > 0):
            self.average.update(self.model)
        return loss, norm

    def _read(self, pending: list[tuple[Array, Array | None]]) -> None:
        """Read losses and norms from the device, and see that they are finite."""
        progress = self.progress
        for loss, norm in pending:
            value = float(self.backend.to_numpy(loss))
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"the loss became {value} in epoch {progress.epochs_done + 1}, iteration "
                    f"{len(progress.epoch_losses) + 1}: try a smaller learning rate than "
                    f"{self.optimiser.learning_rate:g}, or a smaller max_norm than {self.recipe.max_norm:g} (0 is none)"
                )
            progress.epoch_losses.append(value)
            if norm is not None:
                progress.epoch_norms.append(float(self.backend.to_numpy(norm)))

    def _end_epoch(self) -> None:
        progress = self.progress
        progress.epochs_done += 1
        tokens = self.batches.iterations_per_epoch * self.batches.batch_size * self.batches.time_size
        record: dict[str, Any] = {
            "epoch": progress.epochs_done,
            "learning_rate": self.optimiser.learning_rate,
            "train_perplexity": perplexity_of(float(np.mean(progress.epoch_losses))),
            "valid_perplexity": None,
            "seconds": round(progress.epoch_seconds, 3),
            "tokens_per_second": round(tokens / progress.epoch_seconds) if progress.epoch_seconds > 0 else None,
            "gradient_norm": float(np.mean(progress.epoch_norms)) if progress.epoch_norms else None,
        }
        is_best = True
        if self.recipe.validate:
            valid = self._validate()
            record["valid_perplexity"] = valid
            is_best = valid < progress.best
            progress.best = min(progress.best, valid)
            progress.epochs_since_best = 0 if is_best else progress.epochs_since_best + 1
            self.optimiser.learning_rate = self.schedule.after_epoch(self.optimiser.learning_rate, valid)
        progress.history.append(record)
        progress.epoch_losses, progress.epoch_norms, progress.epoch_seconds = [], [], 0.0
        self._save(best=is_best)
        self.observer.epoch(record)

    def _validate(self) -> float:
        epoch = self.progress.epochs_done
        evaluation = evaluate(
            self.average.of(self.model),
            self.corpus.valid,
            self.corpus.vocabulary.eos_id,
            progress=lambda done, total: self.observer.validating(epoch, done, total),
        )
        return evaluation.perplexity

    # -- checkpoints -------------------------------------------------------------------------------

    def _save(self, *, best: bool = False) -> None:
        if self.folder is None:
            return
        arrays: dict[str, Any] = {f"weights/{name}": value for name, value in self.model.to_weights().items()}
        arrays |= {f"average/{name}": value for name, value in self.average.state(self.model).items()}
        arrays |= {f"optimiser/{name}": value for name, value in self.optimiser.state(self.model).items()}
        if self.model.state is not None:
            arrays["h"] = self.model.state
        about = {
            "recipe": self.recipe.as_record(),
            "backend": self.backend.name,
            "vocabulary": list(self.corpus.vocabulary.words[: self.vocabulary_size]),
            "corpus": self.corpus.describe(),
            "learning_rate": self.optimiser.learning_rate,
            "schedule": {"best": self.schedule.best, "cut": self.schedule.cut},
            "masks": self.model.masks.state,
            "progress": vars(self.progress),
        }
        checkpoints.save(self.folder, Checkpoint(arrays, about), best=best)

    def _restore(self, saved: Checkpoint) -> None:
        self.model = Rnnlm(self.backend, saved.group("weights"), self.recipe.options, seed=self.recipe.seed)
        self.model.state = saved.arrays.get("h")
        if "masks" in saved.about:  # which checkpoints have had since there has been dropout
            self.model.masks.state = saved.about["masks"]
        self.average.restore(self.model, saved.group("average"))
        self.optimiser.restore(self.model, saved.group("optimiser"))
        self.optimiser.learning_rate = saved.about["learning_rate"]
        self.schedule.best, self.schedule.cut = saved.about["schedule"]["best"], saved.about["schedule"]["cut"]
        self.progress = Progress(**saved.about["progress"])
