"""What runs in a worker: one cell's training, from its last checkpoint if there is one, and what the worker is."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import platform
import shutil
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from timernn import BackendUnavailable, UnknownBackend, __version__, load_backend
from timernn_suite.corpus import Corpus, load_corpus
from timernn_suite.lm import checkpoint as checkpoints
from timernn_suite.lm.checkpoint import CheckpointError
from timernn_suite.lm.perplexity import evaluate
from timernn_suite.lm.recipes import Recipe
from timernn_suite.lm.trained import load_trained
from timernn_suite.lm.trainer import Observer, Trainer, TrainingError
from timernn_suite.provenance import environment
from timernn_suite.speed.compare import THREAD_VARIABLES
from timernn_suite.sweep.errors import SweepError
from timernn_suite.sweep.plan import code_digest

#: What makes two workers' results the same, by the key under which `versions` has it.
COMPARED = ("timernn", "source", "python", "numpy")


@dataclass(frozen=True)
class Job:
    """What a worker is sent for one cell.

    Attributes
    ----------
    address : str
        The cell's.
    recipe : Recipe
        How it trains.
    backend : str
        On what.
    corpus_sha256 : mapping
        The text's hashes, which the worker's own text must have.
    folder : str
        Where checkpoints go if the worker shares the file system; a temporary folder stands in where it doesn't.
    data : str or None
        Where the Penn Treebank is.
    threads : int
        Of BLAS, OpenMP and Numba.
    timing : bool
        Whether the cell must have the machine for itself.
    needed : mapping
        What `versions` must return.
    topic : str
        Under which to tell of progress.
    """

    address: str
    recipe: Recipe
    backend: str
    corpus_sha256: Mapping[str, str]
    folder: str
    data: str | None
    threads: int
    timing: bool
    needed: Mapping[str, str]
    topic: str


def versions() -> dict[str, str]:
    """Return the versions that results depend on."""
    found = (__version__, code_digest(), platform.python_version(), np.__version__)
    return dict(zip(COMPARED, found, strict=True))


def difference(needed: Mapping[str, str]) -> str | None:
    """Say in what this process differs from what is needed; None where it doesn't."""
    here = versions()
    for key, value in needed.items():
        if here.get(key) != value:
            what = "the same version number but other source" if key == "source" else f"{key} {here.get(key)}"
            return f"it has {what}, and this command has {key} {value[:12]}: install the same on both"
    return None


def check_worker(needed: Mapping[str, str], backends: Sequence[str], threads: int) -> str | None:
    """Return why this worker can't take part; None if it can."""
    wrong = difference(needed)
    if wrong is not None:
        return wrong
    try:
        set_threads(threads)
        for name in backends:
            load_backend(name)
    except (SweepError, BackendUnavailable, UnknownBackend) as error:
        return str(error)
    return None


def set_threads(threads: int) -> None:
    """Tell the libraries that this process has yet to load how many threads to have.

    Raises
    ------
    SweepError
        If Numba is loaded already with another number, which it can't change.
    """
    wanted = str(threads)
    if "numba" in sys.modules and os.environ.get("NUMBA_NUM_THREADS") != wanted:
        raise SweepError(f"its Numba is loaded with other than {wanted} threads: start the worker anew")
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, wanted))


