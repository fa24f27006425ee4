"""The study of truncation: gradient error, cost and what is learnt against the length k of a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from timernn.contract import Backend
from timernn_suite.corpus import Corpus
from timernn_suite.lm.batching import Batches
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.perplexity import evaluate
from timernn_suite.lm.recipes import Recipe, load_recipe
from timernn_suite.lm.rnnlm import Rnnlm
from timernn_suite.lm.trainer import Observer, Trainer
from timernn_suite.provenance import environment
from timernn_suite.speed.sweeps import BASE, measure
from timernn_suite.studies.delayed_copy import DelayedCopy, copy_loss
from timernn_suite.studies.truncated_gradient import gradient_errors, precise_dtype

#: Of the processes that are timed: k is compared with k, and one thread is disturbed least by what else runs.
THREADS = 1
#: Told what is being done, how many of its parts are done, and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """What the study measures.

    Attributes
    ----------
    blocks : tuple of int
        The lengths k, in rising order; none is longer than ``T``.
    T : int
        Steps of the full gradient.
    streams : int
        N of the gradient's comparison.
    epochs, copy_epochs : int
        Of training on the corpus and on the delayed copy.
    tokens : int
        Only the first so many tokens of the corpus' training and test texts; 0 for all.
    delay : int
        Of the delayed copy.
    seed : int
        Of weights and of the delayed copy's text.
    turn_seconds : float
        How long a turn of timing lasts.
    """

    blocks: tuple[int, ...] = (1, 2, 5, 10, 20, 35, 50, 100)
    T: int = 200
    streams: int = 10
    epochs: int = 2
    copy_epochs: int = 4
    tokens: int = 0
    delay: int = 10
    seed: int = 0
    turn_seconds: float = 0.1

    def __post_init__(self) -> None:
        """Check that every block fits into the full length."""
        if self.T < 1 or not self.blocks or min(self.blocks) < 1 or max(self.blocks) > self.T:
            raise ValueError(f"blocks: must be lengths from 1 to T = {self.T}, got {self.blocks}")


#: A look: fewer lengths, less text.
QUICK = Settings(blocks=(1, 5, 10, 20, 50), epochs=1, copy_epochs=3, tokens=50_000, turn_seconds=0.02)


def recipe_for(corpus: Corpus, settings: Settings) -> Recipe:
    """Return what is trained on a corpus: its usual recipe at a constant learning rate, without validation.

    A rate that falls when the validation text says so would fall at another time for every k.
    """
    usual = load_recipe("ptb-small" if corpus.name == "ptb" else "markov")
    return replace(
        usual, corpus=corpus.name, epochs=settings.epochs, seed=settings.seed, validate=False, decay=1.0, patience=0
    )


def copy_recipe(settings: Settings) -> Recipe:
    """Return what is trained on the delayed copy."""
    return Recipe(
        name="delayed-copy",
        corpus=f"copy-after-{settings.delay}",
        embedding_size=16,
        hidden_size=32,
        batch_size=20,
        time_size=20,
        epochs=settings.copy_epochs,
        learning_rate=0.005,
        max_norm=1.0,
        validate=False,
        seed=settings.seed,
    )


def at_block_length(recipe: Recipe, k: int) -> Recipe:
    """Return the recipe with blocks of ``k`` steps and as many tokens an update as before, as nearly as can be.

    So every k sees the same tokens in the same number of updates from the same first weights; only how far the
    gradient reaches differs. With the same batch size a shorter block would also make more updates.
    """
    return replace(recipe, time_size=k, batch_size=max(1, round(recipe.batch_size * recipe.time_size / k)))


class _Told(Observer):
    """Passes a trainer's iterations on."""

    def __init__(self, what: str, progress: Progress) -> None:
        self._what, self._progress = what, progress

    def iteration(self, epoch: int, iteration: int, iterations: int, losses: list[float]) -> None:
        """Pass them on."""
        self._progress(f"{self._what}, epoch {epoch}", iteration, iterations)


def trained(backend: Backend, recipe: Recipe, corpus: Corpus, k: int, progress: Progress) -> Rnnlm:
    """Train with blocks of ``k`` steps and return the model."""
    trainer = Trainer(backend, at_block_length(recipe, k), corpus, observer=_Told(f"{corpus.name}, k = {k}", progress))
    trainer.run()
    return trainer.model


