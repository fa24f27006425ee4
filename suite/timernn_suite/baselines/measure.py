"""All baselines on one corpus, one after the other, from the plainest to the mixtures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from timernn.contract import Backend
from timernn_suite.baselines.cache import UnigramCache
from timernn_suite.baselines.cbow import Cbow
from timernn_suite.baselines.cbow_training import CbowSettings, Progress, train_cbow
from timernn_suite.baselines.frequencies import Uniform, Unigram
from timernn_suite.baselines.kneser_ney import KneserNey
from timernn_suite.baselines.mixture import interpolate
from timernn_suite.baselines.tokens import CACHE, INTERPOLATED, Scored, TokenLoss, rnn_loss, score
from timernn_suite.corpus import Corpus, CorpusError
from timernn_suite.lm.trained import Trained, load_trained

#: What can be asked for by name.
FAMILIES = ("uniform", "unigram", "kn", "cache", "cbow")
#: Sizes of the cache, in tokens, of which the best on valid is taken.
CACHE_SIZES = (50, 100, 150, 200, 300, 500, 1000, 2000)


@dataclass(frozen=True)
class Settings:
    """What is measured, and how.

    Attributes
    ----------
    families : sequence of str
        Some of `FAMILIES`.
    order : int
        Of the n-gram model.
    windows : sequence of int
        How many words to the left the CBOW models see.
    cbow : CbowSettings
        How they are trained.
    cache_sizes : sequence of int
        Sizes of the cache that are tried on valid.
    """

    families: Sequence[str] = FAMILIES
    order: int = 5
    windows: Sequence[int] = (1, 2, 5, 10)
    cbow: CbowSettings = field(default_factory=CbowSettings)
    cache_sizes: Sequence[int] = CACHE_SIZES

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        return asdict(self)


def measure(
    corpus: Corpus,
    backend: Backend,
    settings: Settings,
    runs: Mapping[str, Trained] | None = None,
    *,
    progress: Progress = lambda done, total, note: None,
) -> Iterator[Scored]:
    """Fit and score one baseline after the other.

    Parameters
    ----------
    corpus : Corpus
        The text.
    backend : Backend
        What computes the CBOW and the recurrent models.
    settings : Settings
        What is measured.
    runs : mapping of str to Trained
        Recurrent models by name, as from `load_runs`. Each is scored as it is, and all together are mixed with the
        n-gram model, and with that and the cache.
    progress : callable
        Told of what takes long.

    Yields
    ------
    Scored
        Each as soon as it is there.
    """
    wanted = set(settings.families)
    V = len(corpus.vocabulary)
    if "uniform" in wanted:
        yield score("uniform", corpus, lambda: (Uniform(V).nll, {}))
    if "unigram" in wanted:
        yield score("unigram", corpus, lambda: (Unigram(corpus.train, V).nll, {}))
    if runs or wanted & {"kn", "cache"}:
        ngrams = score_ngrams(corpus, settings.order)
        if "kn" in wanted:
            yield ngrams
    if runs or "cache" in wanted:
        cache, cached = tune_cache(corpus, ngrams, settings.cache_sizes)
        if "cache" in wanted:
            yield cached
    if "cbow" in wanted:
        for window in settings.windows:
            # A window of one word has no order to keep.
            for keeps_order in (False, True) if window > 1 else (False,):
                yield score_cbow(corpus, backend, window, keeps_order, settings.cbow, progress)
    networks = []
    for name, trained in (runs or {}).items():
        networks.append(score_run(name, trained, corpus))
        yield networks[-1]
    if networks:
        mixed = " + ".join(part.name for part in (*networks, ngrams))
        yield interpolate(mixed, INTERPOLATED, [*networks, ngrams])
        yield interpolate(f"{mixed} + cache", INTERPOLATED, [*networks, ngrams, cache])


def score_ngrams(corpus: Corpus, order: int) -> Scored:
    """Fit and score the n-gram model."""

    def fit() -> tuple[TokenLoss, dict[str, Any]]:
        model = KneserNey(corpus.train, len(corpus.vocabulary), corpus.vocabulary.eos_id, order=order)
        return model.nll, {"order": order, "discounts": model.discounts}

    return score(f"KN{order}", corpus, fit)


def tune_cache(corpus: Corpus, ngrams: Scored, sizes: Sequence[int]) -> tuple[Scored, Scored]:
    """Return the cache that helps the n-gram model most on valid, on its own, and mixed with it."""
    eos_id = corpus.vocabulary.eos_id
    alone = [score("cache", corpus, partial(_cache_of, size, eos_id)) for size in sizes]
    tried = [(part, interpolate(f"{ngrams.name} + cache", CACHE, [ngrams, part])) for part in alone]
    cache, cached = min(tried, key=lambda pair: pair[1].evaluation("valid").nll)
    seconds = sum(part.seconds + mixed.seconds for part, mixed in tried)
    return cache, replace(cached, seconds=seconds, settings=cached.settings | cache.settings)


def _cache_of(size: int, eos_id: int) -> tuple[TokenLoss, dict[str, Any]]:
    return UnigramCache(size, eos_id).nll, {"size": size}


def score_cbow(
    corpus: Corpus, backend: Backend, window: int, keeps_order: bool, settings: CbowSettings, progress: Progress
) -> Scored:
    """Train and score one CBOW model."""
    name = f"CBOW {window}" + (f" {'concat' if keeps_order else 'sum'}" if window > 1 else "")

    def fit() -> tuple[TokenLoss, dict[str, Any]]:
        model = Cbow(
            backend,
            len(corpus.vocabulary),
            settings.embedding_size,
            window=window,
            keeps_order=keeps_order,
            eos_id=corpus.vocabulary.eos_id,
            seed=settings.seed,
        )
        valid = train_cbow(model, corpus, settings, lambda done, total, note: progress(done, total, f"{name}, {note}"))
        about = {"window": window, "keeps_order": keeps_order, "backend": backend.name, "valid_nll_by_epoch": valid}
        return model.nll, about

    return score(name, corpus, fit, dtype="float32")


def score_run(name: str, trained: Trained, corpus: Corpus) -> Scored:
    """Score the recurrent model of a run."""
    about = {"recipe": trained.recipe.name, "backend": trained.model.backend.name}
    return score(
        f"RNN {name}",
        corpus,
        lambda: (rnn_loss(trained.model, corpus.vocabulary.eos_id), about),
        dtype=trained.model.dtype,
    )


def load_runs(folders: Mapping[str, Path], corpus: Corpus, backend: Backend) -> dict[str, Trained]:
    """Load the models of runs of ``timernn train``.

    Raises
    ------
    CheckpointError
        If a run has no model that can be used.
    CorpusError
        If a run was trained on another vocabulary.
    """
    runs = {name: load_trained(folder, backend) for name, folder in folders.items()}
    for name, trained in runs.items():
        if trained.vocabulary.words != corpus.vocabulary.words:
            raise CorpusError(
                f"{corpus.name}: its vocabulary is not the one that the model of run {name} was trained on "
                f"({trained.corpus['source']})"
            )
    return runs