def run_cell(job: Job) -> dict[str, Any]:
    """Train and score one cell as a task of dask's.

    Returns
    -------
    answer : dict
        ``done``: the cell's record; or ``failed``: why it failed; or ``stopped``, when nobody wants it any more.
    """
    from distributed import Lock, get_worker  # noqa: PLC0415 - an extra, which is there where this runs

    worker = get_worker()
    task = worker.state.tasks[worker.get_current_task()]
    # One cell at a time on a host, whatever workers there are; a worker's death frees the lock within half a minute.
    host = Lock(f"timernn-timing-{socket.gethostname()}") if job.timing else contextlib.nullcontext()
    try:
        wrong = difference(job.needed)
        if wrong is not None:
            raise SweepError(f"a worker joined that can't take part: {wrong}")
        set_threads(job.threads)
        with host, threadpoolctl.threadpool_limits(job.threads):
            observer = _Teller(lambda told: worker.log_event(job.topic, {"address": job.address, **told}))
            observer.tell({"event": "begun"})
            return train_cell(job, observer, lambda: task.state == "cancelled")
    except Exception as error:  # the cell's own, whatever it is: it is recorded, and the others go on
        return {"failed": str(error) if isinstance(error, TrainingError) else f"{type(error).__name__}: {error}"}


class _Teller(Observer):
    """Tells the command of every epoch."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self.tell = tell

    def epoch(self, record: dict[str, Any]) -> None:
        """Send the epoch's perplexity."""
        self.tell({"event": "epoch", "epoch": record["epoch"], "valid_perplexity": record["valid_perplexity"]})


@functools.lru_cache(maxsize=2)
def _corpus(name: str, data: str | None) -> Corpus:
    """Load a text once for the cells that follow one another in this process."""
    return load_corpus(name, data=data)


@functools.cache
def _environment() -> dict[str, Any]:
    return environment()


def train_cell(job: Job, observer: Observer, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """Train and score one cell; see `run_cell`."""
    corpus = _corpus(job.recipe.corpus, job.data)
    if dict(corpus.sha256) != dict(job.corpus_sha256):
        raise SweepError(f"the worker's text {corpus.name} is not the command's: their hashes differ")
    backend = load_backend(job.backend)
    with _checkpoints(job) as folder:
        trainer = _trainer(job, folder, corpus, observer=observer, should_stop=should_stop)
        if not trainer.run():
            return {"stopped": True}
        history = trainer.progress.history
        result: dict[str, Any] = {
            "epochs": trainer.progress.epochs_done,
            "seconds": round(sum(epoch["seconds"] for epoch in history), 2),
            "train_perplexity": history[-1]["train_perplexity"],
            "valid": None,
            "test": None,
            "tokens_per_second": _speed(history) if job.timing else None,
        }
        if job.recipe.train_tokens == 0:  # else held-out text has words that the model doesn't
            model = load_trained(folder, backend).model
            for split in ("valid", "test"):
                result[split] = evaluate(model, getattr(corpus, split), corpus.vocabulary.eos_id).as_record()
                if not math.isfinite(result[split]["perplexity"]):
                    raise TrainingError(f"the {split} perplexity is {result[split]['perplexity']}")
    return {"done": {"result": result, "backend": backend.describe(), "environment": _environment()}}


@contextlib.contextmanager
def _checkpoints(job: Job) -> Iterator[Path]:
    """Give the folder for checkpoints: the sweep's own, or one that lasts as long as the cell."""
    folder = Path(job.folder)
    if folder.parent.is_dir():
        folder.mkdir(exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="timernn-cell-") as name:
        yield Path(name)


def _trainer(job: Job, folder: Path, corpus: Corpus, **options: Any) -> Trainer:
    """Return a trainer that goes on where an earlier worker or sweep left the cell, or begins."""
    backend = load_backend(job.backend)
    if any((folder / name).exists() for name in (checkpoints.LAST, checkpoints.PREVIOUS)):
        try:
            return Trainer.resume(backend, lambda recipe: corpus, folder, **options)
        except CheckpointError:
            shutil.rmtree(folder)  # checkpoints save time here and no more: the cell begins anew
            folder.mkdir()
    return Trainer(backend, job.recipe, corpus, folder=folder, **options)


def _speed(history: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the median of the epochs' training tokens a second; the first epoch, which compiles, if it is alone."""
    found = [epoch["tokens_per_second"] for epoch in history if epoch["tokens_per_second"]]
    return statistics.median(found[1:] or found) if found else None