def run(
    backend: Backend, corpus: Corpus, settings: Settings, *, progress: Progress = lambda what, done, total: None
) -> dict[str, Any]:
    """Measure everything.

    Parameters
    ----------
    backend : Backend
        What computes; timing and memory run it again by its name, in processes of their own.
    corpus : Corpus
        What is learnt beside the delayed copy.
    settings : Settings
    progress : callable
        See `Progress`.

    Returns
    -------
    record : dict
        JSON-ready: ``gradient``, ``cost``, ``corpus`` and ``delayed_copy``, beside settings and provenance.

    Raises
    ------
    ShapeError
        If a text is too short for the lengths that were asked for.
    """
    made_in = environment()
    source = DelayedCopy(delay=settings.delay, seed=settings.seed)
    first = slice(settings.tokens or None)
    text = replace(corpus, train=corpus.train[first], test=corpus.test[first])
    copies = source.corpus()
    of_text, of_copies = recipe_for(corpus, settings), copy_recipe(settings)
    _require_enough(of_text, text, settings)
    _require_enough(of_copies, copies, settings)
    text_learnt, text_errors = _learnt(backend, of_text, text, settings, progress)
    copies_learnt, copies_errors = _learnt(backend, of_copies, copies, settings, progress, copies=True)
    lengths = sorted({*settings.blocks, settings.T})
    dtype = "float32" if "float32" in backend.dtypes else backend.dtypes[0]
    cost = measure(
        [backend.name],
        threads=THREADS,
        dtype=dtype,
        base=BASE,
        sweeps={"T": lengths},
        seconds=settings.turn_seconds,
        progress=lambda what, _: progress(what, 0, 1),
    )
    return {
        "study": "truncation",
        "backend": backend.name,
        "describe": backend.describe(),
        "environment": made_in,
        "settings": asdict(settings) | {"blocks": list(settings.blocks)},
        "gradient": {
            "dtype": precise_dtype(backend),
            "errors": {text.name: text_errors, copies.name: copies_errors},
        },
        "cost": {
            "k": lengths,
            "sizes": {"N": BASE.N, "D": BASE.D, "H": BASE.H, "dtype": dtype, "threads": THREADS},
            "microseconds_per_token": cost["time"]["T"]["microseconds_per_token"][backend.name],
            "peak_kib": cost["memory"]["peak_kib"][backend.name],
            "errors": cost["memory"]["errors"],
        },
        "corpus": corpus.describe()
        | {
            "tokens_used": {"train": len(text.train), "test": len(text.test)},
            "recipe": of_text.as_record(),
            "learnt": text_learnt,
        },
        "delayed_copy": copies.describe()
        | {
            "delay": source.delay,
            "blind_copy_loss": source.blind_copy_loss,
            "recipe": of_copies.as_record(),
            "learnt": copies_learnt,
        },
    }


def _require_enough(recipe: Recipe, corpus: Corpus, settings: Settings) -> None:
    """Raise `ShapeError` for a text too short for a length, before the work and not in the midst of it."""
    Batches(corpus.valid, settings.streams, settings.T)
    for k in settings.blocks:
        Batches(corpus.train, at_block_length(recipe, k).batch_size, k)


def _learnt(
    backend: Backend, recipe: Recipe, corpus: Corpus, settings: Settings, progress: Progress, *, copies: bool = False
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train at every k; return what was learnt, and the gradient errors before and after.

    The weights after are those of the longest block, which learnt most of what lies far back.
    """
    learnt = []
    for k in settings.blocks:
        model = trained(backend, recipe, corpus, k, progress)
        found = evaluate(
            model,
            corpus.test,
            corpus.vocabulary.eos_id,
            progress=partial(progress, f"{corpus.name}, k = {k}, scoring"),
        )
        at_k = at_block_length(recipe, k)
        record = {"k": k, "batch_size": at_k.batch_size, "test_perplexity": found.perplexity}
        learnt.append(record | ({"copy_loss": copy_loss(backend, model, corpus.test)} if copies else {}))
    sizes = (len(corpus.vocabulary), recipe.embedding_size, recipe.hidden_size)
    first = initial_weights(*sizes, seed=recipe.seed, dtype=recipe.dtype, scheme=recipe.initialisation)
    lengths = sorted({*settings.blocks, settings.T})
    errors = {
        name: gradient_errors(backend, weights, corpus.valid, N=settings.streams, T=settings.T, blocks=lengths)
        for name, weights in (("untrained", first), ("trained", model.to_weights()))
    }
    return learnt, errors
